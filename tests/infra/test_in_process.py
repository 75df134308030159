"""The in-process engine: idempotent, resumable, tidy, and it refuses what is not its own."""

import json
import signal
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from recorded_arm import FakeCloud, arm_type, engine, ignore

from core.errors import CloudError, PrerequisiteError, SettingsError
from infra.engine import Change, Event
from infra.in_process.record import Record


def test_a_second_up_sends_nothing(cloud: FakeCloud) -> None:
    first = engine(cloud).up(ignore)
    cloud.arm.requests.clear()
    second = engine(cloud).up(ignore)
    assert (cloud.arm.count("PUT"), cloud.arm.count("DELETE")) == (0, 0)
    assert second == first == engine(cloud).outputs()


def test_the_plan_changes_nothing_and_says_what_up_then_does(cloud: FakeCloud) -> None:
    plan = engine(cloud).plan()
    assert (cloud.arm.count("PUT"), cloud.arm.count("DELETE")) == (0, 0)
    assert {step.change for step in plan.steps} == {Change.NEW}
    engine(cloud).up(ignore)
    assert cloud.arm.count("PUT") == len(plan.steps)
    assert not engine(cloud).plan().has_changes


def test_only_what_differs_is_sent(cloud: FakeCloud) -> None:
    engine(cloud).up(ignore)
    cloud.arm.requests.clear()
    (step,) = (s for s in engine(cloud, maxNodes=3).plan().steps if s.change is not Change.SAME)
    (difference,) = step.differences
    assert difference.path == "properties.properties.scaleSettings.maxNodeCount"
    assert (difference.before, difference.after) == (1, 3)
    engine(cloud, maxNodes=3).up(ignore)
    assert [path for method, path in cloud.arm.requests if method == "PUT"] == [step.id]


def test_drift_made_behind_our_back_is_put_right(cloud: FakeCloud) -> None:
    engine(cloud).up(ignore)
    (account,) = cloud.arm.of_type(arm_type("storage account"))
    account["properties"]["allowSharedKeyAccess"] = True
    cloud.arm.requests.clear()
    engine(cloud).up(ignore)
    assert cloud.arm.count("PUT") == 1
    (account,) = cloud.arm.of_type(arm_type("storage account"))
    assert account["properties"]["allowSharedKeyAccess"] is False


def test_what_azure_adds_is_no_difference(cloud: FakeCloud) -> None:
    engine(cloud).up(ignore)
    for item in cloud.arm.resources.values():
        item["properties"]["addedByAzure"] = {"since": "today"}
        if "location" in item:
            item["location"] = "East US 2"
    assert not engine(cloud).plan().has_changes


def test_a_tag_that_is_taken_back_goes_from_azure_too(cloud: FakeCloud) -> None:
    engine(cloud, tags=["team=nlp"]).up(ignore)
    engine(cloud).up(ignore)
    assert all("team" not in item.get("tags", {}) for item in cloud.arm.resources.values())
    assert not engine(cloud).plan().has_changes


def test_a_resource_deleted_by_hand_is_made_again(cloud: FakeCloud) -> None:
    outputs = engine(cloud).up(ignore)
    (cluster,) = cloud.arm.of_type(arm_type("compute cluster"))
    del cloud.arm.resources[cluster["id"].lower()]
    (missing,) = (item for item in engine(cloud).resources() if not item.is_there)
    assert missing.name == outputs.cluster
    engine(cloud).up(ignore)
    assert cloud.arm.of_type(arm_type("compute cluster"))


def test_a_resource_taken_out_of_the_program_is_deleted(cloud: FakeCloud) -> None:
    engine(cloud, _everything_and_a_container).up(ignore)
    extra = [i for i in cloud.arm.resources.values() if i["name"] == "scratch"]
    assert len(extra) == 1
    (gone,) = (s for s in engine(cloud).plan().steps if s.change is Change.GONE)
    assert gone.name == "scratch"
    engine(cloud).up(ignore)
    assert [i for i in cloud.arm.resources.values() if i["name"] == "scratch"] == []
    assert not engine(cloud).plan().has_changes


def _everything_and_a_container(settings: Any, *, engine: str) -> Mapping[str, Any]:
    from pulumi_azure_native import storage

    from infra.program import declare

    exports = declare(settings, engine=engine)
    storage.BlobContainer(
        "scratch",
        container_name="scratch",
        account_name=exports["storage_account"],
        resource_group_name=exports["resource_group"],
    )
    return exports


