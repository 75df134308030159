"""An endpoint of a stack with monitoring is watched from its first moment to its last."""

import os
from collections.abc import Iterator
from typing import Any

import pytest

from core.cloud import Cloud
from core.errors import CloudError
from core.refs import ModelRef, StackOutputs
from core.settings import Settings
from core.watching import diagnostic_settings, metric_alerts
from deploy.endpoint import endpoint_name, ensure_endpoint, undeploy
from deploy.releasing.deployment import REQUEST_SECONDS
from deploy.releasing.order import DeployOrder
from deploy.releasing.rollout import deploy
from deploy.upkeep.alerts import LATENCY_MS, endpoint_id, requests, unwatch, watch
from local.process import LocalAzure

SETTINGS_API = "2021-05-01-preview"
ALERTS_API = "2018-03-01"


def silent(text: str) -> None:
    """Take no notice of progress."""


@pytest.fixture(scope="module")
def cloud(local_azure: LocalAzure) -> Cloud:
    return Cloud.sign_in(os.environ["AZURE_SUBSCRIPTION_ID"])


@pytest.fixture(scope="module")
def outputs(cloud: Cloud, tmp_path_factory: pytest.TempPathFactory) -> Iterator[StackOutputs]:
    """A stack of its own, with monitoring."""
    from infra.in_process.engine import InProcess

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TUNESTACK_HOME", str(tmp_path_factory.mktemp("home")))
        settings = Settings(
            compute="cpu",
            person_type="ServicePrincipal",
            monitoring=True,
            alert_emails=("nlp@example.com",),
            tags={"team": "nlp"},
        )
        engine = InProcess("alerts", settings, cloud)
        yield engine.up(lambda event: None)
        engine.destroy(lambda event: None)


@pytest.fixture
def endpoint(cloud: Cloud, outputs: StackOutputs) -> Iterator[str]:
    name = ensure_endpoint(cloud, outputs, silent)
    yield name
    undeploy(cloud, outputs)


def watching(cloud: Cloud, outputs: StackOutputs) -> list[str]:
    id = endpoint_id(outputs, endpoint_name(outputs))
    return [*diagnostic_settings(cloud.arm, id), *metric_alerts(cloud.arm, id)]


def alert(cloud: Cloud, outputs: StackOutputs, name: str) -> dict[str, Any]:
    found = metric_alerts(cloud.arm, endpoint_id(outputs, endpoint_name(outputs)))
    (id,) = (id for id in found if id.endswith(name))
    return cloud.arm.get(id, ALERTS_API) or {}


def test_console_traffic_and_events_go_to_the_stacks_logs(
    cloud: Cloud, outputs: StackOutputs, endpoint: str
) -> None:
    watch(cloud.arm, outputs, endpoint, silent)
    (id,) = diagnostic_settings(cloud.arm, endpoint_id(outputs, endpoint))
    setting = (cloud.arm.get(id, SETTINGS_API) or {})["properties"]
    assert setting["workspaceId"] == outputs.endpoint_logs
    assert {log["category"] for log in setting["logs"] if log["enabled"]} == {
        "AmlOnlineEndpointConsoleLog",
        "AmlOnlineEndpointTrafficLog",
        "AmlOnlineEndpointEventLog",
    }


def test_one_server_error_in_five_minutes_is_mailed(
    cloud: Cloud, outputs: StackOutputs, endpoint: str
) -> None:
    watch(cloud.arm, outputs, endpoint, silent)
    properties = alert(cloud, outputs, "-errors")["properties"]
    (criterion,) = properties["criteria"]["allOf"]
    (dimension,) = criterion["dimensions"]
    assert (criterion["metricName"], dimension["name"]) == ("RequestsPerMinute", "statusCodeClass")
    assert (dimension["operator"], dimension["values"]) == ("Include", ["5xx"])
    assert (criterion["operator"], criterion["threshold"]) == ("GreaterThan", 0)
    assert properties["windowSize"] == "PT5M"
    assert properties["actions"] == [{"actionGroupId": outputs.alert_group}]
    assert properties["enabled"] is True


def test_slow_answers_are_mailed_before_requests_are_cut_off(
    cloud: Cloud, outputs: StackOutputs, endpoint: str
) -> None:
    watch(cloud.arm, outputs, endpoint, silent)
    (criterion,) = alert(cloud, outputs, "-latency")["properties"]["criteria"]["allOf"]
    assert (criterion["metricName"], criterion["threshold"]) == ("RequestLatency_P95", LATENCY_MS)
    assert 0 < LATENCY_MS < REQUEST_SECONDS * 1000


def test_alerts_carry_the_stacks_tags_so_that_the_stack_finds_them(
    cloud: Cloud, outputs: StackOutputs, endpoint: str
) -> None:
    watch(cloud.arm, outputs, endpoint, silent)
    for name in ("-errors", "-latency"):
        tags = alert(cloud, outputs, name)["tags"]
        assert tags == {"team": "nlp", "tunestack-stack": "alerts"}


