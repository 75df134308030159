"""Marketplace subscriptions of a project, which models of partners need."""

import os
from collections.abc import Callable
from typing import Any

import pytest
from azure.ai.ml import MLClient
from azure.ai.ml.entities import MarketplaceSubscription
from azure.core.credentials import TokenCredential
from azure.core.exceptions import HttpResponseError
from azure.identity import DefaultAzureCredential
from azure_group import API
from hub_project import MINISTRAL, PHI, Project, chats

from core.errors import CloudError
from core.marketplace import ON_GROUP, ON_SUBSCRIPTION


def subscribe(client: MLClient, name: str, model: str) -> MarketplaceSubscription:
    asked = MarketplaceSubscription(name=name, model_id=model)
    return client.marketplace_subscriptions.begin_create_or_update(asked).result()


def state_of(project: Project, name: str) -> str:
    found = project.group.arm.get(f"{project.id}/serverlessEndpoints/{name}", API) or {}
    return str(found["properties"]["endpointState"])


def test_a_partners_model_is_tuned_and_served_under_a_subscription_alone(project: Project) -> None:
    with pytest.raises(CloudError, match="no marketplace subscription to"):
        project.put_endpoint("ministral", MINISTRAL)
    made = subscribe(project.ml, "ministral-sub", MINISTRAL)
    assert (made.status, made.provisioning_state) == ("subscribed", "succeeded")
    assert made.marketplace_plan is not None
    assert made.marketplace_plan.offer_id == "ministral-3b-offer"
    listed = [one.name for one in project.ml.marketplace_subscriptions.list()]
    assert listed == ["ministral-sub"]
    assert project.ml.marketplace_subscriptions.get("ministral-sub").model_id == MINISTRAL
    train = project.file("ministral.jsonl", chats(4))
    name = project.submit("ministral-tuned", train, base=f"{MINISTRAL}/versions/1")
    answer = project.put_endpoint("ministral", MINISTRAL)
    assert answer["properties"]["marketplaceSubscriptionId"] == made.id
    assert state_of(project, "ministral") == "Online"
    key = str(project.ml.serverless_endpoints.get_keys("ministral").primary_key)

    def ask() -> int:
        body = {"messages": [{"role": "user", "content": "x"}]}
        url = f"{answer['properties']['inferenceEndpoint']['uri']}/v1/chat/completions"
        with project.http() as client:
            return client.post(url, json=body, headers={"api-key": key}).status_code

    assert ask() == 200
    project.ml.marketplace_subscriptions.begin_delete("ministral-sub").result()
    assert state_of(project, "ministral") == "Suspended"
    assert ask() == 403
    assert project.until(name).status == "Completed"
    with pytest.raises(CloudError, match="no marketplace subscription to"):
        project.put_endpoint("ministral-t", project.model_id("ministral-tuned"))
    project.delete_endpoint("ministral")


def test_a_subscription_that_is_not_needed_or_there_already_is_refused(project: Project) -> None:
    for model, told in (
        (PHI, "is not required for the model"),
        ("azureml://registries/azureml-deepseek/models/DeepSeek-V3-0324", "is not required"),
        (f"{MINISTRAL}/versions/1", "without its version"),
        ("azureml://registries/azureml-meta/models/Llama-9", "is no model of a registry"),
    ):
        with pytest.raises(HttpResponseError, match=told):
            subscribe(project.ml, "not-needed", model)
    subscribe(project.ml, "first", MINISTRAL)
    for name in ("first", "second"):
        with pytest.raises(HttpResponseError, match="already has a marketplace subscription"):
            subscribe(project.ml, name, MINISTRAL)
    project.ml.marketplace_subscriptions.begin_delete("first").result()
    with pytest.raises(HttpResponseError, match="was not found"):
        project.ml.marketplace_subscriptions.get("first")


def test_subscribing_takes_the_rights_to_buy_and_names_those_that_lack(
    project: Project, acting_as: Callable[[dict[str, Any]], TokenCredential]
) -> None:
    developer = project.group.identity("buyer")
    project.group.grant(developer, "Azure AI Developer", project.id)
    client = MLClient(
        acting_as(developer),
        os.environ["AZURE_SUBSCRIPTION_ID"],
        project.group.name,
        "project",
        enable_telemetry=False,
    )
    with pytest.raises(HttpResponseError) as caught:
        subscribe(client, "bought", MINISTRAL)
    assert caught.value.status_code == 403
    for action in (*ON_SUBSCRIPTION, *ON_GROUP):
        assert action in str(caught.value)
    project.group.grant(developer, "Contributor", project.group.id)
    with pytest.raises(HttpResponseError) as caught:
        subscribe(client, "bought", MINISTRAL)
    assert ON_SUBSCRIPTION[-1] in str(caught.value)
    assert ON_GROUP[0] not in str(caught.value)


def test_a_registry_names_the_newest_version_and_where_it_is_tuned(project: Project) -> None:
    credential = DefaultAzureCredential()
    registry = MLClient(credential, registry_name="azureml", enable_telemetry=False)
    found = registry.models.get("Phi-4-mini-instruct", label="latest")
    assert found.id == f"{PHI}/versions/1"
    assert "eastus2" in found.tags["maas-finetuning-deploy-regions"]
    with pytest.raises(HttpResponseError, match="has no model 'Phi-9'"):
        registry.models.get("Phi-9", version="1")
    with pytest.raises(HttpResponseError, match="no registry"):
        MLClient(credential, registry_name="nobodys", enable_telemetry=False)