def test_a_bigger_vm_is_a_new_cluster_and_the_old_one_goes(cloud: FakeCloud) -> None:
    engine(cloud, compute="gpu").up(ignore)
    engine(cloud, compute="cpu").up(ignore)
    (cluster,) = cloud.arm.of_type(arm_type("compute cluster"))
    assert cluster["name"] == "cpu-e16s-v3"


@pytest.mark.parametrize("stopped_at", ["storageAccounts", "workspaces/mlw-local", "computes"])
def test_an_up_that_failed_half_way_is_finished_by_the_next(
    cloud: FakeCloud, stopped_at: str
) -> None:
    cloud.arm.refuse = lambda method, path: method == "PUT" and stopped_at in path
    with pytest.raises(CloudError, match="refused to PUT"):
        engine(cloud).up(ignore)
    assert engine(cloud).outputs() is None
    done = set(cloud.arm.resources)
    assert done == set(Record.of("local").resources)
    cloud.arm.refuse = lambda method, path: False
    cloud.arm.requests.clear()
    engine(cloud).up(ignore)
    sent = [path.lower() for method, path in cloud.arm.requests if method == "PUT"]
    assert not set(sent) & done
    assert not engine(cloud).plan().has_changes


def test_nothing_new_is_begun_after_a_failure(cloud: FakeCloud) -> None:
    cloud.arm.refuse = lambda method, path: method == "PUT" and path.endswith("rg-tunestack-local")
    with pytest.raises(CloudError):
        engine(cloud).up(ignore)
    assert cloud.arm.count("PUT") == 1


def test_an_interrupted_up_begins_nothing_new_and_is_finished_by_the_next(
    cloud: FakeCloud,
) -> None:
    def interrupt(event: Event) -> None:
        if event.title == "storage account" and not event.is_done:
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        engine(cloud).up(interrupt)
    done = set(cloud.arm.resources)
    assert done == set(Record.of("local").resources)
    assert not cloud.arm.of_type(arm_type("workspace"))
    engine(cloud).up(ignore)
    assert not engine(cloud).plan().has_changes


def test_what_failed_is_reported_as_failed(cloud: FakeCloud) -> None:
    events: list[Event] = []
    cloud.arm.refuse = lambda method, path: method == "PUT" and "/vaults/" in path
    with pytest.raises(CloudError):
        engine(cloud).up(events.append)
    (failed,) = (event for event in events if event.error)
    assert failed.title == "key vault"


def test_the_plan_comes_in_the_same_order_every_time(cloud: FakeCloud) -> None:
    first = [step.id for step in engine(cloud).plan().steps]
    assert first == [step.id for step in engine(cloud).plan().steps]
    assert first[0].endswith("/resourceGroups/rg-tunestack-local")


def test_destroy_goes_in_the_opposite_order_and_leaves_nothing(
    cloud: FakeCloud, own_home: Path
) -> None:
    engine(cloud).up(ignore)
    made = [path for method, path in cloud.arm.requests if method == "PUT"]
    cloud.arm.requests.clear()
    gone = engine(cloud).destroy(ignore)
    deleted = [path for method, path in cloud.arm.requests if method == "DELETE"]
    assert cloud.arm.resources == {}
    assert {path.partition("?")[0] for path in deleted} == set(made)
    assert deleted[-1].endswith("/resourceGroups/rg-tunestack-local")
    kinds = [path.rsplit("/", 2)[-2] for path in deleted]
    assert kinds.index("computes") < kinds.index("workspaces") < kinds.index("storageAccounts")
    assert len(gone) == len(made)
    assert list(own_home.rglob("*")) == []


def test_the_engine_purges_nothing_and_deletes_a_cluster_with_its_nodes(cloud: FakeCloud) -> None:
    engine(cloud).up(ignore)
    engine(cloud).destroy(ignore)
    deleted = [path for method, path in cloud.arm.requests if method == "DELETE"]
    assert any(path.endswith("/workspaces/mlw-local") for path in deleted)
    assert any("/computes/" in p and "underlyingResourceAction=Delete" in p for p in deleted)
    assert {item["type"].split("/")[0] for item in cloud.arm.held.values()} == {
        "Microsoft.KeyVault",
        "Microsoft.MachineLearningServices",
        "Microsoft.OperationalInsights",
    }


def test_a_kept_group_is_the_only_thing_that_destroy_leaves(cloud: FakeCloud) -> None:
    engine(cloud).up(ignore)
    gone = engine(cloud).destroy(ignore, keep_group=True)
    (left,) = cloud.arm.resources
    assert left.endswith("/resourcegroups/rg-tunestack-local")
    assert len(gone) == 26


