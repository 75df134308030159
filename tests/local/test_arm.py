"""ARM through the SDK's pipeline: order, names, what Azure computes, grants, teardown."""

import uuid
from pathlib import Path
from typing import Any

import pytest
from azure_group import API, WORKSPACES, Group, workspace_body

from core.arm import Arm
from core.errors import CloudError
from local.process import LocalAzure, status

ACCOUNTS = "Microsoft.Storage/storageAccounts"
IDENTITIES = "Microsoft.ManagedIdentity/userAssignedIdentities"


def test_the_stack_is_made_with_what_azure_computes(
    group: Group, parts: dict[str, dict[str, Any]]
) -> None:
    properties = {name: part["properties"] for name, part in parts.items()}
    assert parts["storageAccount"]["properties"]["primaryEndpoints"]["blob"] == (
        f"https://{group.unique}.blob.core.windows.net/"
    )
    assert properties["keyVault"]["vaultUri"] == f"https://{group.name}-kv.vault.azure.net/"
    assert properties["containerRegistry"]["loginServer"] == f"{group.unique}.azurecr.io"
    uuid.UUID(properties["logs"]["customerId"])
    key = properties["applicationInsights"]["InstrumentationKey"]
    connection = properties["applicationInsights"]["ConnectionString"]
    assert connection.startswith(f"InstrumentationKey={key};IngestionEndpoint=https://eastus2-")
    uuid.UUID(properties["identity"]["clientId"])


def test_a_workspace_comes_with_its_datastores_and_their_containers(
    group: Group, parts: dict[str, dict[str, Any]]
) -> None:
    workspace = group.put(f"{WORKSPACES}/main", workspace_body(parts))
    assert workspace["properties"]["provisioningState"] == "Succeeded"
    assert workspace["properties"]["discoveryUrl"] == "https://eastus2.api.azureml.ms/discovery"
    stores = group.arm.get(f"{workspace['id']}/datastores", API)
    assert stores is not None
    blob_container = f"azureml-blobstore-{workspace['properties']['workspaceId']}"
    assert {s["name"]: s["properties"]["containerName"] for s in stores["value"]} == {
        "workspaceblobstore": blob_container,
        "workspaceartifactstore": "azureml",
    }
    account = parts["storageAccount"]["id"]
    containers = group.arm.get(f"{account}/blobServices/default/containers", API)
    assert containers is not None
    assert {c["name"] for c in containers["value"]} == {blob_container, "azureml"}


NEEDED = [
    ("Contributor", "storageAccount", "Microsoft.Storage/storageAccounts/write"),
    ("Contributor", "keyVault", "Microsoft.KeyVault/vaults/write"),
    ("Contributor", "applicationInsights", "Microsoft.Insights/components/write"),
    ("Contributor", "containerRegistry", "registries/push/write"),
    ("Key Vault Administrator", "keyVault", "secrets/setSecret/action"),
    ("Storage Blob Data Contributor", "storageAccount", "containers/blobs/write"),
]


def test_a_workspace_whose_identity_lacks_a_grant_names_it(
    group: Group, parts: dict[str, dict[str, Any]]
) -> None:
    for role, part, missed in NEEDED:
        scope = parts[part]["id"]
        group.arm.delete(group.grant(parts["identity"], role, scope)["id"], API)
        with pytest.raises(CloudError, match=missed) as caught:
            group.put(f"{WORKSPACES}/main", workspace_body(parts))
        assert caught.value.status == 403
        assert scope in str(caught.value)
        assert group.arm.get(group.path(f"{WORKSPACES}/main"), API) is None
        group.grant(parts["identity"], role, scope)
    assert group.put(f"{WORKSPACES}/main", workspace_body(parts))


