"""Serverless endpoints of a hub's project: Azure runs the model, an endpoint is one model.

azure-ai-ml is not used to make one: it drops the way in and the content safety from what it sends
(managed-wire facts, section 3), so that the request is plain ARM.
"""

import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, Literal

from pydantic import SecretStr

from core import managed_prices
from core.azure_errors import operation
from core.cloud import ML_SCOPE, Cloud
from core.errors import CloudError, DeploymentFailed
from core.lifecycle import Kind, retirement
from core.managed_recipe import Route
from core.marketplace import registry_model, subscribe
from core.refs import StackOutputs
from deploy.access import Access
from deploy.managed.answering import wait_until_it_answers
from deploy.managed.contract import Hosted, HostedOrder, Tell
from deploy.managed.names import LEGAL_ENDPOINT

API = "2024-10-01"
COMPLETIONS = "/v1/chat/completions"
AUTH_MODES = {"key": "Key", "entra": "AAD"}
SAFETY = {True: "Enabled", False: "Disabled"}
NAME_TAKEN = re.compile(r"endpoint name \S+ is not available", re.IGNORECASE)
"""Azure's words, as people quote them (azureai-foundry-finetuning-raft#45); its status is not
known, so that they alone tell."""
FILTERED, UNFILTERED = "content safety on", "content safety off"


class ServerlessHosting:
    """The serverless endpoints of a stack's project."""

    route: Route = "serverless"

    def __init__(self, cloud: Cloud, outputs: StackOutputs) -> None:
        self._cloud, self._outputs = cloud, outputs
        self._project = (
            f"/subscriptions/{outputs.subscription_id}/resourceGroups/{outputs.resource_group}"
            f"/providers/Microsoft.MachineLearningServices/workspaces/{outputs.project}"
        )

    def deployments(self) -> list[Hosted]:
        """List the endpoints, those of tuned models first."""
        rows = self._cloud.arm.get_list(f"{self._project}/serverlessEndpoints", API)
        found = [self._hosted(row) for row in rows]
        return sorted(found, key=lambda one: (one.serves != "tuned", one.name))

    def findings(self, orders: Sequence[HostedOrder]) -> list[str]:
        """Say what would stop these orders: a name, or another endpoint of the same model."""
        return findings(orders, self.deployments())

    def per_hour(self, order: HostedOrder) -> float | None:
        """Give USD an hour of hosting; a base model has none."""
        return _per_hour(order.model, order.serves)

    def deploy(self, order: HostedOrder, tell: Tell) -> Hosted:
        """Make an endpoint, or change the one of that name, and wait until it answers.

        That way in and content safety of one that stands can be changed is not verified on Azure.
        """
        arm = self._cloud.arm
        if base := order.model if order.serves == "base" else order.base:
            subscribe(arm, self._project, base, tell)
        tell(f"Deploying {order.model} as the serverless endpoint {order.name}.")
        path = f"{self._project}/serverlessEndpoints/{order.name}"
        try:
            made = arm.put(path, API, body(order, self._outputs.location))
        except CloudError as refused:
            if (explained := _explained(order, refused, self._outputs.location)) is None:
                raise
            raise explained from refused
        hosted = self._hosted(made)
        if not hosted.url or not hosted.is_ready:
            raise DeploymentFailed(
                f"The endpoint {order.name} is {hosted.state}, and nothing answers there.",
                hint=f"tunestack undeploy {order.name}, then the same command again.",
            )
        wait_until_it_answers(self.access(hosted), tell)
        return hosted

    def delete(self, name: str, tell: Tell) -> None:
        """Delete an endpoint and wait until it is gone; nothing where there is none."""
        tell(f"Deleting the serverless endpoint {name}.")
        self._cloud.arm.delete(f"{self._project}/serverlessEndpoints/{name}", API)

    def access(self, hosted: Hosted) -> Access:
        """Open it with its key, read now, or with the person's Entra token."""
        if hosted.auth == "entra":
            return Access(hosted.ref(), self._token, answers=hosted.name)
        keys = self._cloud.arm.post(
            f"{self._project}/serverlessEndpoints/{hosted.name}/listKeys", API
        )
        key = SecretStr(str(keys.get("primaryKey") or ""))
        return Access(hosted.ref(), lambda: key, answers=hosted.name)

    def _token(self) -> SecretStr:
        """Get a token for Azure ML, which azure-ai-inference asks for by default (1.0.0b9).

        One for Cognitive Services was refused in 2025 (azure-sdk-for-python#40351) and found taken
        in 2026 (microsoft/PyRIT#1453). Neither is verified on an endpoint of a tuned model.
        """
        with operation("sign in at the endpoint"):
            return SecretStr(self._cloud.credential.get_token(ML_SCOPE).token)

    def _hosted(self, row: dict[str, Any]) -> Hosted:
        properties = row.get("properties") or {}
        model_id = str((properties.get("modelSettings") or {}).get("modelId") or "")
        uri = str((properties.get("inferenceEndpoint") or {}).get("uri") or "")
        serves: Literal["tuned", "base"] = "tuned" if is_of_a_workspace(model_id) else "base"
        safety = (properties.get("contentSafety") or {}).get("contentSafetyStatus", "Enabled")
        return Hosted(
            name=str(row.get("name") or ""),
            route=self.route,
            model=model_id,
            serves=serves,
            state=_state(properties),
            sku="Consumption",
            content_filter=UNFILTERED if safety == SAFETY[False] else FILTERED,
            auth="entra" if str(properties.get("authMode") or "").lower() == "aad" else "key",
            url=f"{uri.rstrip('/')}{COMPLETIONS}" if uri else "",
            created=str((row.get("systemData") or {}).get("createdAt") or ""),
            per_hour=_per_hour(model_id, serves),
        )


