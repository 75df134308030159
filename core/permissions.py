"""What a caller may do, as Azure lists it: actions and notActions of every role that applies.

`GET {scope}/providers/Microsoft.Authorization/permissions` (2022-04-01) gives one entry for each
role that the caller has at the scope or above. Deny assignments and a role's conditions are not in
the list: what is allowed here may still be refused.
"""

import re
from collections.abc import Iterable, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from core.facts import Facts

API = "2022-04-01"


def permissions(facts: "Facts", scope: str) -> list[dict[str, Any]]:
    """List what the caller may do at a scope."""
    return facts.get_list(f"{scope}/providers/Microsoft.Authorization/permissions", API)


def allows(granted: Iterable[Mapping[str, Any]], action: str) -> bool:
    """Say whether one of the roles has an action and does not take it away again.

    What one role takes away another one may give: the roles add up (learn.microsoft.com,
    role-based-access-control/role-definitions, NotActions).
    """
    return any(
        _matches(role.get("actions"), action) and not _matches(role.get("notActions"), action)
        for role in granted
    )


def missing(granted: Iterable[Mapping[str, Any]], actions: Iterable[str]) -> list[str]:
    """List the actions that no role allows."""
    roles = list(granted)
    return [action for action in actions if not allows(roles, action)]


def _matches(patterns: Any, action: str) -> bool:
    return any(_expression(pattern).fullmatch(action) for pattern in patterns or ())


@cache
def _expression(pattern: str) -> re.Pattern[str]:
    """Translate a pattern: `*` is any text, slashes too, `/*/` one slash as well; no case counts.

    The second is what Azure's own roles need: Managed Identity Operator has
    `userAssignedIdentities/*/assign/action` for the action `userAssignedIdentities/assign/action`.
    """
    text = re.escape(pattern).replace(r"/\*/", "/(?:.*/)?").replace(r"\*", ".*")
    return re.compile(text, re.IGNORECASE)
