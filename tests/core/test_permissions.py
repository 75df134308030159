"""Azure's matching of actions, as its documentation and its own roles have it."""

import pytest

from core.permissions import allows, missing

GRANT = "Microsoft.Authorization/roleAssignments/write"
OWNER = {"actions": ["*"], "notActions": []}
CONTRIBUTOR = {
    "actions": ["*"],
    "notActions": [
        "Microsoft.Authorization/*/Delete",
        "Microsoft.Authorization/*/Write",
        "Microsoft.Authorization/elevateAccess/Action",
    ],
}
ADMINISTRATOR = {"actions": ["Microsoft.Authorization/roleAssignments/*", "*/read"]}
OPERATOR = {"actions": ["Microsoft.ManagedIdentity/userAssignedIdentities/*/assign/action"]}


@pytest.mark.parametrize(
    ("granted", "action", "is_allowed"),
    [
        ([], GRANT, False),
        ([OWNER], GRANT, True),
        ([CONTRIBUTOR], GRANT, False),
        ([CONTRIBUTOR], "microsoft.keyvault/VAULTS/write", True),
        ([CONTRIBUTOR, ADMINISTRATOR], GRANT, True),
        ([ADMINISTRATOR], "Microsoft.KeyVault/vaults/read", True),
        ([ADMINISTRATOR], "Microsoft.KeyVault/vaults/write", False),
        ([{"actions": ["Microsoft.KeyVault/vaults"]}], "Microsoft.KeyVault/vaults/read", False),
        ([{"actions": ["Microsoft.Key.ault/*"]}], "Microsoft.KeyVault/vaults/read", False),
        ([OPERATOR], "Microsoft.ManagedIdentity/userAssignedIdentities/assign/action", True),
        ([OPERATOR], "Microsoft.ManagedIdentity/userAssignedIdentities/x/assign/action", True),
        ([{}], GRANT, False),
    ],
)
def test_one_role_must_have_the_action_and_not_take_it_away(
    granted: list[dict[str, list[str]]], action: str, is_allowed: bool
) -> None:
    assert allows(granted, action) is is_allowed


def test_missing_lists_what_no_role_allows() -> None:
    actions = [GRANT, "Microsoft.KeyVault/vaults/write"]
    assert missing([CONTRIBUTOR], actions) == [GRANT]
    assert missing(iter([CONTRIBUTOR, ADMINISTRATOR]), actions) == []
