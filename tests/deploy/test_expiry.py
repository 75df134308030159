"""An endpoint ends at its moment although nobody runs anything, or it is told why it did not.

Moments are brought forward by the local Azure's clock: nobody sleeps. Azure's own Logic Apps were
never asked.
"""

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from core.cloud import Cloud
from core.companions import WORKFLOWS_API, expiry_id
from core.errors import CloudError, PrerequisiteError, SettingsError
from core.refs import StackOutputs
from deploy.endpoint import ensure_endpoint, find, undeploy
from deploy.upkeep.alerts import endpoint_id
from deploy.upkeep.expiry import (
    Expiry,
    clear_expiry,
    read_expiry,
    request,
    set_expiry,
    settle_expiry,
)
from deploy.upkeep.moments import parse_expiry, write
from local import clock

NOW = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)
ASSIGNMENTS = "Microsoft.Authorization/roleAssignments"
API = "2022-04-01"
CONTRIBUTOR = "b24988ac-6180-42a0-ab88-20f7382dd24c"


def ignore(text: str) -> None:
    """Take no notice of progress."""


@pytest.mark.parametrize(
    ("text", "when"),
    [
        ("8h", "2026-11-21T17:30:00Z"),
        ("45m", "2026-11-21T10:15:00Z"),
        (" 3D ", "2026-11-24T09:30:00Z"),
        ("2w", "2026-12-05T09:30:00Z"),
        ("90d", "2027-02-19T09:30:00Z"),
        ("2026-12-24T18:00Z", "2026-12-24T18:00:00Z"),
        ("2026-12-24T18:00+02:00", "2026-12-24T16:00:00Z"),
        ("2026-12-24 18:00:30Z", "2026-12-24T18:00:30Z"),
    ],
)
def test_a_span_or_a_moment_is_read_as_utc(text: str, when: str) -> None:
    found = parse_expiry(text, NOW)
    assert write(found) == when
    assert found.tzinfo is UTC


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "neither a span nor a moment"),
        ("soon", "neither a span nor a moment"),
        ("8 hours", "neither a span nor a moment"),
        ("-3h", "neither a span nor a moment"),
        ("1e9d", "neither a span nor a moment"),
        ("2026-12-24T18:00", "no time zone"),
        ("2026-12-24", "no time zone"),
        ("2026-11-21T09:29Z", "not 5 minutes ahead"),
        ("0h", "not 5 minutes ahead"),
        ("91d", "more than 90 days"),
        ("99999w", "more than 90 days"),
        ("2099-01-01T00:00Z", "more than 90 days"),
    ],
)
def test_what_is_no_moment_ahead_is_refused_with_an_example(text: str, reason: str) -> None:
    with pytest.raises(SettingsError, match=reason) as caught:
        parse_expiry(text, NOW)
    assert "--expires" in str(caught.value)
    assert "d" in str(caught.value).rpartition("; ")[2]


@pytest.mark.parametrize(
    ("expiry", "words"),
    [
        (Expiry(NOW + timedelta(hours=8)), "ends by itself at 2026-11-21T17:30:00Z, in 8 hours"),
        (Expiry(NOW + timedelta(minutes=61)), "in 61 minutes"),
        (Expiry(NOW + timedelta(days=3)), "in 3 days"),
        (Expiry(NOW - timedelta(hours=1)), "is being ended since"),
        (Expiry(NOW - timedelta(hours=1), is_on=False), "switched off"),
        (Expiry(NOW - timedelta(hours=1), failure="it failed with X"), "it failed with X"),
    ],
)
def test_an_expiry_says_how_far_it_has_come(expiry: Expiry, words: str) -> None:
    assert words in expiry.told(NOW)


@pytest.fixture
def cloud(timed_stack: tuple[Cloud, StackOutputs]) -> Cloud:
    return timed_stack[0]


@pytest.fixture
def outputs(timed_stack: tuple[Cloud, StackOutputs]) -> StackOutputs:
    return timed_stack[1]


@pytest.fixture
def endpoint(cloud: Cloud, outputs: StackOutputs) -> Iterator[str]:
    name = ensure_endpoint(cloud, outputs, ignore)
    yield name
    undeploy(cloud, outputs)
    clear_expiry(cloud, outputs, name)


@pytest.fixture
def ahead(azure_folder: Path) -> Iterator[Callable[[timedelta], None]]:
    """Set the local Azure's clock ahead."""
    yield lambda span: clock.set_ahead(azure_folder, span.total_seconds())
    clock.set_ahead(azure_folder, 0)


def tomorrow() -> datetime:
    return parse_expiry("1d", datetime.now(UTC))


def until(holds: Callable[[], Any], seconds: float = 20) -> Any:
    """Ask until it holds; what it waits for is the local Azure's own thread."""
    deadline = time.monotonic() + seconds
    while not (found := holds()):
        assert time.monotonic() < deadline, "it did not come to that"
        time.sleep(0.1)
    return found