def test_watched_twice_it_is_watched_once(
    cloud: Cloud, outputs: StackOutputs, endpoint: str
) -> None:
    watch(cloud.arm, outputs, endpoint, silent)
    first = watching(cloud, outputs)
    watch(cloud.arm, outputs, endpoint, silent)
    assert watching(cloud, outputs) == first
    assert len(first) == 3


def test_an_endpoint_is_watched_before_anything_is_deployed_on_it(
    cloud: Cloud, outputs: StackOutputs, endpoint: str, model: ModelRef
) -> None:
    with pytest.raises(CloudError, match="Standard_none"):
        deploy(cloud, outputs, DeployOrder(model, "Standard_none"))
    assert len(watching(cloud, outputs)) == 3


def test_with_the_endpoint_goes_what_watches_it(
    cloud: Cloud, outputs: StackOutputs, endpoint: str
) -> None:
    watch(cloud.arm, outputs, endpoint, silent)
    ids = watching(cloud, outputs)
    assert undeploy(cloud, outputs)
    assert [cloud.arm.get(id, ALERTS_API) for id in ids] == [None] * 3


def test_alerts_of_other_resources_stay(cloud: Cloud, outputs: StackOutputs, endpoint: str) -> None:
    watch(cloud.arm, outputs, endpoint, silent)
    mine = requests(outputs, endpoint, {})[1]
    workspace = endpoint_id(outputs, endpoint).partition("/onlineEndpoints/")[0]
    body = {**mine.body, "properties": {**mine.body["properties"], "scopes": [workspace]}}
    own = f"{mine.path.rpartition('/')[0]}/of-my-own"
    cloud.arm.put(own, ALERTS_API, body)
    unwatch(cloud.arm, outputs, endpoint)
    assert cloud.arm.get(own, ALERTS_API) is not None
    cloud.arm.delete(own, ALERTS_API)


def test_where_monitoring_was_switched_off_the_next_deploy_takes_it_off(
    cloud: Cloud, outputs: StackOutputs, endpoint: str
) -> None:
    watch(cloud.arm, outputs, endpoint, silent)
    off = outputs.model_copy(update={"endpoint_logs": "", "alert_group": ""})
    watch(cloud.arm, off, endpoint, silent)
    assert watching(cloud, outputs) == []


@pytest.mark.parametrize("misspelt", ["RequestsPerSecond", "requestLatencyP95"])
def test_a_metric_that_azure_does_not_have_would_be_refused(
    cloud: Cloud, outputs: StackOutputs, endpoint: str, misspelt: str
) -> None:
    put = requests(outputs, endpoint, {})[1]
    put.body["properties"]["criteria"]["allOf"][0]["metricName"] = misspelt
    with pytest.raises(CloudError, match=f"Couldn't find a metric named {misspelt}"):
        cloud.arm.put(put.path, put.api_version, put.body)


def test_a_log_that_azure_does_not_have_would_be_refused(
    cloud: Cloud, outputs: StackOutputs, endpoint: str
) -> None:
    put = requests(outputs, endpoint, {})[0]
    put.body["properties"]["logs"][0]["category"] = "AmlOnlineEndpointLog"
    with pytest.raises(CloudError, match="'AmlOnlineEndpointLog' is not supported"):
        cloud.arm.put(put.path, put.api_version, put.body)


def test_without_addresses_alerts_show_in_azure_alone(outputs: StackOutputs) -> None:
    quiet = outputs.model_copy(update={"alert_group": ""})
    for one in requests(quiet, "talks", {})[1:]:
        assert one.body["properties"]["actions"] == []


class Refusing:
    """An ARM that lets nobody read."""

    def get_list(self, path: str, api_version: str) -> list[dict[str, Any]]:
        raise CloudError("no", code="AuthorizationFailed", status=403)


def test_who_may_not_read_alerts_still_deploys_where_there_is_no_monitoring(
    outputs: StackOutputs,
) -> None:
    off = outputs.model_copy(update={"endpoint_logs": "", "alert_group": ""})
    watch(Refusing(), off, "talks", silent)  # type: ignore[arg-type]
    with pytest.raises(CloudError):
        unwatch(Refusing(), outputs, "talks")  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def model(
    cloud: Cloud, outputs: StackOutputs, tmp_path_factory: pytest.TempPathFactory
) -> ModelRef:
    from azure.ai.ml.entities import Model

    folder = tmp_path_factory.mktemp("model")
    (folder / "word.txt").write_text("one")
    asset = Model(name="watched", path=str(folder), type="custom_model")
    made = cloud.workspace(outputs).models.create_or_update(asset)
    return ModelRef(name=str(made.name), version=str(made.version))
