"""The one decision: roles, scopes, and refusals that say what is missing."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from azure.core.credentials import TokenCredential
from azure_group import API, Group

from core.arm import Arm
from core.errors import CloudError
from local import faults
from local.access import (
    ASSIGNMENTS,
    Principal,
    is_allowed,
    mark_fresh,
    require,
    set_role_delay,
)
from local.operations import Refusal
from local.roles import ROLES
from local.state import State

WHO = Principal("ServicePrincipal", "oid", "app")
GROUP = "/subscriptions/s/resourceGroups/g"
WORKSPACE = f"{GROUP}/providers/Microsoft.MachineLearningServices/workspaces/w"
ML = "Microsoft.MachineLearningServices/workspaces"
BLOBS = "Microsoft.Storage/storageAccounts/blobServices/containers/blobs"


@pytest.fixture
def state(tmp_path: Path) -> State:
    return State(tmp_path)


def id_of(role: str) -> str:
    return next(id for id, known in ROLES.items() if known.name == role)


def assign(state: State, role: str, scope: str) -> None:
    guid = id_of(role)
    id = f"{scope}/providers/{ASSIGNMENTS}/{guid}"
    properties = {"principalId": WHO.object_id, "roleDefinitionId": guid, "scope": scope}
    state.put(id, ASSIGNMENTS, {"id": id, "properties": properties})


@pytest.mark.parametrize(
    ("role", "action", "data", "allowed"),
    [
        ("Owner", "Microsoft.Authorization/roleAssignments/write", False, True),
        ("Owner", f"{BLOBS}/read", True, False),
        ("Contributor", f"{ML}/write", False, True),
        ("Contributor", "Microsoft.Authorization/roleAssignments/write", False, False),
        ("Contributor", "Microsoft.Authorization/roleAssignments/read", False, True),
        ("Contributor", f"{BLOBS}/read", True, False),
        ("Reader", f"{ML}/jobs/read", False, True),
        ("Reader", f"{ML}/jobs/write", False, False),
        ("AzureML Data Scientist", f"{ML}/jobs/write", False, True),
        ("AzureML Data Scientist", f"{ML}/read", False, True),
        ("AzureML Data Scientist", f"{ML}/write", False, False),
        ("AzureML Data Scientist", f"{ML}/delete", False, False),
        ("AzureML Data Scientist", f"{ML}/computes/write", False, False),
        ("AzureML Compute Operator", f"{ML}/computes/write", False, True),
        ("AzureML Compute Operator", f"{ML}/jobs/write", False, False),
        ("Storage Blob Data Reader", f"{BLOBS}/read", True, True),
        ("Storage Blob Data Reader", f"{BLOBS}/write", True, False),
        ("Storage Blob Data Contributor", f"{BLOBS}/delete", True, True),
        ("Storage Blob Data Contributor", f"{ML}/read", False, False),
        ("AcrPull", "Microsoft.ContainerRegistry/registries/pull/read", False, True),
        ("AcrPull", "Microsoft.ContainerRegistry/registries/push/write", False, False),
        (
            "Key Vault Administrator",
            "Microsoft.KeyVault/vaults/secrets/setSecret/action",
            True,
            True,
        ),
        (
            "Managed Identity Operator",
            "Microsoft.ManagedIdentity/userAssignedIdentities/assign/action",
            False,
            True,
        ),
        ("User Access Administrator", f"{ML}/write", False, False),
    ],
)
def test_a_role_allows_what_azure_publishes(
    state: State, role: str, action: str, data: bool, allowed: bool
) -> None:
    assign(state, role, GROUP)
    assert is_allowed(state, WHO, action, WORKSPACE, data=data) is allowed


def test_a_grant_counts_at_its_scope_and_below_and_nowhere_else(state: State) -> None:
    assign(state, "Contributor", GROUP)
    write = f"{ML}/write"
    assert is_allowed(state, WHO, write, GROUP)
    assert is_allowed(state, WHO, write, WORKSPACE.upper())
    assert not is_allowed(state, WHO, write, "/subscriptions/s")
    assert not is_allowed(state, WHO, write, f"{GROUP}2/providers/x")
    assert not is_allowed(state, Principal("ServicePrincipal", "other", "x"), write, WORKSPACE)


@pytest.mark.parametrize(
    ("data", "code"), [(False, "AuthorizationFailed"), (True, "AuthorizationPermissionMismatch")]
)
def test_a_refusal_names_who_what_and_where(state: State, data: bool, code: str) -> None:
    with pytest.raises(Refusal) as caught:
        require(state, WHO, f"{BLOBS}/read", WORKSPACE, data=data)
    assert (caught.value.status, caught.value.code) == (403, code)
    for part in ("'app'", "'oid'", f"{BLOBS}/read", WORKSPACE):
        assert part in caught.value.message


def test_a_contributor_makes_resources_but_grants_nothing(
    group: Group, acting_as: Callable[[dict[str, Any]], TokenCredential]
) -> None:
    identity = group.identity("contributor")
    group.grant(identity, "Contributor", group.id)
    other = Group(Arm(acting_as(identity)), group.id)
    assert other.identity("made-by-it")["properties"]["principalId"]
    with pytest.raises(CloudError, match="roleAssignments/write") as caught:
        other.grant(identity, "Owner", group.id)
    assert (caught.value.status, caught.value.code) == (403, "AuthorizationFailed")
    assert identity["properties"]["principalId"] in str(caught.value)


def test_a_grant_taken_back_is_missed_at_once(
    group: Group, acting_as: Callable[[dict[str, Any]], TokenCredential]
) -> None:
    identity = group.identity("reader")
    grant = group.grant(identity, "Reader", group.id)
    arm = Arm(acting_as(identity))
    assert arm.get(group.id, API)
    group.arm.delete(grant["id"], API)
    with pytest.raises(CloudError, match="subscriptions/resourceGroups/read"):
        arm.get(group.id, API)


def test_assigning_an_identity_takes_a_right_on_the_identity(
    group: Group, acting_as: Callable[[dict[str, Any]], TokenCredential]
) -> None:
    assigned, identity = group.identity("assigned"), group.identity("operator")
    body = {
        "kind": "StorageV2",
        "sku": {"name": "Standard_LRS"},
        "identity": {"type": "UserAssigned", "userAssignedIdentities": {assigned["id"]: {}}},
    }
    account = group.storage()
    group.grant(identity, "Contributor", account["id"])
    other = Group(Arm(acting_as(identity)), group.id)
    rest = f"Microsoft.Storage/storageAccounts/{group.unique}"
    with pytest.raises(CloudError, match="userAssignedIdentities/assign/action") as caught:
        other.put(rest, body)
    assert caught.value.code == "LinkedAuthorizationFailed"
    group.grant(identity, "Managed Identity Operator", assigned["id"])
    mapped = other.put(rest, body)["identity"]["userAssignedIdentities"]
    assert mapped[assigned["id"]]["principalId"] == assigned["properties"]["principalId"]


def test_a_late_grant_is_refused_as_often_as_the_world_says(state: State) -> None:
    set_role_delay(state, 2)
    assign(state, "Reader", GROUP)
    mark_fresh(state, f"{GROUP}/providers/{ASSIGNMENTS}/{id_of('Reader')}")
    read, write = f"{ML}/jobs/read", f"{ML}/jobs/write"
    assert not is_allowed(state, WHO, write, WORKSPACE), "it would not have passed anyway"
    answers = [is_allowed(state, WHO, read, WORKSPACE) for _ in range(4)]
    assert answers == [False, False, True, True]


def test_a_late_grant_is_not_missed_where_another_one_does(state: State) -> None:
    assign(state, "Contributor", GROUP)
    set_role_delay(state, 1)
    assign(state, "Reader", GROUP)
    mark_fresh(state, f"{GROUP}/providers/{ASSIGNMENTS}/{id_of('Reader')}")
    assert is_allowed(state, WHO, f"{ML}/jobs/read", WORKSPACE)
    set_role_delay(state, 0)
    assert is_allowed(state, WHO, f"{ML}/jobs/read", WORKSPACE)


def test_a_refusal_that_undoes_a_request_still_brings_the_grant_nearer(state: State) -> None:
    set_role_delay(state, 1)
    assign(state, "Reader", GROUP)
    mark_fresh(state, f"{GROUP}/providers/{ASSIGNMENTS}/{id_of('Reader')}")
    with pytest.raises(Refusal), state.transaction():
        require(state, WHO, f"{ML}/jobs/read", WORKSPACE)
    require(state, WHO, f"{ML}/jobs/read", WORKSPACE)


def test_new_grants_are_late_until_the_delay_is_cleared(
    group: Group, azure_folder: Path, acting_as: Callable[[dict[str, Any]], TokenCredential]
) -> None:
    early, late, cleared = (group.identity(name) for name in ("early", "late", "cleared"))
    group.grant(early, "Reader", group.id)
    faults.delay_roles(azure_folder, 2)
    try:
        group.grant(late, "Reader", group.id)
        group.grant(cleared, "Reader", group.id)
        assert Arm(acting_as(early)).get(group.id, API)
        for _ in range(2):
            with pytest.raises(CloudError, match="If access was recently granted"):
                Arm(acting_as(late)).get(group.id, API)
        assert Arm(acting_as(late)).get(group.id, API)
    finally:
        faults.clear(azure_folder)
    assert Arm(acting_as(cleared)).get(group.id, API)
