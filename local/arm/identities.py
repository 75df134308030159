"""The `identity` of a resource: user-assigned ones exist and may be assigned, own ones are made."""

from local.access import IDENTITIES, is_allowed
from local.arm.types import guid
from local.operations import Call, Refusal
from local.state import Document
from local.tenant import tenant


def settle_identity(call: Call, document: Document, before: Document | None) -> None:
    """Check the identities that a resource is given, and fill in their principals as Azure does.

    Raises:
        Refusal: one does not exist, or the caller may not assign it.
    """
    wanted = document.get("identity")
    if not wanted or str(wanted.get("type", "None")) == "None":
        document.pop("identity", None)
        return
    settled: Document = {"type": wanted["type"]}
    if "UserAssigned" in wanted["type"]:
        settled["userAssignedIdentities"] = {
            id: _assigned(call, document["id"], id)
            for id in wanted.get("userAssignedIdentities") or {}
        }
    if "SystemAssigned" in wanted["type"]:
        earlier = (before or {}).get("identity", {})
        settled["principalId"] = earlier.get("principalId") or guid()
        settled["tenantId"] = tenant(call.world.folder).tenant_id
    document["identity"] = settled


def _assigned(call: Call, resource: str, id: str) -> Document:
    identity = call.world.state.get(id)
    if identity is None or identity.get("type") != IDENTITIES:
        raise Refusal(
            400,
            "FailedIdentityOperation",
            f"Identity operation for resource '{resource}' failed with error: the identity '{id}'"
            " was not found.",
        )
    action = f"{IDENTITIES}/assign/action"
    if not is_allowed(call.world.state, call.principal, action, id):
        raise Refusal(
            403,
            "LinkedAuthorizationFailed",
            f"The client '{call.principal.name}' with object id '{call.principal.object_id}' has"
            f" permission to perform the action on '{resource}'; however, it does not have"
            f" permission to perform action '{action}' on the linked scope '{id}'.",
        )
    properties = identity["properties"]
    return {"principalId": properties["principalId"], "clientId": properties["clientId"]}
