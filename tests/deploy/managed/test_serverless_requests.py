"""What is sent to Azure for a serverless endpoint, against Azure's published type; and findings."""

import inspect
import re
from types import SimpleNamespace
from typing import Any

import pytest

from core.errors import CloudError
from core.marketplace import needs_subscription, registry_model, subscribe, subscription_name
from core.refs import StackOutputs
from deploy.managed.contract import Hosted, HostedOrder
from deploy.managed.serverless import ServerlessHosting, body, findings

OWN = "azureml://locations/eastus2/workspaces/0a1b/models/travel/versions/2"
PHI = "azureml://registries/azureml/models/Phi-4-mini-instruct"
LLAMA = "azureml://registries/azureml-meta/models/Llama-3.3-70B-Instruct"


def order(**chosen: Any) -> HostedOrder:
    fields: dict[str, Any] = {"name": "travel-0a1b2c", "model": OWN, "sku": "Consumption"}
    return HostedOrder(**{**fields, **chosen})


def hosted(**known: Any) -> Hosted:
    fields: dict[str, Any] = {"name": "travel-0a1b2c", "model": OWN, "state": "Online"}
    return Hosted(**{**fields, "route": "serverless", "serves": "tuned", **known})


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        ({}, ("AAD", "Enabled")),
        ({"auth": "key", "content_safety": False}, ("Key", "Disabled")),
    ],
)
def test_auth_and_content_safety_are_said_outright(
    chosen: dict[str, Any], expected: tuple[str, str]
) -> None:
    properties = body(order(**chosen), "eastus2")["properties"]
    assert properties["authMode"] == expected[0]
    assert properties["contentSafety"] == {"contentSafetyStatus": expected[1]}


def test_the_request_has_what_azures_published_type_has() -> None:
    """Its inputs are those of the unmodified SDK, which is made from Azure's specification."""
    from pulumi_azure_native import machinelearningservices as ml

    sent = body(order(), "eastus2")["properties"]
    for part, arguments in (
        (sent, ml.ServerlessEndpointPropertiesArgs),
        (sent["contentSafety"], ml.ContentSafetyArgs),
        (sent["modelSettings"], ml.ModelSettingsArgs),
    ):
        names = {re.sub(r"([A-Z])", r"_\1", key).lower() for key in part}
        assert names <= set(inspect.signature(arguments.__init__).parameters)
    assert sent["authMode"] in {mode.value for mode in ml.ServerlessInferenceEndpointAuthMode}


@pytest.mark.parametrize("name", ["Phi-4-mini-instruct", PHI, f"{PHI}/versions/1"])
def test_a_base_model_is_named_without_its_version(name: str) -> None:
    sent = body(order(model=name, serves="base"), "eastus2")
    assert sent["properties"]["modelSettings"]["modelId"] == PHI


def test_a_tuned_model_is_named_as_it_is() -> None:
    assert body(order(), "eastus2")["properties"]["modelSettings"]["modelId"] == OWN


@pytest.mark.parametrize(
    ("standing", "told"),
    [
        ([hosted(model=OWN.replace("/2", "/1"))], "tunestack undeploy travel-0a1b2c first"),
        ([hosted(name="other")], "--name other changes it"),
        ([hosted(name="other", model=OWN.replace("0a1b", "ffff"))], "--name other changes it"),
    ],
)
def test_a_taken_name_and_a_second_endpoint_of_a_model_are_found(
    standing: list[Hosted], told: str
) -> None:
    (found,) = findings([order()], standing)
    assert told in found


def test_the_same_order_again_finds_nothing() -> None:
    assert findings([order()], [hosted()]) == []


def test_a_bad_name_is_found() -> None:
    assert "--name 'a_b'" in findings([order(name="a_b")], [])[0]


class Marketplace:
    """Remembers what was subscribed."""

    def __init__(self, *subscribed: str) -> None:
        self.subscribed, self.put_bodies = subscribed, dict[str, Any]()

    def get_list(self, path: str, api_version: str) -> list[dict[str, Any]]:
        state = {"marketplaceSubscriptionStatus": "Subscribed"}
        return [{"properties": {**state, "modelId": one}} for one in self.subscribed]

    def put(self, path: str, api_version: str, body: dict[str, Any]) -> dict[str, Any]:
        self.put_bodies[path] = body
        return body


def test_only_other_makers_models_are_subscribed_and_once() -> None:
    said: list[str] = []
    for arm, model, puts in (
        (Marketplace(), PHI, 0),
        (Marketplace(), LLAMA, 1),
        (Marketplace(LLAMA), LLAMA, 0),
    ):
        subscribe(arm, "/ws", model, said.append)  # type: ignore[arg-type]
        assert len(arm.put_bodies) == puts
    assert "its maker bills" in said[0]


def test_makers_and_names_of_subscriptions() -> None:
    assert registry_model("Llama-3.3-70B-Instruct") == LLAMA
    assert needs_subscription(LLAMA)
    assert not needs_subscription(PHI)
    assert subscription_name(LLAMA) == "tunestack-llama-3-3-70b-instruct"


def test_a_model_that_left_the_service_is_found_with_its_successor() -> None:
    (found,) = findings([order(model="Phi-3-mini-4k-instruct", serves="base")], [])
    assert "left the service on 2025-08-30; instead: Phi-4-mini-instruct" in found


def test_a_name_that_somebody_else_has_is_told_as_that(monkeypatch: pytest.MonkeyPatch) -> None:
    message = "Serverless endpoint name 'travel-0a1b2c' is not available."
    refused = CloudError(message, code="BadRequest", status=400, hint="Request id 1.")

    class Refusing:
        def put(self, path: str, api_version: str, body: dict[str, Any]) -> dict[str, Any]:
            raise refused

    cloud = SimpleNamespace(arm=Refusing())
    with pytest.raises(CloudError) as caught:
        ServerlessHosting(cloud, outputs()).deploy(order(), lambda text: None)  # type: ignore[arg-type]
    assert "Names are unique in eastus2: another --name may do. Request id 1." in caught.value.hint


def test_an_endpoint_that_is_being_made_has_no_address_and_is_not_ready() -> None:
    properties = {
        "provisioningState": "Creating",
        "endpointState": "Creating",
        "authMode": "KeyAndAAD",
        "modelSettings": {"modelId": OWN},
    }
    cloud = SimpleNamespace(
        arm=SimpleNamespace(get_list=lambda path, api: [{"name": "e", "properties": properties}])
    )
    (one,) = ServerlessHosting(cloud, outputs()).deployments()  # type: ignore[arg-type]
    assert (one.url, one.is_ready, one.auth, one.serves) == ("", False, "key", "tuned")


def outputs() -> StackOutputs:
    needed = [name for name, field in StackOutputs.model_fields.items() if field.is_required()]
    return StackOutputs(**{**dict.fromkeys(needed, "x"), "location": "eastus2", "project": "prj"})