def test_a_cluster_needs_its_workspace_size_and_identity(
    group: Group, parts: dict[str, dict[str, Any]]
) -> None:
    cluster: dict[str, Any] = {
        "identity": {
            "type": "UserAssigned",
            "userAssignedIdentities": {parts["identity"]["id"] + "-not": {}},
        },
        "properties": {
            "computeType": "AmlCompute",
            "properties": {"scaleSettings": {"maxNodeCount": 1, "minNodeCount": 0}},
        },
    }
    rest = f"{WORKSPACES}/main/computes/gpu"
    with pytest.raises(CloudError, match="ParentResourceNotFound"):
        group.put(rest, cluster)
    group.put(f"{WORKSPACES}/main", workspace_body(parts))
    with pytest.raises(CloudError, match=r"workspace-id-not.*was not found"):
        group.put(rest, cluster)
    cluster["identity"]["userAssignedIdentities"] = {parts["identity"]["id"]: {}}
    with pytest.raises(CloudError, match="vmSize"):
        group.put(rest, cluster)
    cluster["properties"]["properties"]["vmSize"] = "Standard_E4s_v3"
    with pytest.raises(CloudError, match=r"workspace-id.*computes/write"):
        group.put(rest, cluster)
    group.grant(parts["identity"], "Contributor", group.path(f"{WORKSPACES}/main"))
    made = group.put(rest, cluster)
    assert made["properties"]["provisioningState"] == "Succeeded"
    assert made["properties"]["properties"]["currentNodeCount"] == 0
    with pytest.raises(CloudError, match="underlyingResourceAction"):
        group.arm.delete(group.path(rest), API)
    assert group.arm.delete(group.path(f"{rest}?underlyingResourceAction=Delete"), API)


def test_a_second_put_changes_nothing_that_azure_computed(group: Group) -> None:
    first = group.identity("same")
    assert group.identity("same") == first
    account = group.storage(minimumTlsVersion="TLS1_2")
    changed = group.storage(minimumTlsVersion="TLS1_2", allowSharedKeyAccess=False)
    assert changed["properties"]["allowSharedKeyAccess"] is False
    assert changed["properties"]["creationTime"] == account["properties"]["creationTime"]


def test_a_new_identity_of_the_same_name_is_somebody_else(group: Group) -> None:
    first = group.identity("again")
    group.grant(first, "Reader", group.id)
    assert group.arm.delete(first["id"], API)
    second = group.identity("again")
    assert second["properties"]["principalId"] != first["properties"]["principalId"]


def test_creation_advances_by_polls(group: Group) -> None:
    import httpx
    from azure.core.rest import HttpRequest

    arm: Any = group.arm
    path = group.path(f"{ACCOUNTS}/{group.unique}")
    body = {"location": "East US 2", "kind": "StorageV2", "sku": {"name": "Standard_LRS"}}
    answer = arm._client.send_request(
        HttpRequest("PUT", f"https://management.azure.com{path}?api-version={API}", json=body)
    )
    assert answer.status_code == 201
    assert answer.json()["properties"]["provisioningState"] == "Creating"
    assert answer.json()["location"] == "eastus2"
    assert answer.headers["retry-after-ms"] == "100"
    poll = httpx.URL(answer.headers["Azure-AsyncOperation"])
    states = [
        arm._client.send_request(HttpRequest("GET", str(poll))).json()["status"] for _ in range(3)
    ]
    assert states == ["InProgress", "Succeeded", "Succeeded"]
    assert arm.get(path, API)["properties"]["provisioningState"] == "Succeeded"


@pytest.mark.parametrize(
    ("rest", "body", "code"),
    [
        (f"{ACCOUNTS}/UPPER", {"kind": "StorageV2", "sku": {"name": "x"}}, "AccountNameInvalid"),
        (f"{ACCOUNTS}/nosku123", {"kind": "StorageV2"}, "InvalidRequestContent"),
        (f"{ACCOUNTS}/none123/blobServices/default", {}, "ParentResourceNotFound"),
        ("Microsoft.KeyVault/vaults/1-starts-with-digit", {}, "VaultNameNotValid"),
        (
            "Microsoft.Insights/components/i",
            {
                "kind": "web",
                "properties": {"Application_Type": "web", "WorkspaceResourceId": "/not/there"},
            },
            "LinkedResourceNotFound",
        ),
        ("Microsoft.ContainerRegistry/registries/a-b-c-d", {"sku": {"name": "Basic"}}, "Invalid"),
        (f"{IDENTITIES}/nowhere", {"location": ""}, "LocationRequired"),
        (f"{WORKSPACES}/main", {"properties": {}}, "Missing dependent resources"),
    ],
)
def test_a_bad_body_or_name_is_refused(
    group: Group, rest: str, body: dict[str, Any], code: str
) -> None:
    with pytest.raises(CloudError, match=code):
        group.put(rest, body)
    assert group.arm.get(group.path(rest), API) is None


