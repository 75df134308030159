"""A Pulumi resource becomes the ARM request that Azure's published types take, and back."""

import json
from pathlib import Path
from typing import Any

import pytest
from fidelity import PAGE, VARIANTS, as_templates, figures, findings, load, sent, shared_azure
from recorded_arm import SUBSCRIPTION

from infra.arm import outputs, request
from infra.arm_types import TYPES
from infra.roles import Role

SHARED = shared_azure()
with_types = pytest.mark.skipif(
    SHARED is None, reason="Azure's published types (../shared/azure) are not here"
)
VAULT = "azure-native:keyvault:Vault"
STORAGE = "azure-native:storage:StorageAccount"
CONTAINER = "azure-native:storage:BlobContainer"
WORKSPACE = "azure-native:machinelearningservices:Workspace"


@with_types
def test_every_body_that_up_sends_passes_azures_published_types(tmp_path: Path) -> None:
    assert SHARED is not None
    rows = as_templates(sent())
    found = findings(SHARED, rows, tmp_path)
    assert found == []
    assert figures(rows, found) in PAGE.read_text()


@with_types
def test_a_wrong_body_does_not_pass(tmp_path: Path) -> None:
    assert SHARED is not None
    row = next(row for row in as_templates(sent(VARIANTS[:1])) if row["type"].endswith("/vaults"))
    row["body"]["properties"]["enableRbacAuthorisation"] = True
    assert [item["code"] for item in findings(SHARED, [row], tmp_path)] == ["unknown-property"]


@with_types
def test_types_versions_and_paths_are_the_sdks() -> None:
    assert SHARED is not None
    rows = json.loads((SHARED / "resources.json").read_text())
    published = {row["token"]: row for row in rows if not row.get("missing")}
    for token, kind in TYPES.items():
        row = published[token]
        assert (kind.arm_type, kind.api_version) == (row["armType"], row["apiVersion"])
        for item in row["inputs"]:
            assert _place(kind, item["wire"]) == item["bodyPath"], (token, item["wire"])


def _place(kind: Any, name: str) -> str:
    if name in kind.path_inputs:
        return "(url)"
    return name if name in kind.top else f"properties.{kind.renames.get(name, name)}"


@with_types
def test_the_bodies_are_those_of_an_independent_converter() -> None:
    assert SHARED is not None
    convert = load(SHARED / "pulumi_to_arm.py").to_arm
    for token, inputs in INPUTS.items():
        ours = request(token, inputs, SUBSCRIPTION)
        theirs = convert(token, inputs, "logical")
        assert (ours.name, ours.body) == (theirs["name"], theirs["body"]), token


@with_types
def test_role_ids_are_the_published_ones() -> None:
    assert SHARED is not None
    published = {
        row["name"].partition(" (was ")[0]: row["id"]
        for row in json.loads((SHARED / "roles.json").read_text())["roles"]
    }
    assert {role.title: role.guid for role in Role}.items() <= published.items()


IDENTITY = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/g/providers/X/y/z"
INPUTS: dict[str, dict[str, Any]] = {
    STORAGE: {
        "accountName": "account1",
        "resourceGroupName": "g",
        "location": "eastus2",
        "kind": "StorageV2",
        "sku": {"name": "Standard_LRS"},
        "enableHttpsTrafficOnly": True,
        "networkRuleSet": {"defaultAction": "Allow"},
        "tags": {"a": "b"},
    },
    CONTAINER: {
        "accountName": "account1",
        "containerName": "data",
        "resourceGroupName": "g",
        "publicAccess": "None",
    },
    VAULT: {
        "vaultName": "vault1",
        "resourceGroupName": "g",
        "location": "eastus2",
        "properties": {"softDeleteRetentionInDays": 7.0, "sku": {"family": "A"}},
    },
    WORKSPACE: {
        "workspaceName": "w",
        "resourceGroupName": "g",
        "location": "eastus2",
        "kind": "Default",
        "identity": {"type": "UserAssigned", "userAssignedIdentities": [IDENTITY]},
        "primaryUserAssignedIdentity": IDENTITY,
        "v1LegacyMode": False,
    },
}


def test_a_path_is_made_of_the_inputs_that_are_not_in_the_body() -> None:
    made = request(CONTAINER, INPUTS[CONTAINER], SUBSCRIPTION)
    assert made.path == (
        f"/subscriptions/{SUBSCRIPTION}/resourceGroups/g/providers/Microsoft.Storage"
        "/storageAccounts/account1/blobServices/default/containers/data"
    )
    assert made.body == {"properties": {"publicAccess": "None"}}


def test_identities_become_a_map_and_whole_numbers_integers() -> None:
    made = request(WORKSPACE, INPUTS[WORKSPACE], SUBSCRIPTION)
    assert made.body["identity"]["userAssignedIdentities"] == {IDENTITY: {}}
    days = request(VAULT, INPUTS[VAULT], SUBSCRIPTION).body["properties"]
    assert days["softDeleteRetentionInDays"] == 7
    assert isinstance(days["softDeleteRetentionInDays"], int)


def test_an_answer_comes_back_under_the_sdks_names() -> None:
    answer = {"id": "/x", "properties": {"supportsHttpsTrafficOnly": True, "creationTime": "t"}}
    back = outputs(STORAGE, answer)
    assert back == {"id": "/x", "enableHttpsTrafficOnly": True, "creationTime": "t"}
    nested = outputs(VAULT, {"id": "/v", "properties": {"vaultUri": "u"}})
    assert nested == {"id": "/v", "properties": {"vaultUri": "u"}}
