"""What the rehearsal's person may do: their roles on the subscription or on a group.

At the start they own the subscription. Set by hand, past Azure's own checks: who has taken a role
away from themselves could not give it back by a request.
"""

from pathlib import Path

from core.errors import SettingsError, UserError
from local.access import ASSIGNMENTS
from local.arm.assignments import grant_person, make_person_owner
from local.roles import ROLES, Role, role_of
from local.state import State, opened
from local.tenant import Tenant, tenant


def set_roles(folder: Path, names: list[str], group: str = "") -> list[str]:
    """Let the person have these roles, and no others, on the subscription or on a group.

    Raises:
        SettingsError: a role is not known, or none is left on the subscription.
        UserError: there is no such group.
    """
    roles = [_role(name) for name in names]
    if not roles and not group:
        raise SettingsError("roles: the person needs one on the subscription.", hint="e.g. Reader")
    home = tenant(folder)
    with opened(folder) as state:
        scope = _scope(state, home, group)
        with state.transaction():
            for id in _assignments(state, home, scope):
                state.delete(id)
            for role in roles:
                grant_person(state, home, role, scope)
    return [role.name for role in roles]


def roles(folder: Path) -> list[tuple[str, str]]:
    """List the person's roles wherever they have some: (role, scope)."""
    home = tenant(folder)
    with opened(folder) as state:
        make_person_owner(state, home)
        found = [state.get(id) or {} for id in _assignments(state, home)]
    pairs = [(one["properties"]["roleDefinitionId"], one["properties"]["scope"]) for one in found]
    return [(role.name, scope) for id, scope in pairs if (role := role_of(id))]


def _assignments(state: State, home: Tenant, scope: str = "") -> list[str]:
    """List the ids of the person's assignments at a scope, or everywhere."""
    return [
        id
        for id, document in state.find(ASSIGNMENTS)
        if document["properties"]["principalId"] == home.person_object_id
        and scope.lower() in ("", document["properties"]["scope"].lower())
    ]


def _scope(state: State, home: Tenant, group: str) -> str:
    if not group:
        return home.subscription
    found = state.get(f"{home.subscription}/resourceGroups/{group}")
    if found is None:
        raise UserError(f"There is no resource group {group}.", hint="It must exist first.")
    return str(found["id"])


def _role(name: str) -> Role:
    for role in ROLES.values():
        if name.lower() == role.name.lower():
            return role
    known = ", ".join(sorted(role.name for role in ROLES.values()))
    raise SettingsError(f"There is no role {name!r}.", hint=f"One of {known}.")
