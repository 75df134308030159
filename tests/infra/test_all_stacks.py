"""`status --all`: every stack by its tag, what has expired, what is idle and how that is known."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from click.testing import CliRunner
from recorded_arm import SUBSCRIPTION, FakeCloud, arm_type, engine, ignore

from cli import COMMANDS, help_text
from commands.root import command_line
from commands.session import Session
from infra.standing.stacks import StackView, all_stacks

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
LONG_AGO = {"createdAt": "2026-11-01T00:00:00Z"}


def views(cloud: FakeCloud) -> list[StackView]:
    return all_stacks(cloud.arm, SUBSCRIPTION, NOW)  # type: ignore[arg-type]


def deploy(
    cloud: FakeCloud, *, traffic: int = 100, created: Any = LONG_AGO, average: float | None = None
) -> str:
    """Make an endpoint with one deployment, and what Azure Monitor says of its requests."""
    (workspace,) = cloud.arm.of_type(arm_type("workspace"))
    id = f"{workspace['id']}/onlineEndpoints/travel"
    cloud.arm.put(id, "", {"tags": {"stack": "g"}, "properties": {"traffic": {"blue": traffic}}})
    cloud.arm.resources[id.lower()]["systemData"] = created
    body = {"properties": {"instanceType": "Standard_E4s_v3"}, "sku": {"capacity": 1}}
    cloud.arm.put(f"{id}/deployments/blue", "", body)
    if average is not None:
        answer(cloud, id, [{"timeseries": [{"data": [{"average": 0.0}, {"average": average}]}]}])
    return id


def answer(cloud: FakeCloud, id: str, metrics: list[dict[str, Any]]) -> None:
    """Let Azure Monitor answer for an endpoint."""
    plain = cloud.arm.get

    def get(path: str, api_version: str) -> dict[str, Any] | None:
        if path.startswith(f"{id}/providers/Microsoft.Insights/metrics?"):
            assert "metricnames=RequestsPerMinute" in path
            return {"value": metrics}
        return plain(path, api_version)

    cloud.arm.get = get  # type: ignore[method-assign]


def cluster(cloud: FakeCloud, **inner: Any) -> dict[str, Any]:
    (found,) = cloud.arm.of_type(arm_type("compute cluster"))
    found["properties"]["properties"] |= {"currentNodeCount": 2, **inner}
    return found


def test_every_stack_is_found_without_its_file(cloud: FakeCloud) -> None:
    engine(cloud, stack="one").up(ignore)
    engine(cloud, stack="two").up(ignore)
    cloud.arm.put(f"/subscriptions/{SUBSCRIPTION}/resourceGroups/theirs", "", {"tags": {}})
    one, two = views(cloud)
    assert (one.stack, one.groups, one.engine) == ("one", ("rg-tunestack-one",), "in-process")
    assert two.command == "tunestack destroy --stack two"
    assert one.per_hour == pytest.approx(0.167 / 24)
    assert one.created == ""
    assert not one.is_expired


@pytest.mark.parametrize(
    ("tag", "is_expired"),
    [
        ("2026-11-20", True),
        ("2026-11-21", False),
        ("2026-11-21T11:00:00Z", True),
        ("2026-11-21T13:00:00Z", False),
        ("some day", False),
    ],
)
def test_a_stack_expires_after_the_last_day_in_its_tag(
    cloud: FakeCloud, tag: str, is_expired: bool
) -> None:
    engine(cloud).up(ignore)
    group = next(item for id, item in cloud.arm.resources.items() if id.count("/") == 4)
    group["tags"]["tunestack-expires"] = tag
    (view,) = views(cloud)
    assert (view.expires, view.is_expired) == (tag, is_expired)


def test_expired_stacks_come_first(cloud: FakeCloud) -> None:
    for name in ("a", "b"):
        engine(cloud, stack=name).up(ignore)
    group = cloud.arm.resources[f"/subscriptions/{SUBSCRIPTION}/resourcegroups/rg-tunestack-b"]
    group["tags"]["tunestack-expires"] = "2026-01-01"
    assert [view.stack for view in views(cloud)] == ["b", "a"]


def test_age_is_that_of_the_oldest_resource_or_of_the_workspace(cloud: FakeCloud) -> None:
    engine(cloud).up(ignore)
    (workspace,) = cloud.arm.of_type(arm_type("workspace"))
    workspace["systemData"] = LONG_AGO
    assert views(cloud)[0].created == LONG_AGO["createdAt"]
    (vault,) = cloud.arm.of_type(arm_type("key vault"))
    vault["createdTime"] = "2026-10-01T00:00:00Z"
    assert views(cloud)[0].created == "2026-10-01T00:00:00Z"


@pytest.mark.parametrize(
    ("made", "idle", "sign"),
    [
        ({"average": 0.0}, True, "no request in the last 24 h (Azure Monitor)"),
        ({"average": 0.2}, False, "requests in the last 24 h (Azure Monitor)"),
        ({"average": 0.2, "traffic": 0}, False, "requests in the last 24 h (Azure Monitor)"),
        ({"traffic": 0}, True, "no deployment takes traffic"),
        ({}, None, "Azure Monitor gave no figures of its requests"),
        ({"created": {"createdAt": str(NOW - timedelta(hours=2))}}, False, "younger than 24 h"),
    ],
)
def test_an_endpoint_is_idle_as_far_as_azure_says(
    cloud: FakeCloud, made: dict[str, Any], idle: bool | None, sign: str
) -> None:
    engine(cloud).up(ignore)
    deploy(cloud, **made)
    (view,) = views(cloud)
    (endpoint,) = view.running
    assert (endpoint.is_idle, endpoint.sign) == (idle, sign)
    assert endpoint.per_hour == pytest.approx(0.252)
    assert endpoint.command == "tunestack undeploy --stack local"
    assert view.per_hour == pytest.approx(0.252 + 0.167 / 24)


def test_an_endpoint_without_a_deployment_bills_nothing_and_is_not_idle(cloud: FakeCloud) -> None:
    engine(cloud).up(ignore)
    del cloud.arm.resources[f"{deploy(cloud)}/deployments/blue".lower()]
    (endpoint,) = views(cloud)[0].running
    assert (endpoint.is_idle, endpoint.per_hour) == (False, 0)


def test_nodes_without_a_job_are_idle_and_with_one_are_not(cloud: FakeCloud) -> None:
    engine(cloud).up(ignore)
    found = cluster(cloud)
    (view,) = views(cloud)
    (idle,) = view.idle
    assert (idle.sign, idle.per_hour) == ("nodes, and no job", pytest.approx(2 * 3.673))
    assert "gives its nodes back by itself" in idle.command
    (workspace,) = cloud.arm.of_type(arm_type("workspace"))
    job = {"properties": {"status": "Running", "computeId": found["id"]}}
    cloud.arm.put(f"{workspace['id']}/jobs/job1", "", job)
    (view,) = views(cloud)
    assert (view.idle, view.jobs) == ((), ("job1",))


def test_a_cluster_that_keeps_nodes_is_idle_until_up_puts_it_right(cloud: FakeCloud) -> None:
    engine(cloud).up(ignore)
    cluster(cloud, scaleSettings={"minNodeCount": 1, "maxNodeCount": 2})
    (idle,) = views(cloud)[0].idle
    assert (idle.sign, idle.command) == ("keeps 1 nodes without a job", "tunestack up -s local")


def test_a_compute_instance_bills_and_nobody_knows_whether_it_is_used(cloud: FakeCloud) -> None:
    engine(cloud).up(ignore)
    found = cluster(cloud, currentNodeCount=0)
    inner = {"vmSize": "Standard_DS3_v2", "state": "Running"}
    body = {"properties": {"computeType": "ComputeInstance", "properties": inner}}
    cloud.arm.put(f"{found['id']}-own", "", body)
    (own,) = views(cloud)[0].running
    assert (own.is_idle, own.per_hour) == (None, pytest.approx(0.229))
    assert own.command.startswith("az ml compute stop --name ")


def test_the_command_shows_it_as_a_table_and_as_json(
    cloud: FakeCloud, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    monkeypatch.setattr(Session, "cloud", cloud)
    monkeypatch.setenv("TUNESTACK_STACKS", str(tmp_path / "nowhere"))
    assert "No stack on" in run("status", "--all")
    engine(cloud, stack="dev").up(ignore)
    deploy(cloud, average=0.0)
    group = cloud.arm.resources[f"/subscriptions/{SUBSCRIPTION}/resourcegroups/rg-tunestack-dev"]
    group["tags"]["tunestack-expires"] = "2026-01-01"
    shown = run("status", "--all", "-s", "dev")
    assert "2026-01-01 EXPIRED" in shown
    assert "idle: no request in the last 24 h" in shown
    assert "tunestack destroy --stack dev" in shown
    document = json.loads(run("status", "--all", "--json", "-s", "dev"))
    (stack,) = document["stacks"]
    assert stack["is_expired"]
    assert stack["running"][0]["is_idle"]
    assert document["per_hour"] == pytest.approx(0.252 + 0.167 / 24)


def run(*words: str) -> str:
    result = CliRunner().invoke(command_line(COMMANDS, help_text()), words, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout
