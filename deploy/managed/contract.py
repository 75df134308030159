"""What a managed hosting service does, in the vocabulary of online endpoints.

`deploy/managed/foundry.py` (Azure OpenAI and Foundry models) and `deploy/managed/serverless.py`
(serverless endpoints of a hub project) are the two; commands know `Hosting` alone.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from core.managed_recipe import Route
from core.refs import EndpointRef
from deploy.access import Access

Sku = Literal["Standard", "GlobalStandard", "DataZoneStandard", "DeveloperTier", "Consumption"]
"""Consumption is a serverless endpoint's; the rest are Foundry's kinds of deployment."""

Tell = Callable[[str], None]

READY = ("Succeeded", "Online")
"""States in which a deployment, or a serverless endpoint, answers."""


@dataclass(frozen=True)
class HostedOrder:
    """A deployment to be."""

    name: str
    """Of the deployment (Foundry) or of the endpoint (serverless)."""
    model: str
    """What the service calls it: a tuned model's id, a checkpoint, or a base model's name."""
    serves: Literal["tuned", "base"] = "tuned"
    base: str = ""
    """The base model's name, of a tuned one: its maker may want a subscription (serverless)."""
    version: str = "1"
    """Of a base model; tuned ones are version 1 (managed-wire facts, section 2)."""
    format: str = "OpenAI"
    sku: Sku = "DeveloperTier"
    capacity: int = 5
    """Thousands of tokens a minute (Foundry); serverless endpoints have none to choose."""
    content_filter: str = ""
    """Name of the filter policy (Foundry); empty: Azure's own."""
    content_safety: bool = True
    """Serverless endpoints filter content, or do not."""
    auth: Literal["key", "entra"] = "entra"


@dataclass(frozen=True)
class Hosted:
    """A deployment that stands."""

    name: str
    route: Route
    model: str
    serves: Literal["tuned", "base"]
    state: str
    """Azure's provisioning state, or the endpoint's: Succeeded, Creating, Online, Failed …"""
    sku: str = ""
    capacity: int = 0
    content_filter: str = ""
    auth: Literal["key", "entra"] = "entra"
    url: str = ""
    """Where chat completions are asked for; empty until Azure gives it."""
    created: str = ""
    expires: str = ""
    """When Azure deletes it by itself (Developer: 24 h after it was made); empty: it does not."""
    per_hour: float | None = None
    """USD for standing there, without a token; None where the price is not known."""

    @property
    def is_ready(self) -> bool:
        """Say whether Azure calls it healthy."""
        return self.state in READY

    def is_of(self, model: str, side: Literal["tuned", "base"]) -> bool:
        """Say whether it serves a model: a tuned one by its id, a base one in any version.

        ARM writes the workspace in the id of a project's model in two ways: what follows counts.
        """
        served, wanted = (one.lower().rpartition("/models/")[2] for one in (self.model, model))
        if side == "base":
            served, wanted = (one.partition("/versions/")[0] for one in (served, wanted))
            wanted = rf"{re.escape(wanted)}(-\d[\d-]*)?"
            return self.serves == side and re.fullmatch(wanted, served) is not None
        return self.serves == side and served == wanted

    def ref(self) -> EndpointRef:
        """Give what a conversation needs of it."""
        return EndpointRef(
            name=self.name, scoring_url=self.url, deployment=self.name, auth=self.auth
        )


class Hosting(Protocol):
    """One of Azure's services that serve models.

    Every method raises CloudError where Azure refuses, with what helps in the hint.
    """

    route: Route

    def deployments(self) -> list[Hosted]:
        """List what stands in the stack, tuned models first."""

    def findings(self, orders: Sequence[HostedOrder]) -> list[str]:
        """Say what would stop these orders, made one after another; asks Azure, changes nothing."""

    def per_hour(self, order: HostedOrder) -> float | None:
        """Give USD an hour for an order's standing there, without a token; None: not known."""

    def deploy(self, order: HostedOrder, tell: Tell) -> Hosted:
        """Make a deployment, or change the one of that name, and wait until it answers.

        Writes to one account are made one after another: Azure refuses a second (RequestConflict).
        """

    def delete(self, name: str, tell: Tell) -> None:
        """Delete a deployment and wait until it is gone; nothing where there is none."""

    def access(self, hosted: Hosted) -> Access:
        """Give what opens it: a key, or the person's Entra token; and what each body must name."""
