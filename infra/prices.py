"""What the stack costs: while it only stands, while it trains, while an endpoint answers.

The settings say what there is; a price list (core/price_list.py) says what that costs.
"""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from math import ceil
from typing import Any

from core.managed_prices import hosting
from core.price_list import DEDICATED, HOURS_A_MONTH, Meter, PriceList, Quote, shipped
from core.settings import Settings
from infra.arm_types import TYPES

NODES_PER_BALANCER = 50
PRIVATE_ENDPOINTS = 4
"""Of a private network: those that infra/managed_network.py asks for, and Azure's own to the
registry."""

BY_USE = "billed by use, not by the hour"


@dataclass(frozen=True)
class Price:
    """USD an hour of one thing, and when it is paid."""

    what: str
    when: str
    """`standing`, `training`, `further clusters`, `serving` or `hosting` (by Azure itself)."""
    per_hour: float | None
    """None where the price is not known."""
    source: str


@dataclass(frozen=True)
class Run:
    """How long a training run is taken to be, and why."""

    hours: float
    basis: str
    """A job's name, or that it is assumed."""


@dataclass(frozen=True)
class Outlook:
    """What a person will pay, summed up: USD, None where a price in it is not known."""

    standing_hour: float | None
    standing_month: float | None
    training_run: float | None
    training_hours: float
    training_basis: str
    endpoint_month: float | None
    unknown: tuple[str, ...]
    """What has no price, so that a sum is not known."""

    def document(self) -> dict[str, Any]:
        """Give it JSON-ready."""
        return asdict(self)


def sizes(settings: Settings) -> tuple[str, ...]:
    """List the VM sizes that the stack may bill."""
    clusters = (plan.vm_size for plan in settings.cluster_plans)
    return tuple(dict.fromkeys((*clusters, settings.deployment_vm_size)))


def prices(
    settings: Settings, listed: PriceList | None = None, today: date | None = None
) -> tuple[Price, ...]:
    """List the stack's hourly prices; what is billed by use counts as nothing while idle.

    Without a list, as the shipped tables have them.
    """
    listed = listed or shipped(settings.location, sizes(settings))
    day = today or datetime.now(UTC).date()
    main, *further = settings.cluster_plans
    return (
        *(_meter(listed, meter, count, day) for meter, count in _meters(settings)),
        Price(_by_use(settings), "standing", 0.0, BY_USE),
        Price("clusters, no node while idle", "standing", 0.0, "billed by node"),
        _vm(listed, main.vm_size, "one cluster node", "training", day),
        *(
            _vm(listed, plan.vm_size, _node(plan.priority), "further clusters", day, plan.priority)
            for plan in further
        ),
        _vm(listed, settings.deployment_vm_size, "one instance of a deployment", "serving", day),
        *_hosting(settings, day),
    )


def outlook(found: Iterable[Price], run: Run) -> Outlook:
    """Sum prices up to what stands a month, what a run costs and what an endpoint costs a month."""
    rows = tuple(found)
    standing, node = per_hour(rows, "standing"), per_hour(rows, "training")
    return Outlook(
        standing_hour=standing,
        standing_month=_times(standing, HOURS_A_MONTH),
        training_run=_times(node, run.hours),
        training_hours=run.hours,
        training_basis=run.basis,
        endpoint_month=_times(per_hour(rows, "serving"), HOURS_A_MONTH),
        unknown=tuple(row.what for row in rows if row.per_hour is None),
    )


CHARGED = frozenset(("container registry", "compute cluster"))
"""Titles (arm_types.py) of what costs something while it stands; the rest bills by use."""

BY_COMMANDS = frozenset({"microsoft.insights/autoscalesettings", "microsoft.logic/workflows"})
"""What `deploy` makes and Azure does not bill by the hour: instances and runs are billed."""

BILLED_BY_USE = BY_COMMANDS | frozenset(
    kind.arm_type.lower() for kind in TYPES.values() if kind.title not in CHARGED
)
"""What of the stack's resources costs nothing while nobody uses it and nothing is kept in it."""

