"""Diagnosing a workspace: whether its identity can use what the workspace is linked to.

Each check is one of the decisions that the services make, for the workspace's own identity. Shape
and URL are azure-ai-ml's. Which checks Azure makes, and that it sees a missing role assignment at
all, is not verified: public logs show it empty for a sound workspace. Networks, locks and names
are not looked at, and codes and words are ours.
"""

import uuid
from typing import Any

from local.access import Principal, identity_principal, is_allowed
from local.arm.workspaces import LINKED
from local.ml.workspace import PATH, not_found, region, workspace
from local.operations import ARM, SIGNED_IN, Answer, Call, operation
from local.state import Document

KIND = "ml/diagnosis"
RESULTS = "/subscriptions/{subscription}/providers/Microsoft.MachineLearningServices"
RESULTS += "/locations/{location}/workspaceOperationsResults/{operation}"
SOON = {"retry-after-ms": "100"}
ASKED = {
    "storageAccount": "storageAccountResults",
    "keyVault": "keyVaultResults",
    "applicationInsights": "applicationInsightsResults",
    "containerRegistry": "containerRegistryResults",
}
UNASKED = (
    "userDefinedRouteResults",
    "networkSecurityRuleResults",
    "resourceLockResults",
    "dnsResolutionResults",
    "otherResults",
)


@operation(
    "POST",
    f"{PATH}/diagnose",
    action="Microsoft.MachineLearningServices/workspaces/diagnose/read",
    note="what the workspace's identity may do on storage, vault, insights and registry; no"
    " networks, locks or DNS; whether Azure's sees missing grants is not verified",
)
def diagnose(call: Call) -> Answer:
    """Look for what keeps a workspace from working."""
    owner = workspace(call)
    id = uuid.uuid4().hex
    call.world.state.put(f"{owner['id']}/diagnoses/{id}", KIND, {"value": _findings(call, owner)})
    version = call.query.get("api-version", "")
    base = RESULTS.format(
        subscription=call.parameters["subscription"], location=region(owner), operation=id
    )
    return Answer(None, 202, {"Location": f"https://{ARM}{base}?api-version={version}", **SOON})


@operation("GET", RESULTS, action=SIGNED_IN, note="what a diagnosis found")
def diagnosis(call: Call) -> Document:
    """Give what was found."""
    for id, record in call.world.state.find(KIND):
        if id.endswith(f"/{call.parameters['operation'].lower()}"):
            return record
    raise not_found(call.path)


def _findings(call: Call, owner: Document) -> dict[str, list[dict[str, str]]]:
    principal = _identity(call, owner)
    found: dict[str, list[dict[str, str]]] = {name: [] for name in UNASKED}
    for name, key in ASKED.items():
        target = str(owner["properties"].get(name) or "")
        found[key] = _on(call, principal, name, target) if target else []
    return found


def _identity(call: Call, owner: Document) -> Principal:
    """Give who the workspace acts as: its primary identity, or its own."""
    primary = owner["properties"].get("primaryUserAssignedIdentity")
    if primary:
        return identity_principal(call.world.state, str(primary))
    own: dict[str, Any] = owner.get("identity") or {}
    return Principal("ServicePrincipal", str(own.get("principalId") or ""), owner["name"])


def _on(call: Call, principal: Principal, name: str, target: str) -> list[dict[str, str]]:
    """List what the identity may not do on a linked resource."""
    state, what = call.world.state, name[0].upper() + name[1:]
    if state.get(target) is None:
        return [_result(f"{what}NotFound", f"'{target}' was not found.")]
    action, data_action = LINKED[name]
    missing = [] if is_allowed(state, principal, action, target) else [action]
    if data_action and not is_allowed(state, principal, data_action, target, data=True):
        missing.append(data_action)
    return [
        _result(
            f"{what}PermissionMissing",
            f"The workspace's identity '{principal.name}' with object id '{principal.object_id}'"
            f" lacks '{one}' on '{target}'.",
        )
        for one in missing
    ]


def _result(code: str, message: str) -> dict[str, str]:
    return {"code": code, "level": "Error", "message": message}
