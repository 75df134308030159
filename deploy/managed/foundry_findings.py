"""What would stop a deployment in a Foundry account, found before anything is sent.

Pure: what Azure offers and what stands is given. Azure's refusals of these come one at a time,
and that of the quota only after minutes.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from core.lifecycle import Kind, retirement
from core.model_quota import TokenQuota
from deploy.managed.contract import Hosted, HostedOrder
from deploy.managed.names import LEGAL
from deploy.managed.offers import Offer, offer_of, room_for

QUOTA_PAGE = "https://ai.azure.com > Management center > Quota"
OVER = ("Deprecated",)
"""Azure's words for a model whose base is no longer deployed."""


@dataclass(frozen=True)
class Standing:
    """What there is in the region and in the account."""

    location: str
    offers: tuple[Offer, ...]
    rooms: tuple[TokenQuota, ...] = ()
    hosted: tuple[Hosted, ...] = ()
    filters: tuple[str, ...] = ()
    """The account's content filters."""

    def named(self, name: str) -> Hosted | None:
        """Find a deployment."""
        return next((one for one in self.hosted if one.name.lower() == name.lower()), None)


def findings(orders: Sequence[HostedOrder], standing: Standing) -> list[str]:
    """Say what would stop these orders; quota is counted for all of them together."""
    found = [told for order in orders for told in _wrong(order, standing)]
    return [*dict.fromkeys(found), *_short(orders, standing)]


def told_quota(order: HostedOrder, offer: Offer | None, found: Sequence[TokenQuota]) -> str:
    """Tell the row that an order draws on, and where it is raised; empty where none is known."""
    room = room_for(found, order, offer) if offer else None
    return _told(room, order.capacity) if room else ""


def _wrong(order: HostedOrder, standing: Standing) -> Iterator[str]:
    if not LEGAL.fullmatch(order.name):
        yield (
            f"--name {order.name!r}: a deployment's name has 2 to 64 letters, digits, hyphens,"
            " underscores and periods, and begins with a letter or digit"
        )
    offer = offer_of(standing.offers, order.model)
    if order.serves == "base":
        yield from _base_is_over(order, offer, standing.location)
    if offer is not None:
        yield from _kind(order, offer)
    yield from _filter(order, standing.filters)
    other = standing.named(order.name)
    if other is not None and not other.is_of(order.model, order.serves):
        yield (
            f"--name {other.name} serves {other.model}, and Azure changes no deployment's model:"
            f" another --name, or none, or tunestack undeploy {other.name} first"
        )


def _base_is_over(order: HostedOrder, offer: Offer | None, location: str) -> Iterator[str]:
    if offer is None:
        yield f"{order.model} is not among the models of {location}"
        return
    today = datetime.now(UTC).date().isoformat()
    if offer.status not in OVER and not (offer.retired and offer.retired <= today):
        return
    row = retirement(Kind.MODEL, offer.name)
    instead = f"; its successors: {row.successor}" if row else ""
    since = f" since {offer.retired}" if offer.retired else ""
    yield f"{offer.id} is retired{since}: Azure deploys no base model of it any more{instead}"


def _kind(order: HostedOrder, offer: Offer) -> Iterator[str]:
    if order.sku == "DeveloperTier":
        if order.serves == "base":
            yield "--sku DeveloperTier is for tuned models; a base model takes GlobalStandard"
        elif not offer.is_openai:
            yield f"--sku DeveloperTier is for OpenAI's models; {offer.name} takes GlobalStandard"
        return
    if offer.skus and order.sku.lower() not in {sku.lower() for sku in offer.skus}:
        yield f"--sku {order.sku}: {offer.id} is offered as {', '.join(offer.skus)}"


def _filter(order: HostedOrder, there: Sequence[str]) -> Iterator[str]:
    name = order.content_filter
    if name and not name.startswith("Microsoft.") and name not in there:
        yield f"--content-filter {name}: the account has {', '.join(there) or 'none of its own'}"


def _short(orders: Sequence[HostedOrder], standing: Standing) -> Iterator[str]:
    needed: Counter[TokenQuota] = Counter()
    for order in orders:
        offer = offer_of(standing.offers, order.model)
        room = room_for(standing.rooms, order, offer) if offer else None
        if room is not None:
            needed[room] += order.capacity - _held(order, standing)
    for room, capacity in needed.items():
        if capacity > room.free:
            yield _told(room, capacity)


def _held(order: HostedOrder, standing: Standing) -> int:
    """Give what the deployment of that name holds already of the same row."""
    other = standing.named(order.name)
    if other is None or other.sku.lower() != order.sku.lower():
        return 0
    return other.capacity


def _told(room: TokenQuota, needed: int) -> str:
    more = f"Request quota: {room.used + needed}"
    smaller = f"; or --capacity {room.free}" if room.free else ""
    return (
        f"{room.title} ({room.name}): {needed} thousand tokens a minute needed, {room.free} free of"
        f" {room.limit}. {QUOTA_PAGE} > {room.name} > {more}{smaller};"
        " or tunestack undeploy what holds it"
    )
