"""Role assignments and role definitions, at any scope."""

import re
import uuid
from typing import Any

from local.access import ASSIGNMENTS, DEFINITIONS, Principal, directory, find_role, mark_fresh
from local.arm.ids import name_of
from local.arm.types import now
from local.operations import Answer, Call, Refusal, operation
from local.roles import OWNER, PROVIDER, ROLES, Role
from local.state import Document, State
from local.tenant import Tenant, tenant

AUTHORIZATION = "/{scope:path}/providers/Microsoft.Authorization"
FIXED = ("principalId", "roleDefinitionId")


def make_person_owner(state: State, home: Tenant) -> None:
    """Make the person Owner of the subscription, as whoever creates a subscription is.

    Nothing happens where they have a role there already.
    """
    for _, assignment in state.find(ASSIGNMENTS):
        properties = assignment["properties"]
        is_person = properties["principalId"] == home.person_object_id
        if is_person and properties["scope"].lower() == home.subscription.lower():
            return
    grant_person(state, home, OWNER, home.subscription)


def grant_person(state: State, home: Tenant, role: Role, scope: str) -> None:
    """Give the person a role at a scope, in force at once."""
    seed = f"{home.person_object_id}{role.id}{scope}"
    name = str(uuid.uuid5(uuid.UUID(home.subscription_id), seed))
    id = f"{scope}/providers/{ASSIGNMENTS}/{name}"
    person = {"principalId": home.person_object_id, "principalType": "ServicePrincipal"}
    definition = {"roleDefinitionId": f"{home.subscription}{PROVIDER}{role.id}"}
    state.put(id, ASSIGNMENTS, _document(id, scope, person | definition, "", None))


@operation(
    "PUT",
    f"{AUTHORIZATION}/roleAssignments/{{name}}",
    action=f"{ASSIGNMENTS}/write",
    note="principal, role, triple and updates checked; in force at once, or as many checks late as"
    " `tunestack local fault role-delay` says; no conditions",
)
def put_assignment(call: Call) -> Answer:
    """Grant a role to a principal at a scope."""
    with call.world.state.transaction():
        scope = _scope(call)
        asked = _checked(call, scope)
        before = call.world.state.get(call.path)
        if before is not None:
            _check_unchanged(asked, before)
        else:
            _check_new(call, scope, asked)
        id = before["id"] if before else call.path
        document = _document(id, scope, asked, call.principal.object_id, before)
        call.world.state.put(id, ASSIGNMENTS, document)
        if before is None:
            mark_fresh(call.world.state, id)
    return Answer(document, status=200 if before else 201)


@operation("GET", f"{AUTHORIZATION}/roleAssignments/{{name}}", action=f"{ASSIGNMENTS}/read")
def get_assignment(call: Call) -> Document:
    """Read a role assignment."""
    found = call.world.state.get(call.path)
    if found is None:
        raise Refusal(
            404,
            "RoleAssignmentNotFound",
            f"The role assignment '{name_of(call.path)}' is not found.",
        )
    return found


@operation("DELETE", f"{AUTHORIZATION}/roleAssignments/{{name}}", action=f"{ASSIGNMENTS}/delete")
def delete_assignment(call: Call) -> Answer:
    """Take a grant back."""
    found = call.world.state.get(call.path)
    if found is None:
        return Answer(status=204)
    call.world.state.delete(call.path)
    return Answer(found)


@operation(
    "GET",
    f"{AUTHORIZATION}/roleAssignments",
    action=f"{ASSIGNMENTS}/read",
    note="$filter atScope(), principalId eq and assignedTo()",
)
def list_assignments(call: Call) -> dict[str, Any]:
    """List the assignments at a scope, above it and, without atScope(), below it."""
    scope, text = _scope(call).lower(), call.query.get("$filter", "")
    wanted = re.search(r"(?:principalId\s+eq\s+|assignedTo\()'([^']+)'", text)
    found = []
    for _, document in call.world.state.find(ASSIGNMENTS):
        own = document["properties"]["scope"].lower()
        is_above = scope == own or scope.startswith(f"{own}/")
        is_below = own.startswith(f"{scope}/") and "atscope()" not in text.lower()
        if wanted and document["properties"]["principalId"] != wanted[1]:
            continue
        if is_above or is_below:
            found.append(document)
    return {"value": found}


@operation(
    "GET",
    f"{AUTHORIZATION}/roleDefinitions",
    action=f"{DEFINITIONS}/read",
    note="the built-in roles that are played, and custom ones; $filter roleName eq",
)
def list_definitions(call: Call) -> dict[str, Any]:
    """List the roles."""
    wanted = re.search(r"roleName\s+eq\s+'([^']+)'", call.query.get("$filter", ""))
    chosen = [r for r in ROLES.values() if not wanted or r.name.lower() == wanted[1].lower()]
    custom = [
        document
        for _, document in call.world.state.find(DEFINITIONS)
        if not wanted or document["properties"]["roleName"].lower() == wanted[1].lower()
    ]
    return {"value": [*(_definition(call, role) for role in chosen), *custom]}


