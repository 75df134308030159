"""Logic Apps and autoscale settings are checked as Azure checks them; workflows really run."""

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from azure.identity import DefaultAzureCredential
from azure_group import Group, Raw

from core.arm import Arm
from core.errors import CloudError, SettingsError
from core.home import environments
from local import clock
from local.process import start, stop
from tests.typed_commands import run, run_json

API = "2019-05-01"
SCHEMA = (
    "https://schema.management.azure.com/providers/Microsoft.Logic/schemas/2016-06-01"
    "/workflowdefinition.json#"
)
HOURLY = {"frequency": "Hour", "interval": 1}


@pytest.fixture
def actor(group: Group) -> dict[str, Any]:
    """An identity with all rights on the group."""
    identity = group.identity("actor")
    group.grant(identity, "Contributor", group.id)
    return identity


@pytest.fixture(scope="module")
def refusing(arm: Arm) -> Iterator[tuple[Group, dict[str, Any], str]]:
    """A group for what is refused, which leaves nothing: with an identity and an account."""
    id = f"/subscriptions/{os.environ['AZURE_SUBSCRIPTION_ID']}/resourceGroups/refusing"
    arm.put(id, "2024-03-01", {"location": "eastus2"})
    group = Group(arm, id)
    yield group, group.identity("actor"), group.storage()["id"]
    arm.delete(id, "2024-03-01")


@pytest.fixture
def ahead(azure_folder: Path) -> Iterator[Callable[[float], None]]:
    yield lambda seconds: clock.set_ahead(azure_folder, seconds)
    clock.set_ahead(azure_folder, 0)


def http(actor: dict[str, Any], method: str, path: str, **more: Any) -> dict[str, Any]:
    return {
        "type": "Http",
        "inputs": {
            "method": method,
            "uri": f"https://management.azure.com{path}",
            "queries": {"api-version": API},
            "authentication": {
                "type": "ManagedServiceIdentity",
                "identity": actor["id"],
                "audience": "https://management.azure.com/",
            },
        },
        "runAfter": {},
        **more,
    }


def definition(actions: dict[str, Any], **recurrence: Any) -> dict[str, Any]:
    trigger = {"type": "Recurrence", "recurrence": {**HOURLY, **recurrence}}
    return {
        "$schema": SCHEMA,
        "contentVersion": "1.0.0.0",
        "triggers": {"turn": trigger},
        "actions": actions,
    }


def put(group: Group, actor: dict[str, Any], wanted: dict[str, Any]) -> dict[str, Any]:
    own = {"type": "UserAssigned", "userAssignedIdentities": {actor["id"]: {}}}
    body = {"identity": own, "properties": {"definition": wanted}}
    return group.put("Microsoft.Logic/workflows/turns", body)


def runs(group: Group) -> list[dict[str, Any]]:
    return group.arm.get_list(group.path("Microsoft.Logic/workflows/turns/runs"), API)


