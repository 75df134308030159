"""Deletion by polls, its order, and what is refused while something else goes on."""

import os
import signal
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import psutil
import pytest
from azure.identity import DefaultAzureCredential
from azure_group import API, Group, Raw

from core.arm import Arm
from core.errors import CloudError
from local.process import LocalAzure

REGISTRIES = "Microsoft.ContainerRegistry/registries"
ACCOUNTS = "Microsoft.Storage/storageAccounts"
WORKSPACES = "Microsoft.MachineLearningServices/workspaces"
ACCOUNT = {"location": "eastus2", "kind": "StorageV2", "sku": {"name": "Standard_LRS"}}


def registry(group: Group) -> str:
    return str(group.put(f"{REGISTRIES}/{group.unique}", {"sku": {"name": "Basic"}})["id"])


def workspace(group: Group) -> str:
    vault = {"tenantId": os.environ["AZURE_TENANT_ID"], "sku": {"family": "A", "name": "standard"}}
    insights = {"kind": "web", "properties": {"Application_Type": "web"}}
    body = {
        "identity": {"type": "SystemAssigned"},
        "properties": {
            "storageAccount": group.storage()["id"],
            "keyVault": group.put(
                f"Microsoft.KeyVault/vaults/{group.name}-kv", {"properties": vault}
            )["id"],
            "applicationInsights": group.put("Microsoft.Insights/components/i", insights)["id"],
        },
    }
    return str(group.put(f"{WORKSPACES}/main", body)["id"])


def endpoint(group: Group, workspace_id: str) -> str:
    identity = group.identity("endpoint-id")["id"]
    body = {
        "location": "eastus2",
        "identity": {"type": "UserAssigned", "userAssignedIdentities": {identity: {}}},
        "properties": {"authMode": "Key"},
    }
    path = f"{workspace_id}/onlineEndpoints/ep-{group.name}"
    group.arm.put(path, API, body)
    return path


def state_of(answer: Any) -> str:
    return str(answer.json()["properties"]["provisioningState"])


def test_what_is_being_deleted_is_there_until_the_last_poll(group: Group, raw: Raw) -> None:
    path = workspace(group)
    accepted = raw("DELETE", f"{path}?forceToPurge=true")
    assert accepted.status_code == 202
    assert state_of(raw("GET", path)) == "Deleting"
    poll = accepted.headers["Azure-AsyncOperation"]
    assert raw("GET", poll).json()["status"] == "Succeeded"
    assert raw("GET", path).status_code == 404
    assert raw("GET", poll).json()["status"] == "Succeeded"


def test_a_second_delete_finds_the_operation_again(group: Group, raw: Raw) -> None:
    path = registry(group)
    first, second = raw("DELETE", path), raw("DELETE", path)
    assert (first.status_code, second.status_code) == (202, 202)
    url = second.headers["Azure-AsyncOperation"]
    assert url == first.headers["Azure-AsyncOperation"]
    assert raw("GET", url).json()["status"] == "Succeeded"
    assert raw("DELETE", path).status_code == 204


def test_what_is_being_deleted_is_not_changed(group: Group, raw: Raw) -> None:
    path = registry(group)
    body = {"location": "eastus2", "sku": {"name": "Basic"}}
    raw("DELETE", path)
    assert raw.refused("PUT", path, body) == (409, "AnotherOperationInProgress")
    assert raw("GET", path).status_code == 404, "the refusal was the poll"
    raw("PUT", path, body)
    assert state_of(raw("GET", path)) == "Succeeded", "the finished deletion does not meet it"


def test_what_is_being_made_is_neither_changed_nor_deleted(group: Group, raw: Raw) -> None:
    group.arm.delete(group.storage()["id"], API)
    path = group.path(f"{ACCOUNTS}/{group.unique}")
    busy = (409, "StorageAccountOperationInProgress")
    assert raw("PUT", path, ACCOUNT).status_code == 201
    assert raw.refused("PUT", path, ACCOUNT) == busy
    assert raw.refused("DELETE", path) == busy
    assert raw("DELETE", path).status_code == 200, "two refusals were the two polls"


def test_our_client_waits_for_its_turn(group: Group, raw: Raw) -> None:
    path, body = registry(group), {"location": "eastus2", "sku": {"name": "Basic"}}
    raw("DELETE", path)
    assert group.arm.put(path, API, body)["properties"]["provisioningState"] == "Succeeded"
    account = group.path(f"{ACCOUNTS}/{group.unique}")
    raw("PUT", account, ACCOUNT)
    assert group.arm.delete(account, API)
    assert group.arm.get(account, API) is None


