"""What a person's `deploy` of a managed model comes to: names, kinds and limits of deployments.

Azure changes the model of no deployment. A model that was tuned anew is therefore served under a
further name, beside the one before: whoever asks that one sees no outage, and ends it when nobody
asks any more.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import count
from typing import Literal, cast

from commands.jobs.listing import moment
from commands.managed.options import CAPACITY, SKUS, HostingChoices
from core.errors import SettingsError
from core.managed_recipe import Route
from deploy.managed.contract import Hosted, HostedOrder, Sku
from deploy.managed.names import Side, deployment_name, endpoint_name
from deploy.managed.offers import is_openai
from deploy.managed.serverless import UNFILTERED
from training.managed.contract import TunedModel

CHECKPOINT = "ckpt-step-"
"""What the version of a checkpoint begins with."""


@dataclass(frozen=True)
class Names:
    """The names that deployments of a model have, numbered from 1."""

    route: Route
    project: str
    model: str
    """What the model is known by."""
    side: Side

    def __getitem__(self, number: int) -> str:
        """Give the name of this number."""
        if self.route == "serverless":
            return endpoint_name(self.model, self.side, self.project, number)
        return deployment_name(self.model, self.side, number)

    def choose(self, model: str, standing: Sequence[Hosted], besides: str = "") -> str:
        """Give the name of what serves the model already, the newest; else the first free one."""
        serving = [one for one in standing if one.is_of(model, self.side)]
        if serving:
            return max(serving, key=lambda one: moment(one.created)).name
        taken = {one.name.lower() for one in standing} | {besides.lower()}
        return next(self[number] for number in count(1) if self[number].lower() not in taken)

    def earlier(self, model: str, standing: Sequence[Hosted]) -> list[Hosted]:
        """List what stands under these names and serves another model: one tuned before."""
        own = {self[number].lower() for number in range(1, len(standing) + 2)}
        return [
            one
            for one in standing
            if one.name.lower() in own and one.serves == self.side
            if not one.is_of(model, self.side)
        ]


def names_for(model: TunedModel, project: str, side: Side, step: int | None = None) -> Names:
    """Give the names for a model's own deployments, a checkpoint's, or its base model's."""
    named = model.tags.get("model_name") or model.ref.name
    if side == "tuned":
        if step is None and model.ref.version.startswith(CHECKPOINT):
            step = int(model.ref.version.removeprefix(CHECKPOINT))
        named += "" if step is None else f"-step-{step}"
    return Names(model.route, project, named, side)


def orders_for(
    model: TunedModel, asked: str, project: str, choices: HostingChoices, standing: Sequence[Hosted]
) -> list[HostedOrder]:
    """Write the orders: the tuned model's as `asked`, and the base model's beside it.

    What is not chosen stays as it is where the deployment stands.

    Raises:
        SettingsError: both would have one name.
    """
    name = choices.name or names_for(model, project, "tuned", choices.checkpoint).choose(
        asked, standing
    )
    orders = [_filled(HostedOrder(name, asked, base=model.base), model, choices, standing)]
    if choices.with_base:
        beside = names_for(model, project, "base").choose(model.base, standing, besides=name)
        if beside.lower() == name.lower():
            raise SettingsError(f"--name {name}: the base model is served under this name.")
        base = HostedOrder(beside, model.base, serves="base")
        orders.append(_filled(base, model, choices, standing))
    return orders


def _filled(
    order: HostedOrder, model: TunedModel, choices: HostingChoices, standing: Sequence[Hosted]
) -> HostedOrder:
    fits = (one for one in standing if one.name.lower() == order.name.lower())
    now = next((one for one in fits if one.is_of(order.model, order.serves)), None)
    if model.route == "serverless":
        return _serverless(order, choices, now)
    return _foundry(order, model.base, choices, now)


def _serverless(order: HostedOrder, choices: HostingChoices, now: Hosted | None) -> HostedOrder:
    is_safe = choices.content_safety
    if is_safe is None:
        is_safe = now is None or now.content_filter != UNFILTERED
    auth = choices.auth or (now.auth if now else "key")
    return replace(
        order,
        sku="Consumption",
        content_safety=is_safe,
        auth=cast(Literal["key", "entra"], auth),
    )


def _foundry(
    order: HostedOrder, base: str, choices: HostingChoices, now: Hosted | None
) -> HostedOrder:
    is_tuned = order.serves == "tuned"
    usual: Sku = "DeveloperTier" if is_tuned and is_openai(base) else "GlobalStandard"
    # --sku is the tuned model's: a base model has no Developer kind.
    kind = (choices.sku if is_tuned else None) or (_sku(now.sku) if now else None) or usual
    return replace(
        order,
        sku=kind,
        capacity=choices.capacity or (now.capacity if now else 0) or CAPACITY,
        content_filter=choices.content_filter or (now.content_filter if now else ""),
    )


def _sku(written: str) -> Sku | None:
    """Read a kind as Azure writes it, in any case; None for one that cannot be ordered here."""
    return next((cast(Sku, sku) for sku in SKUS if sku.lower() == written.lower()), None)