def until(holds: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + 20
    while not (found := holds()):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    return found


def test_without_a_start_a_workflow_runs_at_once_and_each_action_after_its_own(
    group: Group, actor: dict[str, Any]
) -> None:
    account = group.storage()["id"]
    late = http(actor, "DELETE", account, runAfter={"look": ["Succeeded"]})
    never = http(actor, "DELETE", account, runAfter={"look": ["Failed"]})
    put(
        group,
        actor,
        definition({"late": late, "never": never, "look": http(actor, "GET", account)}),
    )
    (run,) = until(lambda: runs(group))
    assert run["properties"]["status"] == "Succeeded"
    found = group.arm.get_list(f"{run['id']}/actions", API)
    told = {one["name"]: one["properties"]["status"] for one in found}
    assert told == {"look": "Succeeded", "late": "Succeeded", "never": "Skipped"}
    assert group.arm.get(account, "2024-01-01") is None
    assert group.arm.get(run["id"], API) == run


def test_turns_that_were_missed_are_not_made_up_for(
    group: Group, actor: dict[str, Any], ahead: Callable[[float], None]
) -> None:
    put(group, actor, definition({"look": http(actor, "GET", group.id)}))
    until(lambda: len(runs(group)) == 1)
    ahead(10 * 3600 + 60)
    until(lambda: len(runs(group)) == 2)
    folder = group.path("Microsoft.Logic/workflows/turns")
    (trigger,) = group.arm.get_list(f"{folder}/triggers", API)
    first, second = (run["properties"]["startTime"] for run in reversed(runs(group)))
    assert second < trigger["properties"]["nextExecutionTime"]
    assert first < second
    assert len(group.arm.get_list(f"{folder}/triggers/turn/histories", API)) == 2


def test_one_that_is_switched_off_does_not_run(
    group: Group, actor: dict[str, Any], ahead: Callable[[float], None]
) -> None:
    look = http(actor, "GET", group.id)
    made = put(group, actor, definition({"look": look}, startTime="2099-01-01T00:00:00Z"))
    group.arm.post(f"{made['id']}/disable", API)
    (trigger,) = group.arm.get_list(f"{made['id']}/triggers", API)
    assert trigger["properties"]["state"] == "Disabled"
    assert "nextExecutionTime" not in trigger["properties"]
    group.arm.post(f"{made['id']}/enable", API)
    (trigger,) = group.arm.get_list(f"{made['id']}/triggers", API)
    assert trigger["properties"]["nextExecutionTime"] == "2099-01-01T00:00:00Z"
    assert runs(group) == []


def test_a_start_that_has_passed_turns_at_its_next_time(
    group: Group, actor: dict[str, Any]
) -> None:
    look = http(actor, "GET", group.id)
    put(group, actor, definition({"look": look}, startTime="2026-01-01T00:30:00Z"))
    path = group.path("Microsoft.Logic/workflows/turns/triggers")
    (trigger,) = group.arm.get_list(path, API)
    assert trigger["properties"]["nextExecutionTime"][14:] == "30:00Z"
    assert trigger["properties"]["nextExecutionTime"] > "2026-11-01"


@pytest.mark.slow
def test_what_became_due_while_nothing_ran_runs_at_the_next_start(
    fresh_azure: Any, tmp_path: Path
) -> None:
    """Slow: starts a local Azure of its own three times."""
    fresh_azure()
    arm = Arm(DefaultAzureCredential())
    id = f"/subscriptions/{os.environ['AZURE_SUBSCRIPTION_ID']}/resourceGroups/late"
    arm.put(id, "2024-03-01", {"location": "eastus2"})
    group = Group(arm, id)
    actor = group.identity("actor")
    group.grant(actor, "Contributor", id)
    look = http(actor, "GET", id)
    put(group, actor, definition({"look": look}, startTime="2099-01-01T00:00:00Z"))
    stop(tmp_path / "local")
    body = definition({"look": look}, startTime=clock.write(time.time() + 3600))
    azure = start(tmp_path / "local", environments=environments())
    assert azure.proxy_url
    put(group, actor, body)
    stop(tmp_path / "local")
    clock.set_ahead(tmp_path / "local", 7200)
    start(tmp_path / "local", environments=environments())
    (run,) = until(lambda: runs(group))
    assert run["properties"]["status"] == "Succeeded"


WRONG: list[tuple[Callable[[dict[str, Any]], Any], str]] = [
    (lambda d: d.update(outputs={"a": 1}), "not played here: outputs"),
    (lambda d: d.update({"$schema": "x"}), "ends in 2016-06-01"),
    (lambda d: d["triggers"].update(more={"type": "Recurrence"}), "one trigger"),
    (lambda d: d["triggers"]["turn"].update(type="Request"), "only Recurrence"),
    (lambda d: d["triggers"]["turn"]["recurrence"].update(interval=0), "whole interval"),
    (lambda d: d["triggers"]["turn"]["recurrence"].update(frequency="Month"), "a frequency of"),
    (lambda d: d["triggers"]["turn"]["recurrence"].update(schedule={}), "played here: schedule"),
    (lambda d: d["triggers"]["turn"]["recurrence"].update(startTime="soon"), "no date"),
    (lambda d: d["triggers"]["turn"]["recurrence"].update(startTime="2099-01-01T00:00"), "Z or an"),
    (lambda d: d["actions"]["look"].update(type="ApiConnection"), "only Http"),
    (lambda d: d["actions"]["look"].update(runAfter={"x": ["Succeeded"]}), "never comes"),
    (lambda d: d["actions"]["look"]["inputs"].update(method="EAT"), "EAT"),
    (lambda d: d["actions"]["look"]["inputs"].update(uri="https://example.com/"), "audience"),
    (lambda d: d["actions"]["look"]["inputs"].update(body="@triggerBody()"), "Expressions"),
    (
        lambda d: d["actions"]["look"]["inputs"]["authentication"].update(type="Basic"),
        "only ManagedServiceIdentity",
    ),
    (
        lambda d: d["actions"]["look"]["inputs"]["authentication"].update(identity="/other"),
        "not an identity of the workflow",
    ),
]


@pytest.mark.parametrize(("spoil", "reason"), WRONG, ids=[reason for _, reason in WRONG])
def test_a_definition_that_is_not_played_is_refused_by_name(
    refusing: tuple[Group, dict[str, Any], str],
    spoil: Callable[[dict[str, Any]], Any],
    reason: str,
) -> None:
    group, actor, _ = refusing
    wanted = definition({"look": http(actor, "GET", group.id)})
    spoil(wanted)
    with pytest.raises(CloudError, match=reason) as caught:
        put(group, actor, wanted)
    assert caught.value.status == 400


def test_a_workflow_goes_with_its_group_and_its_turn_is_forgotten(
    group: Group, actor: dict[str, Any], raw: Raw
) -> None:
    made = put(group, actor, definition({"look": http(actor, "GET", group.id)}))
    until(lambda: runs(group))
    group.arm.delete(made["id"], API)
    assert raw.refused("GET", f"{made['id']}/runs") == (404, "ResourceNotFound")
    put(group, actor, definition({"look": http(actor, "GET", group.id)}))
    (run,) = until(lambda: runs(group))
    assert run["properties"]["status"] == "Succeeded"


@pytest.mark.parametrize("seconds", [-1, 400 * 86400])
def test_the_clock_goes_ahead_and_at_most_a_year(azure_folder: Path, seconds: float) -> None:
    with pytest.raises(SettingsError, match="0 and a year"):
        clock.set_ahead(azure_folder, seconds)


def test_the_clock_is_set_and_shown_by_hand(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("TUNESTACK_HOME", str(tmp_path))
    assert run_json("local", "clock")["ahead_seconds"] == 0
    assert run_json("local", "clock", "9h")["ahead_seconds"] == 9 * 3600
    assert "9 hours ahead" in run("local", "clock").stdout
    assert run_json("local", "clock", "0")["ahead_seconds"] == 0
    assert "no span" in run("local", "clock", "soon", exit_code=2).output


def autoscale(group: Group, target: str, **changes: Any) -> dict[str, Any]:
    trigger = {
        "metricName": "UsedCapacity",
        "metricResourceUri": target,
        "timeGrain": "PT1M",
        "statistic": "Average",
        "timeWindow": "PT5M",
        "timeAggregation": "Average",
        "operator": "GreaterThan",
        "threshold": 70,
        **changes.pop("trigger", {}),
    }
    action = {"direction": "Increase", "type": "ChangeCount", "value": "1", "cooldown": "PT5M"}
    action |= changes.pop("action", {})
    capacity = {"minimum": "1", "default": "1", "maximum": "3", **changes.pop("capacity", {})}
    rules = [{"metricTrigger": trigger, "scaleAction": action}]
    profile = {"name": "busy", "capacity": capacity, "rules": rules, **changes.pop("profile", {})}
    properties = {"targetResourceUri": target, "profiles": [profile], "enabled": True, **changes}
    name = "second" if changes.get("name") == "second" else "first"
    return group.put(f"Microsoft.Insights/autoscalesettings/{name}", {"properties": properties})


def test_an_autoscale_setting_is_about_a_resource_that_is_there_and_alone_with_it(
    group: Group,
) -> None:
    account = group.storage()["id"]
    made = autoscale(group, account)
    assert "provisioningState" not in made["properties"]
    assert autoscale(group, account, capacity={"maximum": "5"})
    with pytest.raises(CloudError, match="has the autoscale setting") as caught:
        autoscale(group, account, name="second")
    assert caught.value.status == 409
    with pytest.raises(CloudError, match="does not exist"):
        autoscale(group, f"{account}gone")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"capacity": {"minimum": "4"}}, "minimum 4 <= default 1"),
        ({"capacity": {"default": "4"}}, "default 4 <= maximum 3"),
        ({"capacity": {"default": 1}}, "as texts"),
        ({"trigger": {"threshold": None}}, "lacks: threshold"),
        ({"trigger": {"operator": "Above"}}, "operator is 'Above'"),
        ({"trigger": {"timeWindow": "PT1M"}}, "timeWindow"),
        ({"trigger": {"timeGrain": "soon"}}, "timeGrain"),
        ({"action": {"cooldown": "P8D"}}, "cooldown"),
        ({"action": {"value": "0"}}, "of 1 or more"),
        ({"action": {"direction": "Up"}}, "direction"),
        ({"profile": {"recurrence": {"frequency": "Week"}}}, "always hold"),
        ({"profile": {"rules": [{}] * 11}}, "at most 10"),
        ({"profiles": []}, "1 to 20 profiles"),
    ],
)
def test_a_wrong_autoscale_setting_is_refused(
    refusing: tuple[Group, dict[str, Any], str], changes: dict[str, Any], reason: str
) -> None:
    group, _, account = refusing
    with pytest.raises(CloudError, match=reason) as caught:
        autoscale(group, account, **changes)
    assert caught.value.status == 400