def test_a_group_that_is_being_deleted_takes_nothing_new(arm: Arm, group: Group, raw: Raw) -> None:
    other = Group(arm, f"{group.id}-going")
    arm.put(other.id, API, {"location": "eastus2"})
    other.identity("before")
    identity = other.path("Microsoft.ManagedIdentity/userAssignedIdentities/late")
    gone = (409, "ResourceGroupBeingDeleted")
    assert raw("DELETE", other.id).status_code == 202
    assert raw.refused("PUT", identity, {"location": "eastus2"}) == gone
    assert raw("GET", other.id).status_code == 404, "one refusal and one look were the two polls"

    arm.put(other.id, API, {"location": "eastus2"})
    first, second = raw("DELETE", other.id), raw("DELETE", other.id)
    assert first.headers["Azure-AsyncOperation"] == second.headers["Azure-AsyncOperation"]
    assert state_of(raw("GET", other.id)) == "Deleting"
    made = arm.put(other.id, API, {"location": "eastus2"})
    assert made["properties"]["provisioningState"] == "Succeeded", "our client waits for the end"
    arm.delete(other.id, API)


def test_a_workspace_with_endpoints_is_not_deleted(group: Group, raw: Raw) -> None:
    path = workspace(group)
    inside = endpoint(group, path)
    answer = raw("DELETE", f"{path}?forceToPurge=true")
    assert answer.status_code == 409
    error = answer.json()["error"]
    assert error["code"] == "CannotDeleteResource"
    assert f"'{inside.partition('/providers/')[2]}'" in error["message"]
    with pytest.raises(CloudError, match="nested resources"):
        group.arm.delete(f"{path}?forceToPurge=true", API)
    assert group.arm.delete(inside, API)
    assert group.arm.delete(f"{path}?forceToPurge=true", API)


def test_an_endpoint_is_deleted_by_polls_and_takes_nothing_meanwhile(
    group: Group, raw: Raw
) -> None:
    path = endpoint(group, workspace(group))
    body = group.arm.get(path, API)
    accepted = raw("DELETE", path)
    assert accepted.status_code == 202
    assert raw.refused("PUT", path, body) == (409, "Conflict")
    assert raw.refused("PUT", f"{path}/deployments/blue", {})[1] == "Conflict"
    poll = accepted.headers["Azure-AsyncOperation"]
    states = [raw("GET", poll).json()["status"] for _ in range(3)]
    assert states == ["InProgress", "Succeeded", "Succeeded"]
    assert raw("GET", path).status_code == 404
    assert raw("DELETE", path).status_code == 204


def test_nothing_is_made_in_a_workspace_that_goes(group: Group, raw: Raw) -> None:
    path = workspace(group)
    raw("DELETE", f"{path}?forceToPurge=true")
    compute = {"location": "eastus2", "properties": {"computeType": "AmlCompute"}}
    assert raw.refused("PUT", f"{path}/computes/cpu", compute) == (409, "Conflict")
    assert raw.refused("PUT", f"{path}/jobs/late", {"properties": {}}) == (409, "Conflict")


def test_a_deletion_survives_a_killed_server_and_a_client_that_left(
    fresh_azure: Callable[[], LocalAzure], tmp_path: Path
) -> None:
    azure = fresh_azure()
    arm = Arm(DefaultAzureCredential())
    id = f"/subscriptions/{os.environ['AZURE_SUBSCRIPTION_ID']}/resourceGroups/g-killed"
    group = Group(arm, id)
    arm.put(id, API, {"location": "eastus2"})
    path = registry(group)
    account = group.storage()["id"]
    arm.put(f"{account}/blobServices/default/containers/box", API, {})
    blobs = tmp_path / "local" / "blobs" / group.unique
    for target in (path, id):
        assert arm._send("DELETE", target, API, None).status_code == 202
    os.kill(azure.pid, signal.SIGKILL)
    deadline = time.monotonic() + 10
    while psutil.pid_exists(azure.pid) and (
        psutil.Process(azure.pid).status() != psutil.STATUS_ZOMBIE
    ):
        assert time.monotonic() < deadline
        time.sleep(0.02)

    fresh_azure()
    assert blobs.is_dir()
    assert arm.delete(id, API)
    assert arm.get(id, API) is None
    assert not blobs.exists()
    assert not arm.delete(id, API)


def test_a_deletion_that_was_killed_at_its_last_step_is_finished(
    group: Group, raw: Raw, azure_folder: Path
) -> None:
    path = registry(group)
    raw("DELETE", path)
    with closing(sqlite3.connect(azure_folder / "state.sqlite")) as rows, rows:
        # As a server leaves it that dies after counting the last poll.
        changed = rows.execute(
            "UPDATE documents SET body = replace(body, '\"left\": 1', '\"left\": 0')"
            " WHERE kind = 'operation' AND body LIKE ?",
            (f"%{path}%removes%",),
        )
        assert changed.rowcount == 1
    again = raw("DELETE", path)
    assert again.status_code == 202
    assert raw("GET", again.headers["Azure-AsyncOperation"]).json()["status"] == "Succeeded"
    assert raw("GET", path).status_code == 404
