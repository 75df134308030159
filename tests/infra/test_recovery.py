"""A state and Azure are brought together after a run that was killed."""

from typing import Any

import pytest
from recorded_arm import SUBSCRIPTION, FakeCloud, settings

from infra.engine import Change, Event
from infra.pulumi_cli.recovery import Recovery
from infra.pulumi_cli.strays import delete_strays
from infra.pulumi_cli.watch import Refused
from infra.site import STACK_TAG, Site

SITE = Site(settings(), SUBSCRIPTION, "dev")
TYPE = "azure-native:storage:StorageAccount"
API = "2024-01-01"
URN = f"urn:pulumi:dev::tunestack::{TYPE}::storage"
ID = f"{SITE.group_id}/providers/Microsoft.Storage/storageAccounts/st1"
GROUP = {"location": "eastus2", "tags": SITE.tags}
BODY = {"location": "eastus2", "tags": SITE.tags, "properties": {}}


def pending(kind: str = "creating") -> dict[str, Any]:
    inputs = {"resourceGroupName": SITE.names.group, "accountName": "st1", "tags": SITE.tags}
    row = {"urn": URN, "type": TYPE, "custom": True, "inputs": inputs, "dependencies": ["d"]}
    return {"resources": [], "pending_operations": [{"resource": row, "type": kind}]}


@pytest.fixture
def events() -> list[Event]:
    return []


@pytest.fixture
def recovery(cloud: FakeCloud, events: list[Event]) -> Recovery:
    return Recovery(SITE, cloud.arm, events.append, sleep=lambda _: None)  # type: ignore[arg-type]


def test_what_azure_made_before_the_run_was_killed_is_taken_into_the_state(
    cloud: FakeCloud, recovery: Recovery, events: list[Event]
) -> None:
    cloud.arm.put(ID, API, BODY)
    state = pending()
    assert recovery.take_creations(state)
    (row,) = state["resources"]
    assert (row["id"], row["urn"], row["dependencies"]) == (ID, URN, ["d"])
    assert row["outputs"]["id"] == ID
    assert "initErrors" not in row
    assert "pending_operations" not in state
    assert [(e.change, e.name) for e in events] == [(Change.TAKEN, "st1")]


def test_what_azure_did_not_make_is_forgotten(recovery: Recovery, events: list[Event]) -> None:
    state = pending()
    assert recovery.take_creations(state)
    assert state == {"resources": []}
    assert events == []


def test_a_resource_that_azure_failed_to_make_is_sent_again(
    cloud: FakeCloud, recovery: Recovery
) -> None:
    cloud.arm.put(ID, API, BODY)
    cloud.arm.resources[ID.lower()]["properties"]["provisioningState"] = "Failed"
    state = pending()
    recovery.take_creations(state)
    assert state["resources"][0]["initErrors"] == ["Azure says: Failed"]


def test_a_resource_that_azure_is_still_making_is_waited_for(
    cloud: FakeCloud, events: list[Event]
) -> None:
    cloud.arm.put(ID, API, BODY)
    properties = cloud.arm.resources[ID.lower()]["properties"]
    properties["provisioningState"] = "Creating"
    waits: list[float] = []

    def sleep(seconds: float) -> None:
        waits.append(seconds)
        properties["provisioningState"] = "Succeeded" if len(waits) == 3 else "Creating"

    arm: Any = cloud.arm
    state = pending()
    Recovery(SITE, arm, events.append, sleep).take_creations(state)
    assert len(waits) == 3
    assert "initErrors" not in state["resources"][0]


def test_a_resource_that_was_replaced_is_not_named_twice(
    cloud: FakeCloud, recovery: Recovery
) -> None:
    cloud.arm.put(ID, API, BODY)
    state = pending()
    state["resources"] = [{"urn": URN, "pendingReplacement": True}, {"urn": URN, "delete": True}]
    recovery.take_creations(state)
    assert [bool(row.get("delete")) for row in state["resources"]] == [True, False]


def test_what_was_being_changed_or_deleted_is_left_to_a_refresh(recovery: Recovery) -> None:
    for kind in ("updating", "deleting"):
        state = pending(kind)
        state["resources"] = [{"urn": URN}]
        assert recovery.interrupted(state) == [URN]
    assert recovery.interrupted(pending("creating")) == []


