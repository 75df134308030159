"""A deployment is scaled between its bounds, and what scales it goes with it.

The local Azure keeps and checks the setting; that Azure adds an instance was never seen.
"""

import inspect
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psutil
import pytest

from core.cloud import Cloud
from core.companions import SCALING, SCALING_API, scaling_settings
from core.errors import CloudError, SettingsError, UserError
from core.refs import ModelRef, StackOutputs
from deploy.endpoint import find, undeploy
from deploy.releasing.order import DeployOrder
from deploy.releasing.rollout import deploy
from deploy.upkeep.alerts import endpoint_id
from deploy.upkeep.autoscale import (
    IN_BELOW,
    OUT_ABOVE,
    Scaling,
    check_scaling,
    clear_scaling,
    deployment_id,
    drop_orphans,
    read_scaling,
    request,
    set_scaling,
)
from deploy.upkeep.expiry import read_expiry, set_expiry
from deploy.upkeep.moments import parse_expiry
from local import clock

PROGRAM = Path(__file__).parent / "quick_serving"
SIZE = "Standard_E4s_v3"


def ignore(text: str) -> None:
    """Take no notice of progress."""


@pytest.mark.parametrize(
    ("low", "high", "reason"), [(0, 2, "cannot scale to zero"), (3, 2, "for example 5")]
)
def test_bounds_that_make_no_sense_are_refused(low: int, high: int, reason: str) -> None:
    with pytest.raises(SettingsError, match=reason):
        check_scaling(low, high)


@pytest.fixture
def cloud(timed_stack: tuple[Cloud, StackOutputs]) -> Cloud:
    return timed_stack[0]


@pytest.fixture
def outputs(timed_stack: tuple[Cloud, StackOutputs]) -> StackOutputs:
    return timed_stack[1]


@pytest.fixture
def served(cloud: Cloud, outputs: StackOutputs, tmp_path: Path) -> Iterator[tuple[str, str]]:
    """Serve a model with a real process; give the names of endpoint and deployment."""
    from azure.ai.ml.entities import Model

    (tmp_path / "word.txt").write_text("one")
    asset = Model(name="scaled", path=str(tmp_path), type="custom_model")
    made = cloud.workspace(outputs).models.create_or_update(asset)
    model = ModelRef(name=str(made.name), version=str(made.version))
    ref = deploy(cloud, outputs, DeployOrder(model, vm_size=SIZE), program=PROGRAM)
    yield ref.name, ref.deployment
    undeploy(cloud, outputs)


def test_a_deployment_is_scaled_by_its_processors_and_the_setting_goes_with_it(
    cloud: Cloud, outputs: StackOutputs, served: tuple[str, str]
) -> None:
    endpoint, deployment = served
    said: list[str] = []
    wanted = Scaling(deployment, 1, 3, "CpuUtilizationPercentage")
    assert set_scaling(cloud.arm, outputs, endpoint, deployment, 1, 3, said.append) == wanted
    assert read_scaling(cloud.arm, outputs, endpoint, deployment) == wanted
    assert "1 to 3 instances" in said[0]
    (id,) = scaling_settings(cloud.arm, endpoint_id(outputs, endpoint))
    made = cloud.arm.get(id, SCALING_API) or {}
    assert made["tags"] == {"team": "nlp", "tunestack-stack": "timed"}
    out, back = made["properties"]["profiles"][0]["rules"]
    assert out["scaleAction"]["direction"] == "Increase"
    assert out["metricTrigger"]["timeWindow"] == "PT5M"
    assert back["metricTrigger"]["timeWindow"] == "PT30M"
    set_scaling(cloud.arm, outputs, endpoint, deployment, 2, 4, ignore)
    assert read_scaling(cloud.arm, outputs, endpoint, deployment) == Scaling(
        deployment, 2, 4, wanted.metric
    )
    assert set_scaling(cloud.arm, outputs, endpoint, deployment, 2, 2, ignore) is None
    assert read_scaling(cloud.arm, outputs, endpoint, deployment) is None
    set_scaling(cloud.arm, outputs, endpoint, deployment, 1, 3, ignore)
    assert drop_orphans(cloud.arm, outputs, endpoint) == []
    misspelt = request(outputs, endpoint, Scaling(deployment, 1, 2, "CpuUsage"), {})
    with pytest.raises(CloudError, match="Couldn't find a metric named CpuUsage"):
        cloud.arm.put(misspelt.path, misspelt.api_version, misspelt.body)
    undeploy(cloud, outputs)
    assert cloud.arm.get(id, SCALING_API) is None