@operation("GET", f"{AUTHORIZATION}/roleDefinitions/{{name}}", action=f"{DEFINITIONS}/read")
def get_definition(call: Call) -> dict[str, Any]:
    """Read a role."""
    return _definition(call, _role(call, call.parameters["name"]))


def _scope(call: Call) -> str:
    return "/" + call.parameters["scope"].strip("/")


def _checked(call: Call, scope: str) -> dict[str, Any]:
    properties = call.body.get("properties") or {}
    missing = [name for name in FIXED if not properties.get(name)]
    if missing:
        raise Refusal(
            400, "InvalidRoleAssignment", f"The role assignment lacks: {', '.join(missing)}."
        )
    name = call.parameters["name"]
    if not re.fullmatch(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", name):
        raise Refusal(
            400,
            "InvalidRoleAssignmentId",
            f"The role assignment ID '{name}' is not valid. The role assignment ID must be a GUID.",
        )
    _check_scope(call, scope)
    role = _role(call, properties["roleDefinitionId"])
    kind = _check_principal(call, properties)
    definition = f"{tenant(call.world.folder).subscription}{PROVIDER}{role.id}"
    return {**properties, "roleDefinitionId": definition, "principalType": kind}


def _check_scope(call: Call, scope: str) -> None:
    is_subscription = scope.lower() == tenant(call.world.folder).subscription.lower()
    if not is_subscription and call.world.state.get(scope) is None:
        is_group = "/providers/" not in scope
        raise Refusal(
            404,
            "ResourceGroupNotFound" if is_group else "ResourceNotFound",
            f"The scope '{scope}' could not be found.",
        )


def _check_principal(call: Call, properties: dict[str, Any]) -> str:
    id, kind = properties["principalId"], properties.get("principalType") or "User"
    known = {principal.object_id: principal for principal in _everybody(call)}
    if id not in known:
        raise Refusal(
            400,
            "PrincipalNotFound",
            f"Principal {id} does not exist in the directory"
            f" {tenant(call.world.folder).tenant_id}. Check that you have the correct principal ID."
            " If you are creating this principal and then immediately assigning a role, this error"
            " might be related to a replication delay.",
        )
    if known[id].kind != kind:
        raise Refusal(
            400,
            "UnmatchedPrincipalType",
            f"The PrincipalId '{id}' has type '{known[id].kind}', which is different from specified"
            f" PrincipalType '{kind}'.",
        )
    return str(kind)


def _everybody(call: Call) -> list[Principal]:
    home = tenant(call.world.folder)
    person = Principal("ServicePrincipal", home.person_object_id, home.person_client_id)
    return [person, *directory(call.world.state)]


def _check_unchanged(asked: dict[str, Any], before: Document) -> None:
    changed = [name for name in FIXED if asked[name] != before["properties"][name]]
    if changed:
        raise Refusal(
            400,
            "RoleAssignmentUpdateNotPermitted",
            "Tenant ID, application ID, principal ID, role definition ID and scope are not allowed"
            f" to be updated; the request changes: {', '.join(changed)}.",
        )


def _check_new(call: Call, scope: str, asked: dict[str, Any]) -> None:
    for id, other in call.world.state.find(ASSIGNMENTS):
        properties = other["properties"]
        is_same = all(properties[name] == asked[name] for name in FIXED)
        if is_same and properties["scope"].lower() == scope.lower():
            raise Refusal(
                409,
                "RoleAssignmentExists",
                f"The role assignment already exists. The ID of the existing role assignment is"
                f" {name_of(id).replace('-', '')}.",
            )


def _document(
    id: str, scope: str, asked: dict[str, Any], creator: str, before: Document | None
) -> Document:
    created = before["properties"]["createdOn"] if before else now()
    return {
        "id": id,
        "name": name_of(id),
        "type": ASSIGNMENTS,
        "properties": {
            **asked,
            "scope": scope,
            "createdOn": created,
            "updatedOn": now(),
            "createdBy": before["properties"]["createdBy"] if before else creator,
        },
    }


def _role(call: Call, definition: str) -> Role:
    role = find_role(call.world.state, definition)
    if role is None:
        raise Refusal(
            404,
            "RoleDefinitionDoesNotExist",
            f"The specified role definition with ID '{name_of(definition)}' does not exist"
            " (the local Azure knows those in local/roles.py, and what is defined by PUT).",
        )
    return role


def _definition(call: Call, role: Role) -> dict[str, Any]:
    for _, document in call.world.state.find(DEFINITIONS):
        if document["name"] == role.id:
            return document
    return {
        "id": f"{tenant(call.world.folder).subscription}{PROVIDER}{role.id}",
        "name": role.id,
        "type": DEFINITIONS,
        "properties": {
            "roleName": role.name,
            "type": "BuiltInRole",
            "assignableScopes": ["/"],
            "permissions": [permission(role)],
        },
    }


def permission(role: Role) -> dict[str, list[str]]:
    """Write what a role allows as Azure does."""
    return {
        "actions": list(role.actions),
        "notActions": list(role.not_actions),
        "dataActions": list(role.data_actions),
        "notDataActions": list(role.not_data_actions),
    }