def body(order: HostedOrder, location: str) -> dict[str, Any]:
    """Write the request; a base model is named without its version, which Azure chooses."""
    model_id = registry_model(order.model) if order.serves == "base" else order.model
    return {
        "location": location,
        "sku": {"name": "Consumption"},
        "properties": {
            "authMode": AUTH_MODES[order.auth],
            "contentSafety": {"contentSafetyStatus": SAFETY[order.content_safety]},
            "modelSettings": {"modelId": model_id},
        },
    }


def findings(orders: Sequence[HostedOrder], standing: Sequence[Hosted]) -> list[str]:
    """Say what would stop these orders: Azure has one endpoint for a model in a project."""
    found: list[str] = []
    for order in orders:
        if not LEGAL_ENDPOINT.fullmatch(order.name):
            found.append(
                f"--name {order.name!r}: an endpoint's name has 3 to 32 letters, digits and"
                " hyphens, and begins with a letter"
            )
        found += _retired(order)
        wanted = _key(registry_model(order.model) if order.serves == "base" else order.model)
        for one in standing:
            if one.name == order.name and _key(one.model) != wanted:
                found.append(
                    f"--name {one.name} serves {one.model}: another --name, or none, or tunestack"
                    f" undeploy {one.name} first"
                )
            elif one.name != order.name and _key(one.model) == wanted:
                found.append(
                    f"{one.name} serves this model already, and Azure has one endpoint for a"
                    f" model in a project: --name {one.name} changes it"
                )
    return found


def _retired(order: HostedOrder) -> Iterator[str]:
    today = datetime.now(UTC).date()
    row = retirement(Kind.SERVERLESS, order.model.rsplit("/", 1)[-1])
    if order.serves == "base" and row is not None and row.on <= today:
        yield f"{order.model} left the service on {row.on.isoformat()}; instead: {row.successor}"


def is_of_a_workspace(model_id: str) -> bool:
    """Say whether a model is a project's own (tuned), not a registry's."""
    return "/workspaces/" in model_id


def _key(model_id: str) -> str:
    """Reduce a model's id to what all of Azure's ways to write it share."""
    own = re.search(r"/models/([^/]+)/versions/([^/]+)$", model_id)
    return f"{own[1]}:{own[2]}".lower() if own else registry_model(model_id).lower()


def _state(properties: dict[str, Any]) -> str:
    """Give the endpoint's own state where it is finished, else how far its making is."""
    provisioning = str(properties.get("provisioningState") or "Succeeded")
    if provisioning != "Succeeded":
        return provisioning
    return str(properties.get("endpointState") or "Online")


def _explained(
    order: HostedOrder, refused: CloudError, location: str
) -> CloudError | DeploymentFailed | None:
    """Say what to do about a refusal; None where Azure's own words are all that is known."""
    if NAME_TAKEN.search(str(refused)):
        return refused.retold(
            f"Azure refused the endpoint {order.name}: {refused}",
            f"Names are unique in {location}: another --name may do.",
        )
    if refused.status:
        return None
    return DeploymentFailed(
        f"The endpoint {order.name} of {order.model} failed. {refused}",
        hint=f"tunestack undeploy {order.name} removes it; then the same command tries again.",
    )


def _per_hour(model: str, serves: Literal["tuned", "base"]) -> float | None:
    quote = managed_prices.hosting(model, "Consumption", serves=serves)
    return quote.per_hour if quote else None
