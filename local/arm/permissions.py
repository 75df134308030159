"""What the caller may do at a scope: the permissions of every role that reaches there."""

from typing import Any

from local.access import effective_roles
from local.arm.assignments import AUTHORIZATION, permission
from local.operations import Call, operation


@operation(
    "GET",
    f"{AUTHORIZATION}/permissions",
    action="Microsoft.Authorization/permissions/read",
    note="one entry per role of the caller at the scope or above, less grants that are not in"
    " force yet",
)
def list_permissions(call: Call) -> dict[str, Any]:
    """List the caller's own permissions."""
    scope = "/" + call.parameters["scope"].strip("/")
    found = effective_roles(call.world.state, call.principal, scope)
    return {"value": [permission(role) for role in found]}
