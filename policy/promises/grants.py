"""Promises about who may do what, and whose everything is."""

import re

from .rule import Inputs, Rule, value

ASSIGNMENT = ("authorization:RoleAssignment",)
KINDS = ("ServicePrincipal", "User", "Group")
MAKE_ADMINISTRATORS = {
    "8e3af657-a8ff-443c-a75c-2fe8c4bcb635": "Owner",
    "18d7d88d-d35e-4fb5-a5c3-7773c20a72d9": "User Access Administrator",
    "f58310d9-a9f6-439a-9e8d-f62e7b41a168": "Role Based Access Control Administrator",
}
"""Roles whose holder can grant roles (Microsoft Learn, Azure built-in roles)."""
STACK_TAG = "tunestack-stack"
WITHIN_A_GROUP = re.compile(r"/subscriptions/[^/]+/resourceGroups/[^/]+(/.*)?", re.IGNORECASE)


def _no_kind(inputs: Inputs) -> str:
    kind = value(inputs, "principalType")
    return "" if kind in KINDS else f"principalType is {kind!r}, not one of {', '.join(KINDS)}"


def _too_wide(inputs: Inputs) -> str:
    scope = str(value(inputs, "scope") or "")
    return "" if WITHIN_A_GROUP.fullmatch(scope) else f"scope is {scope!r}, above a resource group"


def _administrator(inputs: Inputs) -> str:
    role = str(value(inputs, "roleDefinitionId") or "").rpartition("/")[2].lower()
    return f"the role is {MAKE_ADMINISTRATORS[role]}" if role in MAKE_ADMINISTRATORS else ""


def _unmarked(inputs: Inputs) -> str:
    is_tracked = value(inputs, "location") is not None
    is_marked = bool(value(inputs, "tags", STACK_TAG))
    return "" if is_marked or not is_tracked else f"it has no tag {STACK_TAG}"


RULES = (
    Rule(
        "grant-says-for-what-kind",
        "A grant says what kind of principal it is for.",
        "Azure refuses a new identity under the default, User (PrincipalNotFound).",
        ASSIGNMENT,
        _no_kind,
    ),
    Rule(
        "grant-within-a-group",
        "No grant reaches above a resource group.",
        "What else is in the subscription is none of a stack's business.",
        ASSIGNMENT,
        _too_wide,
    ),
    Rule(
        "grant-makes-no-administrator",
        "No grant lets its holder grant.",
        "A training job that may grant roles may do everything.",
        ASSIGNMENT,
        _administrator,
    ),
    Rule(
        "tracked-resource-names-its-stack",
        "Whatever has a location carries the tag of its stack.",
        "By the tag `destroy` finds what its state forgot, and the bill shows whose it is.",
        (),
        _unmarked,
    ),
)
