"""The person's rights: what Azure says of them, and what they can lack."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from azure.core.credentials import TokenCredential
from azure.identity import DefaultAzureCredential
from azure_group import API, Group
from click.testing import CliRunner

from core.arm import Arm
from core.errors import CloudError, SettingsError, UserError
from local import faults
from local.process import LocalAzure, stop
from local.rights import roles, set_roles

PERMISSIONS = "providers/Microsoft.Authorization/permissions"
PERMISSIONS_API = "2022-04-01"


def subscription() -> str:
    return f"/subscriptions/{os.environ['AZURE_SUBSCRIPTION_ID']}"


def permissions(arm: Arm, scope: str) -> list[dict[str, Any]]:
    return (arm.get(f"{scope}/{PERMISSIONS}", PERMISSIONS_API) or {})["value"]


def test_the_person_owns_the_subscription_at_the_start(group: Group) -> None:
    owner = {"actions": ["*"], "notActions": [], "dataActions": [], "notDataActions": []}
    for scope in (subscription(), group.id):
        assert owner in permissions(group.arm, scope)
    found = group.arm.get(subscription(), "2022-12-01") or {}
    assert found["state"] == "Enabled"


def test_permissions_are_the_caller_s_own_at_the_scope_and_above(
    group: Group, acting_as: Callable[[dict[str, Any]], TokenCredential]
) -> None:
    identity, storage = group.identity("reader"), group.storage()
    group.grant(identity, "Reader", group.id)
    group.grant(identity, "Storage Blob Data Reader", storage["id"])
    arm = Arm(acting_as(identity))
    assert [one["actions"] for one in permissions(arm, group.id)] == [["*/read"]]
    below = permissions(arm, storage["id"])
    assert len(below) == 2 and any(one["dataActions"] for one in below)
    with pytest.raises(CloudError, match="permissions/read"):
        permissions(arm, subscription())


def test_a_grant_that_is_not_in_force_is_no_permission_yet(
    group: Group,
    acting_as: Callable[[dict[str, Any]], TokenCredential],
    azure_folder: Path,
) -> None:
    identity = group.identity("late")
    group.grant(identity, "Reader", group.id)
    try:
        faults.delay_roles(azure_folder, 2)
        group.grant(identity, "Contributor", group.id)
        arm = Arm(acting_as(identity))
        assert [len(permissions(arm, group.id)) for _ in range(4)] == [1, 1, 2, 2]
    finally:
        faults.delay_roles(azure_folder, 0)


def test_a_person_can_lack_the_rights_to_write_roles_to_make_and_to_purge(
    fresh_azure: Callable[[], LocalAzure], tmp_path: Path
) -> None:
    folder = tmp_path / "local"
    fresh_azure()
    arm = Arm(DefaultAzureCredential())
    id = f"{subscription()}/resourceGroups/mine"
    set_roles(folder, ["contributor"])
    arm.put(id, API, {"location": "eastus2"})
    [own] = permissions(arm, id)
    assert "Microsoft.Authorization/*/Write" in own["notActions"]
    with pytest.raises(CloudError, match="roleAssignments/write"):
        arm.put(f"{id}/providers/Microsoft.Authorization/roleAssignments/x", API, {})
    set_roles(folder, ["Reader"])
    with pytest.raises(CloudError, match="resourceGroups/write"):
        arm.put(f"{id}2", API, {"location": "eastus2"})
    set_roles(folder, ["Owner"], group="mine")
    assert len(permissions(arm, id)) == 2 and len(permissions(arm, subscription())) == 1
    assert roles(folder) == [("Reader", subscription()), ("Owner", id)]
    vaults = f"{subscription()}/providers/Microsoft.KeyVault/locations/eastus2/deletedVaults"
    with pytest.raises(CloudError, match="deletedVaults/purge/action"):
        arm.post(f"{vaults}/any/purge", API)


def test_rights_survive_a_restart(fresh_azure: Callable[[], LocalAzure], tmp_path: Path) -> None:
    folder = tmp_path / "local"
    fresh_azure()
    set_roles(folder, ["Contributor", "User Access Administrator"])
    assert stop(folder)
    fresh_azure()
    names = {role for role, _ in roles(folder)}
    assert names == {"Contributor", "User Access Administrator"}


def test_a_wrong_role_or_group_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="no role 'Emperor'"):
        set_roles(tmp_path, ["Emperor"])
    with pytest.raises(SettingsError, match="needs one"):
        set_roles(tmp_path, [])
    with pytest.raises(UserError, match="no resource group nowhere"):
        set_roles(tmp_path, ["Reader"], group="nowhere")


def test_the_commands_set_and_show_rights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from commands.local.command import local as cli

    monkeypatch.setenv("TUNESTACK_HOME", str(tmp_path))

    def run(*arguments: str) -> Any:
        done = CliRunner().invoke(cli, ["rights", *arguments, "--json"], catch_exceptions=False)
        assert done.exit_code == 0, done.output
        return json.loads(done.stdout)

    assert [one["role"] for one in run("list")] == ["Owner"]
    assert run("set", "Reader")["roles"] == ["Reader"]
    assert [one["role"] for one in run("list")] == ["Reader"]
    assert "Reader" in CliRunner().invoke(cli, ["rights", "list"]).stdout
