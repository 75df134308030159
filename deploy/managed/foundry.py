"""Models that a Foundry account serves: OpenAI's and open ones, base and tuned.

Azure runs them and bills tokens; a tuned one bills its hosting by the hour, too, but for the
Developer kind, which Azure itself deletes a day after it was made.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Literal

from pydantic import SecretStr

from core import managed_prices
from core.azure_errors import operation
from core.cloud import AI_SCOPE, Cloud
from core.errors import CloudError, DeploymentFailed
from core.managed_recipe import Route
from core.refs import StackOutputs
from deploy.access import Access
from deploy.managed.answering import wait_until_it_answers
from deploy.managed.contract import Hosted, HostedOrder, Tell
from deploy.managed.foundry_findings import Standing, findings, told_quota
from deploy.managed.offers import API, PROVIDER, Offer, base_id, is_tuned, offer_of, offers, rooms
from deploy.managed.turns import in_turn

DEVELOPER_HOURS = 24
COMPLETIONS = "openai/v1/chat/completions"


class FoundryHosting:
    """The deployments of a stack's AI account."""

    route: Route = "openai"

    def __init__(self, cloud: Cloud, outputs: StackOutputs) -> None:
        self._cloud, self._outputs = cloud, outputs
        self._account = (
            f"/subscriptions/{outputs.subscription_id}/resourceGroups/{outputs.resource_group}"
            f"/providers/{PROVIDER}/accounts/{outputs.ai_account}"
        )

    def deployments(self) -> list[Hosted]:
        """List what stands in the account and can be talked to, tuned models first."""
        found = [self._hosted(row) for row in self._rows() if _talks(row)]
        return sorted(found, key=lambda one: (one.serves != "tuned", one.name))

    def findings(self, orders: Sequence[HostedOrder]) -> list[str]:
        """Say what would stop these orders: model, kind, filter, name and quota."""
        arm = self._cloud.arm
        policies = arm.get_list(f"{self._account}/raiPolicies", API)
        standing = Standing(
            self._outputs.location,
            tuple(offers(arm, self._outputs)),
            tuple(rooms(arm, self._outputs)),
            tuple(map(self._hosted, self._rows())),
            tuple(str(policy.get("name") or "") for policy in policies),
        )
        return findings(orders, standing)

    def per_hour(self, order: HostedOrder) -> float | None:
        """Give USD an hour of hosting; a base model has none."""
        return _per_hour(order.model, order.serves, order.sku)

    def deploy(self, order: HostedOrder, tell: Tell) -> Hosted:
        """Make a deployment, or change the one of that name, and wait until it answers.

        Kind, capacity and filter can be changed, the model cannot (CannotChangeDeploymentModel).
        """
        path = f"{self._account}/deployments/{order.name}"
        tell(f"Deploying {order.model} as {order.name} ({order.sku}).")
        body = self._body(order)
        try:
            made = in_turn(
                self._outputs.ai_account, lambda: self._cloud.arm.put(path, API, body), tell
            )
        except CloudError as refused:
            raise self._explained(order, refused) from refused
        hosted = self._hosted(made)
        wait_until_it_answers(self.access(hosted), tell)
        return hosted

    def delete(self, name: str, tell: Tell) -> None:
        """Delete a deployment and wait until it is gone; nothing where there is none."""
        path = f"{self._account}/deployments/{name}"
        tell(f"Deleting the deployment {name}.")
        in_turn(self._outputs.ai_account, lambda: self._cloud.arm.delete(path, API), tell)

    def access(self, hosted: Hosted) -> Access:
        """Open it with the person's Entra token: the account takes no keys."""
        return Access(hosted.ref(), self._token, {"model": hosted.name}, answers=hosted.name)

    def _rows(self) -> list[dict[str, Any]]:
        return self._cloud.arm.get_list(f"{self._account}/deployments", API)

    def _token(self) -> SecretStr:
        with operation("sign in at the deployment"):
            return SecretStr(self._cloud.credential.get_token(AI_SCOPE).token)

    def _body(self, order: HostedOrder) -> dict[str, Any]:
        offer = offer_of(offers(self._cloud.arm, self._outputs), order.model)
        properties: dict[str, Any] = {
            "model": _model(order, offer),
            # Azure would move the base model on to another version by itself.
            "versionUpgradeOption": "NoAutoUpgrade",
        }
        if policy := order.content_filter or self._outputs.content_filter:
            properties["raiPolicyName"] = policy
        return {
            "sku": {"name": order.sku, "capacity": order.capacity},
            "properties": properties,
        }

    def _hosted(self, row: dict[str, Any]) -> Hosted:
        properties, sku = row.get("properties") or {}, row.get("sku") or {}
        model, kind = properties.get("model") or {}, str(sku.get("name") or "")
        name, created = str(model.get("name") or ""), _created(row)
        tuned = is_tuned(name)
        return Hosted(
            name=str(row.get("name") or ""),
            route=self.route,
            model=name if tuned else _base_id(model),
            serves="tuned" if tuned else "base",
            state=str(properties.get("provisioningState") or ""),
            sku=kind,
            capacity=int(sku.get("capacity") or 0),
            content_filter=str(properties.get("raiPolicyName") or ""),
            url=f"{self._outputs.ai_endpoint}{COMPLETIONS}",
            created=created,
            expires=_expires(created) if kind.lower() == "developertier" else "",
            per_hour=_per_hour(name, "tuned" if tuned else "base", kind),
        )

    def _explained(self, order: HostedOrder, refused: CloudError) -> CloudError | DeploymentFailed:
        """Say what Azure's refusal of a deployment means, and what helps."""
        if refused.code == "InsufficientQuota":
            found = offer_of(offers(self._cloud.arm, self._outputs), order.model)
            told = told_quota(order, found, rooms(self._cloud.arm, self._outputs))
            return CloudError(
                f"Azure has no quota for {order.name}: {told or refused}",
                hint="Azure frees what a deleted deployment had some seconds later: the same"
                " command may do then. " + refused.hint,
                operation=refused.operation,
                code=refused.code,
                status=refused.status,
                request_id=refused.request_id,
            )
        if refused.status:
            return refused
        return DeploymentFailed(
            f"The deployment {order.name} of {order.model} failed. {refused}",
            hint=f"The same command tries again; tunestack undeploy {order.name} removes it.",
        )


