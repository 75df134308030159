"""What the caller may do, and what names Azure or others hold."""

from typing import Any

import pytest
from recorded_arm import FakeCloud as Recorded
from recorded_arm import engine, ignore

from core.facts import Facts
from core.rules import Status
from infra.doctor import RULES
from infra.doctor.rights import GRANT, writes
from infra.names import names
from tests.doctor_facts import ROOT, SUBSCRIPTION, TODAY, arm, facts, found, one, refuse, say

CONTRIBUTOR = {"actions": ["*"], "notActions": ["Microsoft.Authorization/*/Write"]}
PERMISSIONS = "/providers/Microsoft.Authorization/permissions"
VARIANTS: tuple[dict[str, Any], ...] = (
    {},
    {"hub": True},
    {"foundry": True},
    {"monitoring": True, "alertEmails": "a@example.com"},
    {"budget": 9, "alertEmails": "a@example.com"},
    {"github": "octo-org/travel", "person": "0a1b2c3d-0000-4000-8000-0000000000ff"},
)


def may(of: Facts, *roles: dict[str, Any], scope: str = ROOT) -> None:
    say(of, f"{scope}{PERMISSIONS}", list(roles))


def make_group(of: Facts) -> None:
    arm(of).resources[of.group_id.lower()] = {"id": of.group_id}


def test_an_owner_may_grant_make_and_purge() -> None:
    about = facts()
    for id in ("rights.roles", "rights.resources", "rights.purge"):
        assert one(RULES, id, about).status is Status.OK


def test_a_contributor_may_not_grant_and_the_role_to_ask_for_is_named() -> None:
    about = facts()
    may(about, CONTRIBUTOR)
    finding = one(RULES, "rights.roles", about)
    assert finding.status is Status.FAILED
    assert GRANT in finding.told
    who = about.person().object_id
    role = "Role Based Access Control Administrator"
    assert finding.fix == (
        f'by an owner: az role assignment create --assignee {who} --role "{role}" --scope {ROOT}'
    )
    assert one(RULES, "rights.resources", about).status is Status.OK


def test_where_the_group_is_there_rights_on_it_count() -> None:
    about = facts()
    make_group(about)
    may(about, {"actions": ["*/read"]})
    may(about, {"actions": ["*"]}, scope=about.group_id)
    assert one(RULES, "rights.roles", about).told == (
        "you may give roles on the resource group rg-tunestack-dev"
    )
    assert one(RULES, "rights.resources", about).status is Status.OK


def test_a_new_group_takes_the_right_to_make_it() -> None:
    about = facts()
    may(about, {"actions": ["*"], "notActions": ["Microsoft.Resources/*"]})
    finding = one(RULES, "rights.resources", about)
    assert finding.status is Status.FAILED
    assert "Microsoft.Resources/subscriptions/resourceGroups/write" in finding.told


def test_each_missing_right_to_make_something_is_named() -> None:
    about = facts()
    lacking = ["Microsoft.KeyVault/vaults/write", "Microsoft.Storage/storageAccounts/write"]
    may(about, {"actions": ["*"], "notActions": lacking})
    finding = one(RULES, "rights.resources", about)
    assert all(action in finding.told for action in lacking)
    assert '--role "Contributor"' in finding.fix


def test_in_an_adopted_workspace_only_what_is_new_takes_a_right() -> None:
    chosen = {"adoptGroup": "rg-research", "adoptWorkspace": "mlw-research"}
    assert writes(facts(**chosen)) == [
        "Microsoft.ManagedIdentity/userAssignedIdentities/write",
        "Microsoft.MachineLearningServices/workspaces/computes/write",
    ]


@pytest.mark.parametrize("chosen", VARIANTS)
def test_the_rights_asked_for_are_those_of_what_up_makes(chosen: dict[str, Any]) -> None:
    cloud = Recorded()
    engine(cloud, **chosen).up(ignore)
    made = {str(item["type"]).lower() for item in cloud.arm.resources.values() if "type" in item}
    needed = {f"{kind}/write" for kind in made if not kind.startswith("microsoft.authorization/")}
    assert needed == {right.lower() for right in writes(facts(**chosen))}


def test_a_right_to_purge_on_the_group_alone_does_not_do() -> None:
    about = facts()
    make_group(about)
    may(about, {"actions": ["*/read"]})
    may(about, {"actions": ["*"]}, scope=about.group_id)
    finding = one(RULES, "rights.purge", about)
    assert finding.status is Status.WARNING
    assert "a deleted vault" in finding.told and "AI account" not in finding.told
    assert f'"Key Vault Purge Operator" --scope {ROOT}' in finding.fix


def test_a_stack_with_ai_accounts_must_purge_those_too() -> None:
    about = facts(foundry=True)
    may(about, {"actions": ["*/read"]})
    finding = one(RULES, "rights.purge", about)
    assert "vault or AI account" in finding.told
    assert '"Contributor"' in finding.fix


@pytest.mark.parametrize("chosen", [{"purgeProtection": True}, {"hardened": True}])
def test_what_nobody_can_purge_takes_no_right(chosen: dict[str, Any]) -> None:
    about = facts(**chosen)
    may(about, {"actions": ["*/read"]})
    assert one(RULES, "rights.purge", about).status is Status.OK


@pytest.mark.parametrize("id", ["rights.roles", "rights.resources", "rights.purge"])
def test_rights_that_may_not_be_read_are_unknown(id: str) -> None:
    about = facts()
    refuse(about, PERMISSIONS)
    assert one(RULES, id, about).status is Status.UNKNOWN


@pytest.mark.parametrize("id", ["rights.roles", "rights.resources"])
def test_no_list_of_rights_is_unknown(id: str) -> None:
    about = facts()
    may(about)
    assert one(RULES, id, about).status is Status.UNKNOWN


def hold_vault(of: Facts, *, is_protected: bool = False, generation: int = 1) -> str:
    """Let Azure keep the stack's deleted vault."""
    name = names(SUBSCRIPTION, of.stack, generation).key_vault
    id = f"{of.group_id}/providers/Microsoft.KeyVault/vaults/{name}"
    arm(of).held[id.lower()] = {
        "id": id, "name": name, "type": "Microsoft.KeyVault/vaults", "location": "eastus2",
        "tags": {"tunestack-stack": of.stack},
        "properties": {"enablePurgeProtection": True} if is_protected else {},
    }  # fmt: skip
    return name


def test_names_that_nothing_holds_are_well() -> None:
    assert one(RULES, "names.held", facts()).status is Status.OK
    assert one(RULES, "names.taken", facts()).status is Status.OK


def test_a_deleted_vault_that_holds_the_name_has_failed_with_the_purge_command() -> None:
    about = facts()
    name = hold_vault(about)
    finding = one(RULES, "names.held", about)
    assert finding.status is Status.FAILED
    assert finding.told == f"Azure holds the deleted key vault {name} until 2026-11-28"
    assert f"az keyvault purge --name {name} --location eastus2" in finding.fix
    assert "tunestack:generation: 2 in Pulumi.dev.yaml" in finding.fix
    assert TODAY.isoformat() == "2026-11-21"


def test_a_protected_vault_leaves_a_fresh_name_as_the_only_way() -> None:
    about = facts()
    hold_vault(about, is_protected=True)
    finding = one(RULES, "names.held", about)
    assert "az keyvault purge" not in finding.fix
    assert "tunestack:generation: 2" in finding.fix


def test_what_an_earlier_generation_left_stands_in_nobodys_way() -> None:
    about = facts(generation=2)
    hold_vault(about, generation=1)
    assert one(RULES, "names.held", about).status is Status.OK


def test_deleted_logs_are_a_warning_as_up_brings_them_back() -> None:
    about = facts()
    name = names(SUBSCRIPTION, "dev").log_analytics
    id = f"{about.group_id}/providers/Microsoft.OperationalInsights/workspaces/{name}"
    kind = "Microsoft.OperationalInsights/workspaces"
    arm(about).held[id.lower()] = {
        "id": id, "name": name, "type": kind, "location": "eastus2", "tags": {}, "properties": {},
    }  # fmt: skip
    finding = one(RULES, "names.held", about)
    assert finding.status is Status.WARNING
    assert "brings it back" in finding.told


def test_deleted_things_that_may_not_be_read_are_unknown_and_the_others_are_told() -> None:
    about = facts()
    hold_vault(about)
    refuse(about, "deletedAccounts")
    statuses = [finding.status for finding in found(RULES, "names.held", about)]
    assert statuses == [Status.UNKNOWN, Status.FAILED]


@pytest.mark.parametrize(
    ("provider", "title"),
    [("Microsoft.Storage", "storage account"), ("Microsoft.ContainerRegistry", "container reg")],
)
def test_a_name_that_somebody_else_has_has_failed(provider: str, title: str) -> None:
    about = facts()
    path = f"{ROOT}/providers/{provider}/checkNameAvailability"
    say(about, path, {"nameAvailable": False, "reason": "AlreadyExists", "message": "is taken."})
    finding = one(RULES, "names.taken", about)
    assert finding.status is Status.FAILED
    assert finding.told.startswith(title) and finding.told.endswith("is taken.")
    assert "tunestack:generation: 2" in finding.fix


def test_a_name_that_is_taken_by_the_stack_itself_is_well() -> None:
    about = facts()
    path = f"{ROOT}/providers/Microsoft.Storage/checkNameAvailability"
    say(about, path, {"nameAvailable": False, "reason": "AlreadyExists"})
    own = names(SUBSCRIPTION, "dev").storage_account
    id = f"{about.group_id}/providers/Microsoft.Storage/storageAccounts/{own}"
    arm(about).resources[id.lower()] = {"id": id}
    assert one(RULES, "names.taken", about).status is Status.OK


def test_an_adopted_workspace_needs_no_names() -> None:
    about = facts(adoptGroup="rg-research", adoptWorkspace="mlw-research")
    one(RULES, "names.taken", about)
    assert arm(about).count("POST") == 0