def test_destroy_of_nothing_is_nothing(cloud: FakeCloud) -> None:
    events: list[Event] = []
    assert engine(cloud).destroy(events.append) == ()
    assert [event.change for event in events if event.is_done] == [Change.SAME]


def test_a_destroy_that_failed_half_way_is_finished_by_the_next(cloud: FakeCloud) -> None:
    engine(cloud).up(ignore)
    cloud.arm.refuse = lambda method, path: method == "DELETE" and "storageAccounts" in path
    with pytest.raises(CloudError):
        engine(cloud).destroy(ignore)
    assert cloud.arm.resources
    cloud.arm.refuse = lambda method, path: False
    engine(cloud).destroy(ignore)
    assert cloud.arm.resources == {}


def test_a_lost_record_costs_nothing(cloud: FakeCloud, own_home: Path) -> None:
    engine(cloud).up(ignore)
    (own_home / "stacks" / "local.json").unlink()
    cloud.arm.requests.clear()
    engine(cloud).up(ignore)
    assert cloud.arm.count("PUT") == 0
    (own_home / "stacks" / "local.json").unlink()
    assert engine(cloud).destroy(ignore)
    assert cloud.arm.resources == {}


def test_what_carries_the_stacks_tag_and_is_unknown_goes_with_it(cloud: FakeCloud) -> None:
    engine(cloud).up(ignore)
    (vault,) = cloud.arm.of_type(arm_type("key vault"))
    stray = {**vault, "id": vault["id"] + "-old", "name": vault["name"] + "-old"}
    cloud.arm.resources[stray["id"].lower()] = stray
    (gone,) = (s for s in engine(cloud).plan().steps if s.change is Change.GONE)
    assert gone.name == stray["name"]
    engine(cloud).up(ignore)
    assert stray["id"].lower() not in cloud.arm.resources


def test_another_stacks_resources_are_left_alone(cloud: FakeCloud) -> None:
    engine(cloud, stack="other").up(ignore)
    theirs = set(cloud.arm.resources)
    engine(cloud, stack="local").up(ignore)
    engine(cloud, stack="local").destroy(ignore)
    assert set(cloud.arm.resources) == theirs


def test_the_engine_that_made_a_stack_keeps_it(cloud: FakeCloud) -> None:
    engine(cloud).up(ignore)
    group = next(item for item in cloud.arm.resources.values() if "type" not in item)
    group["tags"]["tunestack-engine"] = "pulumi"
    for work in (engine(cloud).up, engine(cloud).destroy):
        with pytest.raises(PrerequisiteError, match="made by the engine 'pulumi'") as error:
            work(ignore)
        assert "pulumi up -s local" in error.value.hint


def test_a_group_of_somebody_elses_is_not_touched(cloud: FakeCloud) -> None:
    engine(cloud).up(ignore)
    group = next(item for item in cloud.arm.resources.values() if "type" not in item)
    group["tags"] = {}
    with pytest.raises(PrerequisiteError, match="this stack did not make it"):
        engine(cloud).destroy(ignore)


def test_a_wrong_person_type_is_told_before_anything_is_sent() -> None:
    cloud = FakeCloud(is_person=False)
    with pytest.raises(SettingsError, match="personType: is User"):
        engine(cloud).up(ignore)
    assert cloud.arm.requests == []


def test_a_stack_cannot_move(cloud: FakeCloud) -> None:
    engine(cloud, location="eastus2").up(ignore)
    cloud.arm.requests.clear()
    with pytest.raises(SettingsError, match="stands in eastus2"):
        engine(cloud, location="westus3").up(ignore)
    assert cloud.arm.count("PUT") == 0


def test_two_at_once_are_refused(cloud: FakeCloud) -> None:
    with (
        Record.of("local").held(),
        pytest.raises(PrerequisiteError, match="at work on local"),
    ):
        engine(cloud).up(ignore)


def test_every_resource_is_reported_once_when_done(cloud: FakeCloud) -> None:
    events: list[Event] = []
    engine(cloud).up(events.append)
    done = [event.name for event in events if event.is_done]
    assert len(done) == len(set(done)) == cloud.arm.count("PUT")


def test_the_plan_is_a_json_document(cloud: FakeCloud) -> None:
    document = json.loads(json.dumps(engine(cloud).plan().document()))
    assert document["stack"] == "local"
    assert len(document["grants"]) == 14
    training = [p for p in document["prices"] if p["when"] == "training"]
    assert training[0]["per_hour"] == pytest.approx(3.673)
    assert "2026-11-09" in training[0]["source"]