def test_what_the_state_names_and_azure_has_not_is_found(
    cloud: FakeCloud, recovery: Recovery
) -> None:
    rows = [{"urn": URN, "type": TYPE, "id": ID}, {"urn": "other", "type": TYPE, "id": ID + "2"}]
    cloud.arm.put(ID, API, BODY)
    assert recovery.missing(rows) == {"other"}
    cloud.arm.resources[ID.lower()]["properties"]["provisioningState"] = "Deleting"
    assert recovery.missing(rows) == {URN, "other"}
    cloud.arm.refuse = lambda method, path: True
    assert recovery.missing(rows) == set()


def test_what_is_being_deleted_is_waited_for_and_told_of_once(
    cloud: FakeCloud, events: list[Event]
) -> None:
    cloud.arm.put(ID, API, BODY)
    cloud.arm.resources[ID.lower()]["properties"]["provisioningState"] = "Deleting"
    waits: list[float] = []

    def sleep(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 3:
            cloud.arm.delete(ID, API)

    arm: Any = cloud.arm
    found = Recovery(SITE, arm, events.append, sleep)
    assert found.missing([{"urn": URN, "type": TYPE, "id": ID}], waits=True) == {URN}
    assert [event.name for event in events] == ["Azure is still at work on st1: Deleting."]


def refused(tags: dict[str, str] | None) -> Refused:
    state: Any = type("State", (), {})()
    state.urn, state.type, state.parent, state.provider = URN, TYPE, "p", "v"
    state.inputs = pending()["pending_operations"][0]["resource"]["inputs"]
    if tags is None:
        del state.inputs["tags"]
    return Refused(ID, state)


def test_what_carries_the_stacks_tag_is_taken_over_without_a_note_of_the_engine(
    cloud: FakeCloud, recovery: Recovery
) -> None:
    cloud.arm.put(ID, API, BODY)
    state: dict[str, Any] = {}
    assert recovery.take_refused(state, [refused(SITE.tags)])
    (row,) = state["resources"]
    assert (row["id"], row["provider"], row["parent"], row["custom"]) == (ID, "v", "p", True)


@pytest.mark.parametrize("tags", [{}, {STACK_TAG: "other"}])
def test_what_another_made_is_never_taken_over(
    cloud: FakeCloud, recovery: Recovery, tags: dict[str, str]
) -> None:
    cloud.arm.put(ID, API, {**BODY, "tags": tags})
    state: dict[str, Any] = {}
    assert not recovery.take_refused(state, [refused(SITE.tags)])
    assert not state.get("resources")


def test_what_takes_no_tags_is_known_by_its_name(cloud: FakeCloud, recovery: Recovery) -> None:
    cloud.arm.put(ID, API, {**BODY, "tags": {}})
    assert recovery.take_refused({}, [refused(None)])


def test_what_only_its_tag_betrays_is_deleted_and_the_group_last(cloud: FakeCloud) -> None:
    cloud.arm.put(SITE.group_id, "2021-04-01", GROUP)
    cloud.arm.put(ID, API, BODY)
    arm: Any = cloud.arm
    gone = delete_strays(arm, SITE, lambda event: None)
    assert [item.title for item in gone] == ["storage account", "resource group"]
    assert cloud.arm.resources == {}
    assert delete_strays(arm, SITE, lambda event: None) == ()


def test_a_group_that_stays_and_one_that_is_anothers_are_not_deleted(cloud: FakeCloud) -> None:
    arm: Any = cloud.arm
    cloud.arm.put(SITE.group_id, "2021-04-01", GROUP)
    assert delete_strays(arm, SITE, lambda event: None, keep_group=True) == ()
    cloud.arm.put(SITE.group_id, "2021-04-01", {"location": "eastus2", "tags": {}})
    assert delete_strays(arm, SITE, lambda event: None) == ()
    adopted = Site(settings(adoptGroup="rg-shared"), SUBSCRIPTION, "dev")
    cloud.arm.put(adopted.group_id, "2021-04-01", GROUP)
    assert delete_strays(arm, adopted, lambda event: None) == ()
    assert len(cloud.arm.resources) == 2
