"""Models that Azure itself hosts for the stack: an AI account's deployments, serverless endpoints.

`deploy` makes them after `up`; no engine knows them, and a tuned one bills by the hour until it is
deleted. Read by plain ARM requests, as workloads.py reads what runs in a workspace.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal

from core.managed_prices import hosting
from core.price_list import Quote

if TYPE_CHECKING:
    from core.arm import Arm

ACCOUNTS_API = "2025-06-01"
SERVERLESS_API = "2025-12-01"
ACCOUNTS = "microsoft.cognitiveservices/accounts"
DEVELOPER = "developertier"
DEVELOPER_HOURS = 24
"""After which Azure deletes a deployment of the Developer kind by itself."""

Kind = Literal["model deployment", "serverless endpoint"]


@dataclass(frozen=True)
class HostedModel:
    """A deployment of an AI account, or a serverless endpoint of a hub's project."""

    name: str
    kind: Kind
    id: str
    model: str
    """A model's name, or its id where it is a project's own."""
    sku: str
    state: str
    serves: Literal["tuned", "base"]
    created: str = ""
    """When, as Azure writes it; empty where it does not say."""
    capacity: int = 0
    """Thousands of tokens a minute; 0 where there is nothing to choose."""

    @property
    def api(self) -> str:
        """The API version that it is read and deleted with."""
        return ACCOUNTS_API if self.kind == "model deployment" else SERVERLESS_API

    @property
    def quote(self) -> Quote | None:
        """What an hour of it costs without a token; None where no source says."""
        return hosting(self.model, self.sku, serves=self.serves)

    @property
    def per_hour(self) -> float | None:
        """USD an hour without a token; None where it is not known."""
        quote = self.quote
        return quote.per_hour if quote else None

    @property
    def what(self) -> str:
        """Name the model for a person, without the path of a long id."""
        parts = self.model.split("/")
        if "models" not in parts[:-1]:
            return self.model
        name = parts[parts.index("models") + 1]
        return f"{name}:{parts[-1]}" if "versions" in parts else name

    def expires(self) -> datetime | None:
        """Say when Azure deletes it by itself; None: it does not, or does not say since when."""
        if self.sku.lower() != DEVELOPER:
            return None
        try:
            return datetime.fromisoformat(self.created) + timedelta(hours=DEVELOPER_HOURS)
        except ValueError:
            return None


def in_account(arm: "Arm", account: str) -> tuple[HostedModel, ...]:
    """List the deployments of an AI account; empty where there is none such."""
    rows = arm.get_list(f"{account}/deployments", ACCOUNTS_API)
    return tuple(_deployment(row) for row in rows)


def in_project(arm: "Arm", project: str) -> tuple[HostedModel, ...]:
    """List the serverless endpoints of a hub's project; empty where there is none such."""
    rows = arm.get_list(f"{project}/serverlessEndpoints", SERVERLESS_API)
    return tuple(_endpoint(row) for row in rows)


def _deployment(row: dict[str, Any]) -> HostedModel:
    properties, sku = row.get("properties") or {}, row.get("sku") or {}
    model = str((properties.get("model") or {}).get("name") or "")
    return HostedModel(
        str(row["name"]),
        "model deployment",
        str(row["id"]),
        model,
        str(sku.get("name") or ""),
        str(properties.get("provisioningState") or ""),
        "tuned" if ".ft-" in model else "base",
        _created(row),
        int(sku.get("capacity") or 0),
    )


def _endpoint(row: dict[str, Any]) -> HostedModel:
    properties = row.get("properties") or {}
    model = str((properties.get("modelSettings") or {}).get("modelId") or "")
    return HostedModel(
        str(row["name"]),
        "serverless endpoint",
        str(row["id"]),
        model,
        "Consumption",
        str(properties.get("endpointState") or properties.get("provisioningState") or ""),
        "tuned" if "/workspaces/" in model else "base",
        _created(row),
    )


def _created(row: dict[str, Any]) -> str:
    return str((row.get("systemData") or {}).get("createdAt") or "")