def _model(order: HostedOrder, offer: Offer | None) -> dict[str, str]:
    """Name the model as ARM wants it: a tuned one by its whole name, at version 1."""
    maker = offer.format if offer else order.format
    if order.serves == "tuned" or offer is None:
        return {"format": maker, "name": order.model, "version": order.version}
    return {"format": maker, "name": offer.name, "version": offer.version}


def _base_id(model: dict[str, Any]) -> str:
    parts = (str(model.get(key) or "") for key in ("format", "name", "version"))
    return base_id(*parts)


def _talks(row: dict[str, Any]) -> bool:
    """Say whether a deployment is one to talk to; embeddings and the like are not."""
    said = ((row.get("properties") or {}).get("capabilities") or {}).get("chatCompletion", "true")
    return str(said).lower() == "true"


def _created(row: dict[str, Any]) -> str:
    return str((row.get("systemData") or {}).get("createdAt") or "")


def _expires(created: str) -> str:
    try:
        made = datetime.fromisoformat(created)
    except ValueError:
        return ""
    return (made + timedelta(hours=DEVELOPER_HOURS)).isoformat()


def _per_hour(model: str, serves: Literal["tuned", "base"], sku: str) -> float | None:
    """Give the hosting; a base model bills its tokens alone."""
    quote = managed_prices.hosting(model, sku, serves=serves)
    return quote.per_hour if quote else None
