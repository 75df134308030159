"""What is sent to Azure for a serverless endpoint, against Azure's published type; and findings."""

import inspect
import re
from types import SimpleNamespace
from typing import Any

import pytest

from core.errors import CloudError, DeploymentFailed
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


def test_a_model_that_left_the_service_is_found_with_its_successor() -> None:
    (found,) = findings([order(model="Phi-3-mini-4k-instruct", serves="base")], [])
    assert "left the service on 2025-08-30; instead: Phi-4-mini-instruct" in found


class Refusing:
    """Remembers the paths that something was put to, and refuses endpoints."""

    def __init__(self, refusal: CloudError) -> None:
        self.refusal, self.paths = refusal, list[str]()

    def get_list(self, path: str, api_version: str) -> list[dict[str, Any]]:
        return []

    def put(self, path: str, api_version: str, body: dict[str, Any]) -> dict[str, Any]:
        self.paths.append("/".join(path.split("/")[-2:]))
        if "/serverlessEndpoints/" in path:
            raise self.refusal
        return body


def refused(arm: Refusing, asked: HostedOrder) -> Exception:
    hosting = ServerlessHosting(SimpleNamespace(arm=arm), outputs())  # type: ignore[arg-type]
    with pytest.raises((CloudError, DeploymentFailed)) as caught:
        hosting.deploy(asked, lambda text: None)
    return caught.value


@pytest.mark.parametrize("status", [400, 409])
def test_a_name_that_somebody_else_has_is_told_as_that(status: int) -> None:
    """By Azure's words: with which status it answers is not known."""
    message = "Serverless endpoint name 'travel-0a1b2c' is not available. Please select another."
    arm = Refusing(CloudError(message, code="UserError", status=status, hint="Request id 1."))
    told = refused(arm, order())
    assert isinstance(told, CloudError) and told.status == status
    assert "Names are unique in eastus2: another --name may do. Request id 1." in told.hint


@pytest.mark.parametrize(
    ("message", "status"),
    [("The endpoint is being deleted.", 409), ("The model is not available in eastus2.", 400)],
)
def test_another_refusal_is_not_taken_for_a_taken_name(message: str, status: int) -> None:
    refusal = CloudError(message, status=status)
    assert refused(Refusing(refusal), order()) is refusal
    assert refusal.__cause__ is None


def test_an_endpoint_that_failed_while_it_was_made_is_to_be_undeployed() -> None:
    told = refused(Refusing(CloudError("No capacity.")), order())
    assert isinstance(told, DeploymentFailed) and "No capacity." in str(told)
    assert "tunestack undeploy travel-0a1b2c" in told.hint


@pytest.mark.parametrize(
    ("chosen", "subscribes"),
    [
        ({"base": "Llama-3.3-70B-Instruct"}, True),
        ({"model": LLAMA, "serves": "base"}, True),
        ({"base": "Phi-4-mini-instruct"}, False),
        ({}, False),
    ],
)
def test_what_another_maker_made_is_subscribed_to_before_it_is_served_tuned_too(
    chosen: dict[str, Any], subscribes: bool
) -> None:
    arm = Refusing(CloudError("enough", status=400))
    refused(arm, order(**chosen))
    bought = ["marketplaceSubscriptions/tunestack-llama-3-3-70b-instruct"] * subscribes
    assert arm.paths == [*bought, "serverlessEndpoints/travel-0a1b2c"]


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