def test_a_group_must_be_there_first(arm: Arm, group: Group) -> None:
    nowhere = Group(arm, f"{group.id}-not-there")
    with pytest.raises(CloudError, match="ResourceGroupNotFound") as caught:
        nowhere.identity("some")
    assert caught.value.status == 404


def test_locations_do_not_change(group: Group) -> None:
    group.identity("here")
    with pytest.raises(CloudError, match="InvalidResourceLocation"):
        group.put(f"{IDENTITIES}/here", {"location": "westus"})
    with pytest.raises(CloudError, match="InvalidResourceGroupLocation"):
        group.arm.put(group.id, API, {"location": "westus"})


def test_an_account_s_name_is_taken_everywhere(arm: Arm, group: Group) -> None:
    group.storage()
    other = Group(arm, f"{group.id}-other")
    arm.put(other.id, API, {"location": "eastus2"})
    body = {"kind": "StorageV2", "sku": {"name": "Standard_LRS"}}
    with pytest.raises(CloudError, match="StorageAccountAlreadyTaken"):
        other.put(f"{ACCOUNTS}/{group.unique}", body)
    arm.delete(other.id, API)


def test_grants_are_checked_as_azure_does(group: Group) -> None:
    identity = group.identity("granted")
    grant = group.grant(identity, "Reader", group.id)
    assert grant["properties"]["scope"] == group.id
    base = f"{group.id}/providers/Microsoft.Authorization/roleAssignments"
    same = {"properties": {**grant["properties"]}}

    def refused(id: str, **changes: str) -> str:
        body = {"properties": {**same["properties"], **changes}}
        with pytest.raises(CloudError) as caught:
            group.arm.put(f"{base}/{id}", API, body)
        return caught.value.code

    fresh = str(uuid.uuid4())
    assert refused(fresh) == "RoleAssignmentExists"
    assert refused("not-a-guid") == "InvalidRoleAssignmentId"
    assert refused(fresh, principalId=fresh) == "PrincipalNotFound"
    assert refused(fresh, principalType="User") == "UnmatchedPrincipalType"
    assert refused(fresh, roleDefinitionId=fresh) == "RoleDefinitionDoesNotExist"
    person = refused(
        grant["name"], principalId=group.identity("other")["properties"]["principalId"]
    )
    assert person == "RoleAssignmentUpdateNotPermitted"
    assert group.arm.put(grant["id"], API, same)["id"] == grant["id"]
    found = group.arm.get(f"{base}?$filter=atScope()", API)
    assert found is not None
    assert grant["name"] in {item["name"] for item in found["value"]}


def test_resources_are_found_by_tag(group: Group) -> None:
    tagged = group.put(f"{IDENTITIES}/tagged", {"tags": {"stack": "it's"}})
    group.identity("plain")
    query = "?$filter=tagName eq 'stack' and tagValue eq 'it''s'"
    found = group.arm.get(f"{group.id}/resources{query}", API)
    assert found is not None
    assert [item["id"] for item in found["value"]] == [tagged["id"]]
    everything = group.arm.get(f"{group.id}/resources", API)
    assert everything is not None
    assert len(everything["value"]) == 2


def test_providers_are_listed_and_registered(arm: Arm, group: Group) -> None:
    base = group.id.rpartition("/resourceGroups/")[0]
    provider = arm.get(f"{base}/providers/Microsoft.Storage", API)
    assert provider is not None
    assert provider["registrationState"] == "Registered"
    assert arm.post(f"{base}/providers/microsoft.storage/register", API) == provider
    listed = arm.get("/subscriptions", API)
    assert listed is not None
    assert [item["id"] for item in listed["value"]] == [base]


def test_a_deleted_group_leaves_nothing(
    local_azure: LocalAzure, azure_folder: Path, arm: Arm, group: Group
) -> None:
    before = status(azure_folder)
    other = Group(arm, f"{group.id}-gone")
    arm.put(other.id, API, {"location": "eastus2"})
    account = other.storage()
    identity = other.identity("gone")
    other.grant(identity, "Reader", account["id"])
    arm.put(f"{account['id']}/blobServices/default/containers/box", API, {})
    folder = azure_folder / "blobs" / other.unique / "box"
    assert folder.is_dir()
    assert arm.delete(other.id, API)
    assert not folder.parent.exists()
    assert status(azure_folder) == before
    assert arm.get(other.id, API) is None
    assert not arm.delete(other.id, API)
