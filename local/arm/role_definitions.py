"""Custom roles: what somebody has put together from actions, to be assigned like a built-in one.

Assignable scopes are kept and not checked, and nobody is kept from handing out more than they have
themselves; Azure does both.
"""

import re
from typing import Any

from local.access import ASSIGNMENTS, DEFINITIONS
from local.arm.assignments import AUTHORIZATION
from local.operations import Answer, Call, Refusal, operation
from local.roles import PROVIDER, ROLES
from local.tenant import tenant

GUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
ACTION = re.compile(r"(\*|[A-Za-z]+\.[A-Za-z]+)(/(\*|[A-Za-z0-9.]+))*")
LISTS = ("actions", "notActions", "dataActions", "notDataActions")


@operation(
    "PUT",
    f"{AUTHORIZATION}/roleDefinitions/{{name}}",
    action=f"{DEFINITIONS}/write",
    note="custom roles; the form of actions is checked, not that Azure knows them",
)
def put_definition(call: Call) -> Answer:
    """Define a role, or change one."""
    asked, guid = _checked(call), call.parameters["name"].lower()
    with call.world.state.transaction():
        _check_name(call, guid, asked["roleName"])
        id = f"{tenant(call.world.folder).subscription}{PROVIDER}{guid}"
        document = {"id": id, "name": guid, "type": DEFINITIONS, "properties": asked}
        call.world.state.put(id, DEFINITIONS, document)
    return Answer(document, 201)


@operation(
    "DELETE",
    f"{AUTHORIZATION}/roleDefinitions/{{name}}",
    action=f"{DEFINITIONS}/delete",
    note="custom roles that nobody has",
)
def delete_definition(call: Call) -> Answer:
    """Forget a role that somebody has defined."""
    guid = call.parameters["name"].lower()
    for id, document in call.world.state.find(DEFINITIONS):
        if document["name"] != guid:
            continue
        if any(guid in _assigned(row) for _, row in call.world.state.find(ASSIGNMENTS)):
            raise Refusal(
                400,
                "RoleDefinitionHasAssignments",
                "There are existing role assignments referencing role (code:"
                " RoleDefinitionHasAssignments).",
            )
        call.world.state.delete(id)
        return Answer(document)
    return Answer(status=204)


def _checked(call: Call) -> dict[str, Any]:
    properties = call.body.get("properties") or {}
    missing = [key for key in ("roleName", "assignableScopes") if not properties.get(key)]
    if missing or not GUID.fullmatch(call.parameters["name"]):
        named = ", ".join(missing) or "a GUID as its name"
        raise Refusal(400, "InvalidRoleDefinition", f"The role definition lacks: {named}.")
    for entry in properties.get("permissions") or []:
        for pattern in (pattern for name in LISTS for pattern in entry.get(name) or []):
            if not ACTION.fullmatch(pattern):
                told = f"'{pattern}' does not match any of the actions."
                raise Refusal(400, "InvalidActionOrNotAction", told)
    return {**properties, "type": "CustomRole"}


def _check_name(call: Call, guid: str, name: str) -> None:
    """Refuse a name that another role of the tenant has."""
    others = {row["name"]: row["properties"]["roleName"] for _, row in _all(call)}
    others |= {role.id: role.name for role in ROLES.values()}
    if any(other.lower() == name.lower() for id, other in others.items() if id != guid):
        raise Refusal(
            409,
            "RoleDefinitionWithSameNameExists",
            f"A custom role with the same name already exists in this directory: '{name}'.",
        )


def _all(call: Call) -> list[tuple[str, dict[str, Any]]]:
    return list(call.world.state.find(DEFINITIONS))


def _assigned(assignment: dict[str, Any]) -> str:
    return str(assignment["properties"]["roleDefinitionId"]).lower()
