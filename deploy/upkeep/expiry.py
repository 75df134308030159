"""An endpoint that ends by itself: a workflow of Azure Logic Apps deletes it at a moment.

Nobody's machine needs to run for it (ADR 17). From that moment the workflow tries once an hour, as
the endpoint's own identity, until the endpoint is gone; then it switches itself off. It lies in the
stack's group until the next `deploy`, `undeploy` or `destroy` takes it away.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from core.cloud import Cloud
from core.companions import WORKFLOWS_API, expiry_id, group_of, is_out_of_sight
from core.errors import CloudError, PrerequisiteError
from core.permissions import allows
from core.refs import StackOutputs
from deploy.upkeep.alerts import ENDPOINTS, Put, endpoint_id
from deploy.upkeep.autoscale import IDENTITY_API, ML_API, clear_scaling, stack_tags
from deploy.upkeep.moments import read, span_in_words, write

if TYPE_CHECKING:
    from core.arm import Arm

AUDIENCE = "https://management.azure.com/"
SCHEMA = (
    "https://schema.management.azure.com/providers/Microsoft.Logic/schemas/2016-06-01"
    "/workflowdefinition.json#"
)
ROLES_API = "2022-04-01"
PRICE_EACH = 0.000025
"""USD of one built-in trigger or action beyond the 4,000 a month that are free (list price of Logic
Apps, Consumption; azure.microsoft.com/pricing/details/logic-apps). One expiry runs three."""

COST = "less than $0.001 for a whole expiry"
DELETE = f"{ENDPOINTS}/delete"


@dataclass(frozen=True)
class Expiry:
    """When an endpoint is deleted, and how far that has come."""

    when: datetime
    """In UTC."""
    is_on: bool = True
    """False once it has done its work, or somebody switched it off."""
    failure: str = ""
    """Why the last try did not delete it; empty where there was none, or it did."""

    def told(self, now: datetime) -> str:
        """Say it in a line, as of a moment."""
        moment = write(self.when)
        if self.failure:
            return f"should have ended at {moment}; {self.failure}"
        if not self.is_on:
            return f"was to end at {moment}; that is switched off"
        if self.when <= now:
            return f"is being ended since {moment}"
        return f"ends by itself at {moment}, in {span_in_words(self.when - now)}"


def set_expiry(
    cloud: Cloud,
    outputs: StackOutputs,
    endpoint: str,
    when: datetime,
    progress: Callable[[str], None],
) -> Expiry:
    """Have an endpoint deleted at a moment, although nobody runs anything then.

    Raises:
        PrerequisiteError: the endpoint's identity may not delete it, so that nothing would happen.
        CloudError: Azure refused.
    """
    require_right(cloud.arm, outputs, endpoint)
    one = request(outputs, endpoint, when, stack_tags(cloud.arm, outputs))
    # A workflow of an earlier moment would bring its history of failures along.
    cloud.arm.delete(one.path, one.api_version)
    cloud.arm.put(one.path, one.api_version, one.body)
    expiry = Expiry(when)
    progress(f"{endpoint} {expiry.told(datetime.now(UTC))} ({COST}).")
    return expiry


def clear_expiry(cloud: Cloud, outputs: StackOutputs, endpoint: str) -> bool:
    """Let an endpoint stand until somebody deletes it; False where it did anyway.

    Raises:
        CloudError: Azure refused.
    """
    path = expiry_id(endpoint_id(outputs, endpoint))
    return _get(cloud.arm, path) is not None and cloud.arm.delete(path, WORKFLOWS_API)


def settle_expiry(
    cloud: Cloud,
    outputs: StackOutputs,
    endpoint: str,
    wanted: datetime | None,
    progress: Callable[[str], None],
    *,
    never: bool = False,
) -> None:
    """Set the expiry that a deployment asks for, take it away, or keep what stands, and say which.

    To be called before the endpoint is made: an expiry that has passed would delete the new one
    within the hour, and one that is refused is told before the long wait.

    Raises:
        PrerequisiteError, CloudError: as `set_expiry`.
    """
    if wanted is not None:
        set_expiry(cloud, outputs, endpoint, wanted, progress)
        return
    standing, now = read_expiry(cloud, outputs, endpoint), datetime.now(UTC)
    if standing is None:
        return
    if never or standing.when <= now:
        clear_expiry(cloud, outputs, endpoint)
        progress(f"Its expiry of {write(standing.when)} is taken away: it stays until `undeploy`.")
    else:
        progress(f"{endpoint} {standing.told(now)}, as before; --expires never takes that away.")


def end_companions(cloud: Cloud, outputs: StackOutputs, endpoint: str) -> None:
    """Delete what was about an endpoint that is gone: its expiry, and what scaled it.

    Raises:
        CloudError: Azure refused.
    """
    clear_expiry(cloud, outputs, endpoint)
    clear_scaling(cloud.arm, outputs, endpoint)


def read_expiry(cloud: Cloud, outputs: StackOutputs, endpoint: str) -> Expiry | None:
    """Read when an endpoint ends; None where it does not, or where one may not see it.

    It is told of an endpoint that has ended, too, until the next command takes the workflow away.
    """
    path = expiry_id(endpoint_id(outputs, endpoint))
    properties = (_get(cloud.arm, path) or {}).get("properties") or {}
    triggers = (properties.get("definition") or {}).get("triggers") or {}
    starts = [(one.get("recurrence") or {}).get("startTime") for one in triggers.values()]
    if not starts or not starts[0]:
        return None
    is_on = str(properties.get("state") or "Enabled") == "Enabled"
    failure = _failure(cloud.arm, path) if is_on else ""
    return Expiry(read(str(starts[0])), is_on, failure)


def request(outputs: StackOutputs, endpoint: str, when: datetime, tags: dict[str, str]) -> Put:
    """Write the workflow."""
    id = endpoint_id(outputs, endpoint)
    path = expiry_id(id)
    recurrence = {"frequency": "Hour", "interval": 1, "startTime": write(when)}
    undeploy = _call("DELETE", id, ML_API, outputs)
    stop = _call("POST", f"{path}/disable", WORKFLOWS_API, outputs)
    definition = {
        "$schema": SCHEMA,
        "contentVersion": "1.0.0.0",
        "triggers": {"expiry": {"type": "Recurrence", "recurrence": recurrence}},
        "actions": {
            "undeploy": {**undeploy, "runAfter": {}},
            "switch-off": {**stop, "runAfter": {"undeploy": ["Succeeded"]}},
        },
    }
    body = {
        "location": outputs.location,
        "tags": tags,
        "identity": {
            "type": "UserAssigned",
            "userAssignedIdentities": {outputs.endpoint_identity: {}},
        },
        "properties": {"state": "Enabled", "definition": definition},
    }
    return Put(path, WORKFLOWS_API, body)


def require_right(arm: "Arm", outputs: StackOutputs, endpoint: str) -> None:
    """Refuse an expiry that would be refused when it is due, and nobody there to see it.

    In a group that the stack adopted its identity has no Contributor; whoever owns it may grant it.

    Raises:
        PrerequisiteError: names the grant.
    """
    id = endpoint_id(outputs, endpoint)
    identity = arm.get(outputs.endpoint_identity, IDENTITY_API) or {}
    principal = str((identity.get("properties") or {}).get("principalId") or "")
    path = f"{group_of(id)}/providers/Microsoft.Authorization/roleAssignments"
    # Without atScope() the list has what is granted above the group and below it.
    rows = arm.get_list(f"{path}?$filter=principalId%20eq%20'{principal}'", ROLES_API)
    granted = [row for row in rows if _covers(row, id)]
    if not any(_may_delete(arm, row) for row in granted):
        workspace = id.partition("/onlineEndpoints/")[0]
        raise PrerequisiteError(
            "--expires: the endpoint's identity may not delete the endpoint, so that nothing would"
            " happen when it is due.",
            hint=f"az role assignment create --role Contributor --assignee {principal} --scope"
            f" {workspace}",
        )


def _covers(assignment: dict[str, Any], id: str) -> bool:
    scope = str((assignment.get("properties") or {}).get("scope") or "").rstrip("/")
    return f"{id}/".lower().startswith(f"{scope}/".lower())


def _may_delete(arm: "Arm", assignment: dict[str, Any]) -> bool:
    role = str((assignment.get("properties") or {}).get("roleDefinitionId") or "")
    definition = arm.get(role, ROLES_API) or {}
    permissions: Iterable[dict[str, Any]] = (definition.get("properties") or {}).get(
        "permissions"
    ) or []
    return allows(permissions, DELETE)


def _call(method: str, path: str, api_version: str, outputs: StackOutputs) -> dict[str, Any]:
    """Write an action: a request to ARM as the endpoint's identity, waited for to its end."""
    return {
        "type": "Http",
        "inputs": {
            "method": method,
            "uri": f"{AUDIENCE.rstrip('/')}{path}",
            "queries": {"api-version": api_version},
            "authentication": {
                "type": "ManagedServiceIdentity",
                "identity": outputs.endpoint_identity,
                "audience": AUDIENCE,
            },
        },
    }


def _failure(arm: "Arm", workflow: str) -> str:
    """Say why the last run did not do it: Azure tells the code of the action that failed."""
    runs = arm.get_list(f"{workflow}/runs", WORKFLOWS_API)
    last = max(runs, key=lambda run: str(run["properties"].get("startTime")), default=None)
    if last is None or last["properties"].get("status") != "Failed":
        return ""
    actions = arm.get_list(f"{workflow}/runs/{last['name']}/actions", WORKFLOWS_API)
    failed = [one["properties"] for one in actions if one["properties"].get("status") == "Failed"]
    code = str(failed[0].get("code") or "") if failed else ""
    tried = last["properties"].get("startTime")
    why = {
        "Forbidden": "the endpoint's identity may not delete it, Contributor on the group is gone",
        "NotFound": "its workspace is not there",
    }.get(code, "Azure's history of the workflow has more")
    return f"the try of {tried} failed with {code or 'no code'}: {why}. It is tried every hour"


def _get(arm: "Arm", path: str) -> dict[str, Any] | None:
    try:
        return arm.get(path, WORKFLOWS_API)
    except CloudError as error:
        if is_out_of_sight(error):
            return None
        raise