def test_an_endpoint_that_expires_is_gone_with_its_processes_and_the_next_command_tidies(
    cloud: Cloud, outputs: StackOutputs, served: tuple[str, str], azure_folder: Path
) -> None:
    endpoint, deployment = served
    set_scaling(cloud.arm, outputs, endpoint, deployment, 1, 3, ignore)
    set_expiry(cloud, outputs, endpoint, parse_expiry("8h", datetime.now(UTC)), ignore)
    running = serving_processes(azure_folder, deployment)
    assert running
    clock.set_ahead(azure_folder, timedelta(hours=9).total_seconds())
    try:
        until(lambda: not (read_expiry(cloud, outputs, endpoint) or pytest.fail("gone")).is_on)
    finally:
        clock.set_ahead(azure_folder, 0)
    assert find(cloud, outputs) is None
    assert not [one for one in running if one.is_running()]
    assert drop_orphans(cloud.arm, outputs, endpoint) == [f"{endpoint}-{deployment}"]
    assert not undeploy(cloud, outputs)
    assert read_expiry(cloud, outputs, endpoint) is None


def test_what_is_not_there_cannot_be_scaled_and_of_nothing_nothing_is_cleared(
    cloud: Cloud, outputs: StackOutputs
) -> None:
    with pytest.raises(UserError, match="no deployment blue to scale"):
        set_scaling(cloud.arm, outputs, "talks", "blue", 1, 2, ignore)
    assert clear_scaling(cloud.arm, outputs, "talks", "blue") == []
    assert clear_scaling(cloud.arm, outputs, "talks") == []


class OneDeployment:
    """An ARM with one deployment of a size, that keeps what is put."""

    def __init__(self, size: str) -> None:
        self.size, self.kept = size, dict[str, Any]()

    def get(self, path: str, api_version: str) -> dict[str, Any]:
        return {"properties": {"instanceType": self.size}, "tags": {}}

    def put(self, path: str, api_version: str, body: dict[str, Any]) -> None:
        self.kept[path] = body


@pytest.mark.parametrize(
    ("size", "metric"),
    [
        ("Standard_E4s_v3", "CpuUtilizationPercentage"),
        ("Standard_NC24ads_A100_v4", "GpuUtilizationPercentage"),
    ],
)
def test_the_sign_is_the_processor_that_does_the_work(
    outputs: StackOutputs, size: str, metric: str
) -> None:
    arm: Any = OneDeployment(size)
    scaling = set_scaling(arm, outputs, "talks", "blue", 1, 2, ignore)
    assert scaling is not None
    assert scaling.metric == metric
    (body,) = arm.kept.values()
    target = deployment_id(outputs, "talks", "blue")
    assert body["properties"]["targetResourceUri"] == target
    for rule in body["properties"]["profiles"][0]["rules"]:
        assert rule["metricTrigger"]["metricName"] == metric
        assert rule["metricTrigger"]["metricResourceUri"] == target


def test_fewer_instances_would_not_call_for_more_at_once() -> None:
    for instances in range(2, 20):
        assert IN_BELOW * instances / (instances - 1) < OUT_ABOVE


def test_a_setting_has_what_azures_published_type_has(outputs: StackOutputs) -> None:
    """Its inputs are those of the unmodified SDK, which is made from Azure's specification."""
    from pulumi_azure_native import monitor
    from pulumi_azure_native.monitor.autoscale_setting import AutoscaleSettingArgs

    put = request(outputs, "talks", Scaling("blue", 1, 3, "CpuUtilizationPercentage"), {})
    assert f"/providers/{SCALING}/talks-blue" in put.path
    properties = put.body["properties"]
    fits(properties, AutoscaleSettingArgs, {"profiles"})
    for profile in properties["profiles"]:
        fits(profile, monitor.AutoscaleProfileArgs, {"name", "capacity", "rules"})
        fits(profile["capacity"], monitor.ScaleCapacityArgs, {"minimum", "maximum", "default"})
        for rule in profile["rules"]:
            fits(
                rule["metricTrigger"],
                monitor.MetricTriggerArgs,
                required(monitor.MetricTriggerArgs),
            )
            fits(rule["scaleAction"], monitor.ScaleActionArgs, required(monitor.ScaleActionArgs))


def snake(name: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)


def required(arguments: Any) -> set[str]:
    found = inspect.signature(arguments.__init__).parameters.values()
    return {
        one.name
        for one in found
        if one.default is inspect.Parameter.empty and one.name != "__self__"
    }


def fits(body: dict[str, Any], arguments: Any, least: set[str]) -> None:
    given = {snake(key) for key in body}
    assert given <= set(inspect.signature(arguments.__init__).parameters)
    assert least <= given


def serving_processes(azure_folder: Path, deployment: str) -> list[psutil.Process]:
    """Find the processes that work in the deployment's folder."""
    wanted = str(azure_folder.resolve() / "nodes" / deployment[:24])
    return [
        one
        for one in psutil.process_iter(["cmdline"])
        if wanted in " ".join(one.info["cmdline"] or [])
    ]


def until(holds: Callable[[], Any], seconds: float = 30) -> None:
    """Ask until it holds; what it waits for is the local Azure's own thread."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it did not come to that"
        time.sleep(0.1)
