"""Who may do what: one decision, from role assignments and the table of roles, for every request.

A new grant may take a while to be in force, as at Azure, where it takes minutes: the world says
how many checks that it would have passed are still refused. Deny assignments and conditions are
not played.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from local.operations import Refusal
from local.roles import Role, role_of
from local.state import Document, State

ASSIGNMENTS = "Microsoft.Authorization/roleAssignments"
DEFINITIONS = "Microsoft.Authorization/roleDefinitions"
IDENTITIES = "Microsoft.ManagedIdentity/userAssignedIdentities"
DELAY = "setting:/roleDelay"
FRESH = "freshGrant"


@dataclass(frozen=True)
class Principal:
    """Somebody who asks."""

    kind: str
    """`ServicePrincipal` (a managed identity, too), or `Anonymous`."""
    object_id: str
    name: str
    """What Azure's refusals call it: the client id of a service principal, a resource's name."""


ANONYMOUS = Principal("Anonymous", "", "anonymous")


def is_allowed(
    state: State, principal: Principal, action: str, scope: str, *, data: bool = False
) -> bool:
    """Say whether a role assignment at `scope` or above lets `principal` do `action` there."""
    fresh = []
    for assignment, role in _roles_at(state, principal.object_id, scope):
        if not _role_allows(role, action, data=data):
            continue
        if not _is_fresh(state, assignment):
            return True
        fresh.append(assignment)
    for assignment in fresh:
        _count_down(state, assignment)
    return False


def effective_roles(state: State, principal: Principal, scope: str) -> list[Role]:
    """List the roles of `principal` at `scope` or above that are in force.

    A grant that is left out as too fresh has been checked once more.
    """
    found = []
    for assignment, role in _roles_at(state, principal.object_id, scope):
        if _is_fresh(state, assignment):
            _count_down(state, assignment)
        else:
            found.append(role)
    return found


def require(
    state: State, principal: Principal, action: str, scope: str, *, data: bool = False
) -> None:
    """Refuse with 403, naming principal, action and scope, where no assignment allows it.

    Raises:
        Refusal: `AuthorizationFailed`, or `AuthorizationPermissionMismatch` for a data action.
    """
    if is_allowed(state, principal, action, scope, data=data):
        return
    if data:
        raise Refusal(
            403,
            "AuthorizationPermissionMismatch",
            "This request is not authorized to perform this operation using this permission."
            f" The client '{principal.name}' with object id '{principal.object_id}' lacks the"
            f" data action '{action}' over scope '{scope}'.",
        )
    raise Refusal(
        403,
        "AuthorizationFailed",
        f"The client '{principal.name}' with object id '{principal.object_id}' does not have"
        f" authorization to perform action '{action}' over scope '{scope}' or the scope is"
        " invalid. If access was recently granted, please refresh your credentials.",
    )


def identity_principal(state: State, resource_id: str) -> Principal:
    """Give the principal of a user-assigned identity by its resource id.

    Raises:
        Refusal: 404, there is no such identity.
    """
    identity = state.get(resource_id)
    if identity is None or str(identity.get("type", "")).lower() != IDENTITIES.lower():
        raise Refusal(
            404, "ResourceNotFound", f"The managed identity '{resource_id}' was not found."
        )
    return _identity(identity)


def directory(state: State) -> Iterator[Principal]:
    """List every managed identity, user-assigned and of a resource itself."""
    for _, identity in state.find(IDENTITIES):
        yield _identity(identity)
    for _, document in state.find():
        own = document.get("identity")
        if isinstance(own, dict) and own.get("principalId"):
            yield Principal("ServicePrincipal", own["principalId"], document.get("name", ""))


def _identity(document: Document) -> Principal:
    return Principal("ServicePrincipal", document["properties"]["principalId"], document["name"])


def role_delay(state: State) -> int:
    """Give the number of checks that a new grant is late."""
    return int((state.get(DELAY) or {}).get("checks", 0))


def set_role_delay(state: State, checks: int) -> None:
    """Let grants from now on be late by so many checks; 0 puts those that wait in force, too."""
    with state.transaction():
        state.put(DELAY, "setting", {"checks": checks})
        for id, _ in state.find(FRESH) if checks == 0 else ():
            state.delete(id)


def mark_fresh(state: State, assignment: str) -> None:
    """Note a new role assignment, where grants are late in this world."""
    if checks := role_delay(state):
        state.put(_fresh(assignment), FRESH, {"left": checks})


def _is_fresh(state: State, assignment: str) -> bool:
    return state.get(_fresh(assignment)) is not None


def _count_down(state: State, assignment: str) -> None:
    """Bring a grant one check nearer; a refusal that undoes everything else leaves that."""

    def count() -> None:
        with state.transaction():
            record = state.get(_fresh(assignment))
            if record is not None and record["left"] > 1:
                state.put(_fresh(assignment), FRESH, {"left": record["left"] - 1})
            elif record is not None:
                state.delete(_fresh(assignment))

    state.afterwards(count)


def _fresh(assignment: str) -> str:
    """Give the id of the note on a grant; an assignment's name is a GUID."""
    return f"{FRESH}:/{assignment.rpartition('/')[2]}"


def find_role(state: State, definition_id: str) -> Role | None:
    """Find a role by its definition's id: a built-in one, or one that somebody has defined."""
    built_in = role_of(definition_id)
    if built_in is not None:
        return built_in
    guid = definition_id.rsplit("/", 1)[-1].lower()
    for _, document in state.find(DEFINITIONS):
        if document["name"] == guid:
            return _defined(document)
    return None


def _defined(document: Document) -> Role:
    """Read a custom role; its entries' permissions are counted as one."""
    properties = document["properties"]

    def listed(name: str) -> tuple[str, ...]:
        entries = properties.get("permissions") or []
        return tuple(pattern for entry in entries for pattern in entry.get(name) or [])

    names = ("actions", "notActions", "dataActions", "notDataActions")
    return Role(document["name"], properties["roleName"], *map(listed, names))


def _roles_at(state: State, object_id: str, scope: str) -> Iterator[tuple[str, Role]]:
    for id, assignment in state.find(ASSIGNMENTS):
        properties = assignment["properties"]
        if properties["principalId"] != object_id or not _covers(properties["scope"], scope):
            continue
        role = find_role(state, properties["roleDefinitionId"])
        if role is not None:
            yield id, role


def _covers(granted: str, asked: str) -> bool:
    above, below = granted.rstrip("/").lower(), asked.rstrip("/").lower()
    return below == above or below.startswith(f"{above}/")


def _role_allows(role: Role, action: str, *, data: bool) -> bool:
    yes, no = (
        (role.data_actions, role.not_data_actions) if data else (role.actions, role.not_actions)
    )
    return _matches(yes, action) and not _matches(no, action)


def _matches(patterns: tuple[str, ...], action: str) -> bool:
    return any(_expression(pattern).fullmatch(action) for pattern in patterns)


@cache
def _expression(pattern: str) -> re.Pattern[str]:
    """Translate a pattern; `/*/` also stands for one slash.

    Azure's own roles need that: Managed Identity Operator is granted
    `userAssignedIdentities/*/assign/action` for the action `userAssignedIdentities/assign/action`.
    """
    text = re.escape(pattern).replace(r"/\*/", "/(?:.*/)?").replace(r"\*", ".*")
    return re.compile(text, re.IGNORECASE)
