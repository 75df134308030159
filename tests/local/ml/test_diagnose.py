"""A workspace's diagnosis by the real client: what its identity may not do is named."""

from pathlib import Path
from typing import Any

import pytest
from azure.core.exceptions import ResourceNotFoundError
from azure_group import API
from ml_stack import Stack

from local import faults

LISTS = ("storage_account", "key_vault", "application_insights", "container_registry")


def diagnosed(stack: Stack) -> dict[str, list[Any]]:
    value = stack.ml.workspaces.begin_diagnose("main").result()
    return {name: getattr(value, f"{name}_results") or [] for name in LISTS}


def grants_of_owner(stack: Stack) -> list[dict[str, Any]]:
    owner = stack.group.arm.get(stack.workspace["properties"]["primaryUserAssignedIdentity"], API)
    assert owner is not None
    path = f"{stack.group.id}/providers/Microsoft.Authorization/roleAssignments"
    principal = owner["properties"]["principalId"]
    found = stack.group.arm.get_list(f"{path}?$filter=principalId eq '{principal}'", API)
    return list(found)


def test_a_sound_workspace_has_no_findings(stack: Stack) -> None:
    assert diagnosed(stack) == {name: [] for name in LISTS}


@pytest.mark.parametrize(
    ("kind", "listed", "missed"),
    [
        ("Microsoft.Storage", "storage_account", "containers/blobs/write"),
        ("Microsoft.KeyVault", "key_vault", "setSecret/action"),
    ],
)
def test_a_missing_grant_is_named_with_its_action_and_its_scope(
    stack: Stack, azure_folder: Path, kind: str, listed: str, missed: str
) -> None:
    [grant] = [g for g in grants_of_owner(stack) if kind in g["properties"]["scope"]]
    stack.group.arm.delete(grant["id"], API)
    try:
        found = diagnosed(stack)
        [one] = found.pop(listed)
        assert one.level == "Error" and one.code.endswith("PermissionMissing")
        assert missed in one.message and grant["properties"]["scope"] in one.message
        assert not any(found.values())
        faults.delay_roles(azure_folder, 2)
    finally:
        keys = ("roleDefinitionId", "principalId", "principalType")
        body = {key: grant["properties"][key] for key in keys}
        stack.group.arm.put(grant["id"], API, {"properties": body})
    try:
        late = [bool(diagnosed(stack)[listed]) for _ in range(3)]
        assert late == [True, True, False], "two checks late"
    finally:
        faults.delay_roles(azure_folder, 0)


def test_a_plain_post_gets_what_the_client_gets(stack: Stack) -> None:
    answer = stack.group.arm.post(f"{stack.workspace['id']}/diagnose", "2025-12-01", {"value": {}})
    found = answer["value"]
    assert found.pop("dnsResolutionResults") == [] and found["storageAccountResults"] == []


def test_of_a_workspace_that_is_not_there_nothing_is_said(stack: Stack) -> None:
    with pytest.raises(ResourceNotFoundError):
        stack.ml.workspaces.begin_diagnose("nowhere")