_METER_OF = {
    ("microsoft.containerregistry/registries", ""): Meter.REGISTRY_BASIC,
    ("microsoft.containerregistry/registries", "basic"): Meter.REGISTRY_BASIC,
    ("microsoft.containerregistry/registries", "premium"): Meter.REGISTRY_PREMIUM,
    ("microsoft.network/privateendpoints", ""): Meter.PRIVATE_ENDPOINT,
    ("microsoft.insights/metricalerts", ""): Meter.METRIC_ALERT,
}


def standing_price(arm_type: str, sku: str, listed: PriceList | None = None) -> float | None:
    """Give what a resource costs an hour while it only stands; None where it is not known.

    Nodes and deployments are priced where they are counted: standing/workloads.py.
    """
    if arm_type.lower() in BILLED_BY_USE:
        return 0.0
    meter = _METER_OF.get((arm_type.lower(), sku.lower()))
    found = (listed or shipped("", ())).meters.get(meter) if meter else None
    return found.per_hour if found else None


def per_hour(found: Iterable[Price], when: str) -> float | None:
    """Add up what is paid while standing, training or serving; None where a price is unknown."""
    amounts = [price.per_hour for price in found if price.when == when]
    known = [amount for amount in amounts if amount is not None]
    return sum(known) if len(known) == len(amounts) else None


def _meters(settings: Settings) -> list[tuple[Meter, int]]:
    """Count what the settings make that bills by the hour.

    In a private network nodes have no public address, and so no load balancer before them.
    """
    found = [] if settings.adopt_workspace else [(_registry(settings), 1)]
    if settings.private_network:
        return [*found, (Meter.PRIVATE_ENDPOINT, PRIVATE_ENDPOINTS)]
    plans = settings.cluster_plans
    balancers = sum(ceil(plan.max_nodes / NODES_PER_BALANCER) for plan in plans)
    return [*found, (Meter.LOAD_BALANCER, balancers)]


def _hosting(settings: Settings, day: date) -> list[Price]:
    """List what a tuned model costs an hour that Azure itself hosts; tokens come on top.

    Of a serverless endpoint no public page says it.
    """
    rows = [
        (settings.foundry, "a tuned model of Azure OpenAI", "gpt-4.1-mini", "GlobalStandard"),
        (settings.foundry, "the same for a day, to compare", "gpt-4.1-mini", "DeveloperTier"),
        (settings.hub, "a tuned model's serverless endpoint", "Phi-4-mini-instruct", "Consumption"),
    ]
    return [
        _priced(f"{what}, {sku}", "hosting", hosting(model, sku), 1, settings.location, day)
        for is_on, what, model, sku in rows
        if is_on
    ]


def _registry(settings: Settings) -> Meter:
    return Meter.REGISTRY_PREMIUM if settings.private_network else Meter.REGISTRY_BASIC


def _by_use(settings: Settings) -> str:
    accounts = ["AI services"] * (settings.hub or settings.foundry)
    stores = [] if settings.adopt_workspace else ["storage", "vault", "logs"]
    return ", ".join([*stores, *accounts]) or "what the adopted workspace keeps"


def _node(priority: str) -> str:
    return "one low-priority node" if priority != DEDICATED else "one node"


def _meter(listed: PriceList, meter: Meter, count: int, day: date) -> Price:
    quote = listed.meters.get(meter)
    what = f"{count} × {meter}" if count > 1 else str(meter)
    return _priced(what, "standing", quote, count, listed.location, day)


def _vm(
    listed: PriceList, size: str, what: str, when: str, day: date, priority: str = DEDICATED
) -> Price:
    quote = listed.vm(size, priority)
    return _priced(f"{what}, {size}", when, quote, 1, listed.location, day)


def _priced(
    what: str, when: str, quote: Quote | None, count: int, location: str, day: date
) -> Price:
    if quote is None:
        return Price(what, when, None, "not in the tables, and Azure's prices were not reached")
    return Price(what, when, quote.per_hour * count, quote.told(location, day))


def _times(amount: float | None, count: float) -> float | None:
    return None if amount is None else amount * count
