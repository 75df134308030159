"""What Azure AI offers in a region: models with their kinds of deployment, and quota rows.

A deployment draws on the row of its model and its kind; tuned models have rows of their own
(`-finetune`), which limit deployments and not training.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from core.model_quota import TokenQuota, quota_row
from core.refs import StackOutputs
from deploy.managed.contract import HostedOrder

if TYPE_CHECKING:
    from core.arm import Arm

API = "2025-09-01"
PROVIDER = "Microsoft.CognitiveServices"
TUNED = ".ft-"
"""Between the base model's name and the rest of a tuned one's: the service names them so."""


@dataclass(frozen=True)
class Offer:
    """A base model that a region has."""

    name: str
    version: str
    format: str
    """`OpenAI`, or the maker of an open model; a deployment must say it."""
    skus: tuple[str, ...] = ()
    retired: str = ""
    """The day from which it no longer answers; empty where none is told."""
    status: str = ""
    """Azure's word for where it is in its life."""

    @property
    def id(self) -> str:
        """Name it as tuned models and recipes do: OpenAI's with their version."""
        return base_id(self.format, self.name, self.version)

    @property
    def is_openai(self) -> bool:
        """Say whether OpenAI made it: only such have the Developer kind."""
        return self.format == "OpenAI"

    def usage(self, sku: str, *, is_tuned: bool) -> str:
        """Name the quota row that a deployment draws on."""
        maker = "OpenAI" if self.is_openai else "AIServices"
        return f"{maker}.{sku}.{self.name}{'-finetune' if is_tuned else ''}"


def base_id(maker: str, name: str, version: str) -> str:
    """Name a base model: OpenAI's with their version, open ones without."""
    return f"{name}-{version}" if maker == "OpenAI" and version else name


def base_of(model: str) -> str:
    """Give the base model's name out of a tuned model's or a checkpoint's; itself where none."""
    return model.partition(TUNED)[0]


def is_openai(model: str) -> bool:
    """Say by its name whether OpenAI made a model and keeps its weights; gpt-oss is an open one."""
    return re.match(r"(gpt-(?!oss)|chatgpt-|o\d)", base_of(model).lower()) is not None


def is_tuned(model: str) -> bool:
    """Say whether a model's name is that of a tuned one."""
    return TUNED in model


def offers(arm: "Arm", outputs: StackOutputs) -> list[Offer]:
    """List the models that the stack's region has."""
    return [_offer(row.get("model") or {}) for row in arm.get_list(_at(outputs, "models"), API)]


def offer_of(found: Sequence[Offer], model: str) -> Offer | None:
    """Find a base model by its name, with its version or without; None where the region lacks it.

    Without a version the one that lasts longest.
    """
    wanted = base_of(model).lower()
    fits = [
        one for one in found if wanted in (one.name.lower(), f"{one.name}-{one.version}".lower())
    ]
    return max(fits, key=lambda one: one.retired or "9999", default=None)


def rooms(arm: "Arm", outputs: StackOutputs) -> list[TokenQuota]:
    """List the region's quota rows."""
    return [quota_row(row) for row in arm.get_list(_at(outputs, "usages"), API)]


def room_for(found: Sequence[TokenQuota], order: HostedOrder, offer: Offer) -> TokenQuota | None:
    """Find the row that an order draws on; None where Azure lists none under a name known here.

    Azure's name of the Developer kind's row is not documented: it is found by its parts.
    """
    tuned = order.serves == "tuned"
    wanted = offer.usage(order.sku, is_tuned=tuned).lower()
    exact = next((row for row in found if row.name.lower() == wanted), None)
    if exact is not None or order.sku != "DeveloperTier":
        return exact
    parts = re.compile(rf"\.developer[^.]*\.{re.escape(offer.name.lower())}(-finetune)?")
    return next((row for row in found if parts.search(row.name.lower())), None)


def _at(outputs: StackOutputs, what: str) -> str:
    place = f"/subscriptions/{outputs.subscription_id}/providers/{PROVIDER}"
    return f"{place}/locations/{outputs.location}/{what}"


def _offer(model: dict[str, Any]) -> Offer:
    return Offer(
        name=str(model.get("name") or ""),
        version=str(model.get("version") or ""),
        format=str(model.get("format") or ""),
        skus=tuple(str(sku.get("name") or "") for sku in model.get("skus") or ()),
        retired=str((model.get("deprecation") or {}).get("inference") or "")[:10],
        status=str(model.get("lifecycleStatus") or ""),
    )