def runs(cloud: Cloud, outputs: StackOutputs, endpoint: str) -> list[dict[str, Any]]:
    path = expiry_id(endpoint_id(outputs, endpoint))
    found = cloud.arm.get_list(f"{path}/runs", WORKFLOWS_API)
    return [{"name": run["name"], **run["properties"]} for run in found]


def actions(cloud: Cloud, outputs: StackOutputs, endpoint: str, run: str) -> dict[str, Any]:
    path = f"{expiry_id(endpoint_id(outputs, endpoint))}/runs/{run}/actions"
    found = cloud.arm.get_list(path, WORKFLOWS_API)
    return {one["name"]: (one["properties"]["status"], one["properties"]["code"]) for one in found}


def test_before_its_moment_nothing_happens_and_it_is_told(
    cloud: Cloud, outputs: StackOutputs, endpoint: str, ahead: Any
) -> None:
    said: list[str] = []
    when = tomorrow()
    set_expiry(cloud, outputs, endpoint, when, said.append)
    ahead(timedelta(hours=23))
    found = read_expiry(cloud, outputs, endpoint)
    assert found == Expiry(when)
    assert f"ends by itself at {write(when)}" in said[0]
    assert "$0.001" in said[0]
    path = expiry_id(endpoint_id(outputs, endpoint))
    (trigger,) = cloud.arm.get_list(f"{path}/triggers", WORKFLOWS_API)
    assert trigger["properties"]["nextExecutionTime"] == write(when)
    assert runs(cloud, outputs, endpoint) == []
    assert find(cloud, outputs) is not None


def test_at_its_moment_the_endpoint_is_gone_and_the_workflow_switches_itself_off(
    cloud: Cloud, outputs: StackOutputs, endpoint: str, ahead: Any
) -> None:
    set_expiry(cloud, outputs, endpoint, tomorrow(), ignore)
    ahead(timedelta(hours=25))
    (run,) = until(lambda: runs(cloud, outputs, endpoint))
    assert run["status"] == "Succeeded"
    assert actions(cloud, outputs, endpoint, run["name"]) == {
        "undeploy": ("Succeeded", "NoContent"),
        "switch-off": ("Succeeded", "OK"),
    }
    assert find(cloud, outputs) is None
    found = read_expiry(cloud, outputs, endpoint)
    assert found is not None
    assert not found.is_on
    ahead(timedelta(hours=72))
    path = expiry_id(endpoint_id(outputs, endpoint))
    (fired,) = cloud.arm.get_list(f"{path}/triggers/expiry/histories", WORKFLOWS_API)
    assert fired["properties"]["fired"]


def test_without_contributor_the_endpoint_stays_and_says_why_and_goes_at_the_next_try(
    cloud: Cloud, outputs: StackOutputs, endpoint: str, ahead: Any
) -> None:
    when = tomorrow()
    set_expiry(cloud, outputs, endpoint, when, ignore)
    assignment = contributor(cloud, outputs)
    cloud.arm.delete(assignment["id"], API)
    try:
        ahead(timedelta(hours=24, minutes=30))
        (run,) = until(lambda: runs(cloud, outputs, endpoint))
        assert (run["status"], run["code"]) == ("Failed", "ActionFailed")
        assert actions(cloud, outputs, endpoint, run["name"]) == {
            "undeploy": ("Failed", "Forbidden"),
            "switch-off": ("Skipped", "ActionSkipped"),
        }
        assert find(cloud, outputs) is not None
        found = read_expiry(cloud, outputs, endpoint)
        assert found is not None
        assert found.is_on
        assert "Contributor on the group is gone" in found.failure
        assert "Forbidden" in found.told(datetime.now(UTC))
    finally:
        properties = assignment["properties"]
        kept = ("roleDefinitionId", "principalId", "principalType")
        body = {"properties": {key: properties[key] for key in kept}}
        cloud.arm.put(assignment["id"], API, body)
    ahead(timedelta(hours=25, minutes=30))
    until(lambda: len(runs(cloud, outputs, endpoint)) == 2)
    assert runs(cloud, outputs, endpoint)[0]["status"] == "Succeeded"
    assert find(cloud, outputs) is None


def test_an_expiry_that_would_be_refused_is_refused_when_it_is_set(
    cloud: Cloud, outputs: StackOutputs, endpoint: str
) -> None:
    assignment = contributor(cloud, outputs)
    cloud.arm.delete(assignment["id"], API)
    try:
        with pytest.raises(PrerequisiteError, match="may not delete the endpoint") as caught:
            set_expiry(cloud, outputs, endpoint, tomorrow(), ignore)
        assert assignment["properties"]["principalId"] in caught.value.hint
        assert read_expiry(cloud, outputs, endpoint) is None
    finally:
        properties = dict(assignment["properties"])
        kept = ("roleDefinitionId", "principalId", "principalType")
        cloud.arm.put(assignment["id"], API, {"properties": {key: properties[key] for key in kept}})


