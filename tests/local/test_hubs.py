"""Hubs, projects and connections: what they need of each other, and through azure-ai-ml."""

import os
from collections.abc import Callable
from typing import Any

import pytest
from azure.core.credentials import TokenCredential
from azure_group import API, Group

from core.arm import Arm
from core.errors import CloudError

WORKSPACES = "Microsoft.MachineLearningServices/workspaces"
ACCOUNTS = "Microsoft.CognitiveServices/accounts"
OWN = {"type": "SystemAssigned"}


def refusal(make: Callable[[], Any]) -> CloudError:
    with pytest.raises(CloudError) as caught:
        make()
    return caught.value


def hub(group: Group, **more: Any) -> dict[str, Any]:
    body = {"kind": "Hub", "identity": OWN, "properties": {"storageAccount": storage(group)}}
    return group.put(f"{WORKSPACES}/hub", {**body, **more})


def storage(group: Group) -> str:
    return str(group.storage(allowSharedKeyAccess=False)["id"])


def project(group: Group, name: str = "project", **properties: Any) -> dict[str, Any]:
    asked = {"hubResourceId": group.path(f"{WORKSPACES}/hub"), **properties}
    body = {"kind": "Project", "identity": OWN, "properties": asked}
    return group.put(f"{WORKSPACES}/{name}", body)


def account(group: Group) -> dict[str, Any]:
    return group.put(
        f"{ACCOUNTS}/{group.name}-ai",
        {"kind": "AIServices", "sku": {"name": "S0"}, "properties": {"disableLocalAuth": True}},
    )


def connection(group: Group, **properties: Any) -> dict[str, Any]:
    asked = {
        "category": "AIServices",
        "authType": "AAD",
        "target": f"https://{group.name}.cognitiveservices.azure.com/",
        "isSharedToAll": True,
        "metadata": {"ApiType": "Azure", "ResourceId": account(group)["id"]},
        **properties,
    }
    path = group.path(f"{WORKSPACES}/hub/connections/ai-services")
    return group.arm.put(path, API, {"properties": asked})


def test_a_project_takes_over_its_hubs_stores_and_keeps_data_of_its_own(group: Group) -> None:
    made, joined = hub(group), project(group)
    properties = joined["properties"]
    assert properties["storageAccount"] == made["properties"]["storageAccount"]
    assert properties["workspaceId"] != made["properties"]["workspaceId"]
    stores = group.arm.get(f"{joined['id']}/datastores", API)
    assert stores is not None
    containers = {one["properties"]["containerName"] for one in stores["value"]}
    assert f"azureml-blobstore-{properties['workspaceId']}" in containers
    assert project(group)["properties"]["workspaceId"] == properties["workspaceId"]


def test_a_project_in_a_hub_that_is_not_there_or_is_none_is_refused(group: Group) -> None:
    assert refusal(lambda: project(group)).code == "LinkedResourceNotFound"
    hub(group)
    project(group)
    inner = group.path(f"{WORKSPACES}/project")
    assert "is no hub" in str(refusal(lambda: project(group, "other", hubResourceId=inner)))
    nowhere = {"kind": "Project", "identity": OWN, "properties": {}}
    assert "hubResourceId" in str(refusal(lambda: group.put(f"{WORKSPACES}/other", nowhere)))


def test_a_project_brings_no_stores_and_moves_to_no_other_hub(group: Group) -> None:
    hub(group)
    assert "none of its own" in str(refusal(lambda: project(group, storageAccount=storage(group))))
    project(group)
    body = {"kind": "Hub", "identity": OWN, "properties": {"storageAccount": storage(group)}}
    other = group.put(f"{WORKSPACES}/other-hub", body)
    moved = refusal(lambda: project(group, hubResourceId=other["id"]))
    assert (moved.status, moved.code) == (409, "PropertyChangeNotAllowed")
    assert refusal(lambda: hub(group, kind="Default")).status in (400, 409)


def test_a_hub_with_projects_stays_until_they_are_gone(group: Group) -> None:
    made, joined = hub(group), project(group)
    refused = refusal(lambda: group.arm.delete(made["id"], API))
    assert refused.status == 409
    assert joined["id"] in str(refused)
    assert group.arm.delete(f"{joined['id']}?forceToPurge=true", API)
    assert group.arm.delete(f"{made['id']}?forceToPurge=true", API)
    assert hub(group)["properties"]["workspaceId"] != made["properties"]["workspaceId"]


def test_hub_and_project_are_held_like_any_workspace(group: Group) -> None:
    made, joined = hub(group), project(group)
    group.arm.delete(joined["id"], API)
    assert "Soft-deleted workspace exists" in str(refusal(lambda: project(group)))
    assert group.arm.delete(f"{joined['id']}?forceToPurge=true", API)
    group.arm.delete(made["id"], API)
    assert "Soft-deleted workspace exists" in str(refusal(lambda: hub(group)))


def test_joining_a_hub_takes_the_right_to(
    group: Group, acting_as: Callable[[dict[str, Any]], TokenCredential]
) -> None:
    made, joiner = hub(group), group.identity("joiner")
    other = Group(group.arm, f"{group.id}-projects")
    other.arm.put(other.id, API, {"location": "eastus2"})
    other.grant(joiner, "Contributor", other.id)
    theirs = Group(Arm(acting_as(joiner)), other.id)
    refused = refusal(lambda: project(theirs, hubResourceId=made["id"]))
    assert refused.status == 403
    assert "hubs/join/action" in str(refused)
    group.grant(joiner, "Azure AI Developer", made["id"])
    assert project(theirs, hubResourceId=made["id"])["kind"] == "Project"
    other.arm.delete(other.id, API)


def test_a_developer_connects_and_may_not_change_the_hub(
    group: Group, acting_as: Callable[[dict[str, Any]], TokenCredential]
) -> None:
    made = hub(group)
    connection(group)
    person = group.identity("developer")
    group.grant(person, "Azure AI Developer", made["id"])
    arm = Arm(acting_as(person))
    shared = arm.get(f"{made['id']}/connections/ai-services", API)
    assert shared is not None
    path = f"{made['id']}/connections/again"
    assert arm.put(path, API, {"properties": shared["properties"]})["name"] == "again"
    refused = refusal(lambda: arm.delete(made["id"], API))
    assert (refused.status, refused.code) == (403, "AuthorizationFailed")


def test_a_connection_shows_no_secret_and_leads_to_an_account_that_exists(group: Group) -> None:
    made = hub(group)
    shown = connection(group)["properties"]
    assert shown["createdByWorkspaceArmId"] == made["id"]
    key = {"credentials": {"key": "a-secret"}, "authType": "ApiKey"}
    assert "credentials" not in connection(group, **key)["properties"]
    assert "not played" in str(refusal(lambda: connection(group, authType="OAuth2")))
    missing = {"metadata": {"ResourceId": group.path(f"{ACCOUNTS}/none")}}
    assert "does not exist" in str(refusal(lambda: connection(group, **missing)))


def test_azure_ai_ml_reads_hub_project_and_connection(group: Group) -> None:
    from azure.ai.ml import MLClient
    from azure.ai.ml.entities import AzureAIServicesConnection, Hub, Project
    from azure.identity import DefaultAzureCredential

    made = hub(group)
    project(group)
    connection(group)
    client = MLClient(
        DefaultAzureCredential(), os.environ["AZURE_SUBSCRIPTION_ID"], group.name, "hub"
    )
    assert isinstance(client.workspaces.get("hub"), Hub)
    joined = client.workspaces.get("project")
    assert isinstance(joined, Project)
    assert joined.hub_id == made["id"]
    found = client.connections.get("ai-services", populate_secrets=False)
    assert isinstance(found, AzureAIServicesConnection)
    assert found.ai_services_resource_id == group.path(f"{ACCOUNTS}/{group.name}-ai")
    assert [one.name for one in client.connections.list()] == ["ai-services"]