def test_a_new_moment_takes_the_place_of_the_old_one_and_never_takes_it_away(
    cloud: Cloud, outputs: StackOutputs, endpoint: str, ahead: Any
) -> None:
    set_expiry(cloud, outputs, endpoint, tomorrow(), ignore)
    later = tomorrow() + timedelta(days=2)
    set_expiry(cloud, outputs, endpoint, later, ignore)
    assert read_expiry(cloud, outputs, endpoint) == Expiry(later)
    assert clear_expiry(cloud, outputs, endpoint)
    assert not clear_expiry(cloud, outputs, endpoint)
    assert read_expiry(cloud, outputs, endpoint) is None


def test_a_deployment_that_asks_for_nothing_keeps_what_stands_and_says_so(
    cloud: Cloud, outputs: StackOutputs, endpoint: str
) -> None:
    said: list[str] = []
    settle_expiry(cloud, outputs, endpoint, None, said.append)
    assert said == []
    set_expiry(cloud, outputs, endpoint, when := tomorrow(), ignore)
    settle_expiry(cloud, outputs, endpoint, None, said.append)
    assert read_expiry(cloud, outputs, endpoint) == Expiry(when)
    assert "as before; --expires never takes that away" in said[0]
    settle_expiry(cloud, outputs, endpoint, None, said.append, never=True)
    assert read_expiry(cloud, outputs, endpoint) is None
    assert "is taken away" in said[1]


def test_one_that_has_passed_never_meets_the_next_endpoint(
    cloud: Cloud, outputs: StackOutputs, endpoint: str
) -> None:
    past = datetime.now(UTC) - timedelta(hours=2)
    one = request(outputs, endpoint, past, {})
    cloud.arm.put(one.path, one.api_version, one.body)
    said: list[str] = []
    settle_expiry(cloud, outputs, endpoint, None, said.append)
    assert cloud.arm.get(one.path, one.api_version) is None
    assert write(past) in said[0]


def test_undeploy_takes_the_expiry_along_also_after_the_endpoint(
    cloud: Cloud, outputs: StackOutputs, endpoint: str
) -> None:
    for _ in range(2):
        set_expiry(cloud, outputs, endpoint, tomorrow(), ignore)
        undeploy(cloud, outputs)
        assert read_expiry(cloud, outputs, endpoint) is None


def test_the_workflow_carries_the_stacks_tags_and_asks_as_the_endpoints_identity(
    cloud: Cloud, outputs: StackOutputs, endpoint: str
) -> None:
    set_expiry(cloud, outputs, endpoint, tomorrow(), ignore)
    made = cloud.arm.get(expiry_id(endpoint_id(outputs, endpoint)), WORKFLOWS_API) or {}
    assert made["tags"] == {"team": "nlp", "tunestack-stack": "timed"}
    assert list(made["identity"]["userAssignedIdentities"]) == [outputs.endpoint_identity]


def test_a_workflow_asks_as_an_identity_of_its_own_and_no_other(
    cloud: Cloud, outputs: StackOutputs, endpoint: str
) -> None:
    one = request(outputs, endpoint, tomorrow(), {})
    one.body["identity"]["userAssignedIdentities"] = {outputs.job_identity: {}}
    with pytest.raises(CloudError, match="not an identity of the workflow") as caught:
        cloud.arm.put(one.path, one.api_version, one.body)
    assert caught.value.status == 400


def test_a_workflow_has_what_azures_published_type_has(outputs: StackOutputs) -> None:
    """Its inputs are those of the unmodified SDK, which is made from Azure's specification."""
    from pulumi_azure_native.logic import ManagedServiceIdentityArgs
    from pulumi_azure_native.logic.workflow import WorkflowArgs

    body = request(outputs, "talks", tomorrow(), {}).body
    assert set(body["properties"]) <= inputs_of(WorkflowArgs)
    assert set(body) - {"properties"} <= inputs_of(WorkflowArgs)
    wire = {"userAssignedIdentities": "user_assigned_identities", "type": "type"}
    assert {wire[key] for key in body["identity"]} <= inputs_of(ManagedServiceIdentityArgs)
    assert len(request(outputs, "e" * 32, tomorrow(), {}).path.rpartition("/")[2]) <= 43


def inputs_of(arguments: Any) -> set[str]:
    import inspect

    return set(inspect.signature(arguments.__init__).parameters)


def contributor(cloud: Cloud, outputs: StackOutputs) -> dict[str, Any]:
    """Find the grant by which the endpoint's identity may delete its endpoint."""
    identity = cloud.arm.get(outputs.endpoint_identity, "2023-01-31") or {}
    principal = identity["properties"]["principalId"]
    group = f"/subscriptions/{outputs.subscription_id}/resourceGroups/{outputs.resource_group}"
    rows = cloud.arm.get_list(f"{group}/providers/{ASSIGNMENTS}", API)
    (found,) = (
        row
        for row in rows
        if row["properties"]["principalId"] == principal
        and row["properties"]["roleDefinitionId"].endswith(CONTRIBUTOR)
    )
    return found
