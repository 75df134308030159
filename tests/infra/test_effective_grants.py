"""After `up` the grants are there and in force: tried until they are, named where they are not."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from recorded_arm import FakeCloud, engine, guid, settings

from core.cloud import Cloud
from core.errors import CloudError
from core.refs import StackOutputs
from infra import probes
from infra.effective import LONGEST_PAUSE, Clock, Effective
from infra.engine import Event, Existing
from infra.granted import lacks, read_grants
from infra.in_process.engine import InProcess
from infra.probes import Refusal, diagnose, try_data
from infra.roles import Grant, Role, assignment_name
from infra.site import Site
from local import faults
from local.process import LocalAzure

NOW = datetime(2020, 1, 1, 0, 5, tzinfo=UTC)
"""Five minutes after the recorded ARM's grants were made."""
FEATURES = {"hub": True, "foundry": True, "privateNetwork": True}
LATE = Refusal("AuthorizationPermissionMismatch: not authorized")
WORKSPACE = "/workspaces/mlw-local"


@dataclass
class Time:
    """Passes only where somebody waits."""

    seconds: float = 0.0
    pauses: list[float] = field(default_factory=list)

    def pause(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.seconds += seconds

    @property
    def clock(self) -> Clock:
        return Clock(lambda: self.seconds, self.pause, lambda: NOW)


@dataclass
class Stack:
    """A stack of the in-process engine, and what was told while it was worked."""

    cloud: Any
    engine: InProcess
    site: Site
    time: Time = field(default_factory=Time)
    notes: list[str] = field(default_factory=list)

    @classmethod
    def recorded(cls, cloud: FakeCloud, **chosen: Any) -> "Stack":
        site = Site(settings(**chosen), cloud.subscription_id, "local")
        return cls(cloud, engine(cloud, **chosen), site)

    @property
    def effective(self) -> Effective:
        return Effective(self.site, self.engine, self.cloud, self.note, self.time.clock)

    def note(self, event: Event) -> None:
        if event.change == "note":
            self.notes.append(event.name)

    def bring_up(self) -> StackOutputs:
        outputs = self.effective.up()
        self.effective.wait(outputs)
        return outputs


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> list[Refusal]:
    """What the next tries at the data are answered; nothing left means that they go through."""
    told: list[Refusal] = []
    monkeypatch.setattr(probes, "try_data", lambda *_: told.pop(0) if told else None)
    monkeypatch.setattr(probes, "diagnose", lambda *_: None)
    return told


def test_grants_that_are_in_force_are_not_waited_for(
    cloud: FakeCloud, answers: list[Refusal]
) -> None:
    stack = Stack.recorded(cloud)
    stack.bring_up()
    assert stack.time.pauses == []
    assert not any("Waiting" in note for note in stack.notes)
    assert "first job" in stack.notes[-1] and "endpoint identity" in stack.notes[-1]


def test_a_late_grant_is_tried_at_growing_intervals_until_it_counts(
    cloud: FakeCloud, answers: list[Refusal]
) -> None:
    answers += [LATE, LATE, LATE]
    stack = Stack.recorded(cloud)
    stack.bring_up()
    assert stack.time.pauses == [0.5, 1, 2]
    waiting = [note for note in stack.notes if note.startswith("Waiting")]
    assert waiting[-1] == "Waiting until your right to the stack's data is in force, 2 s"


def test_the_wait_ends_with_azures_ten_minutes_and_says_what_goes_on(
    cloud: FakeCloud, answers: list[Refusal]
) -> None:
    answers += [LATE] * 1000
    stack = Stack.recorded(cloud)
    with pytest.raises(CloudError) as caught:
        stack.bring_up()
    assert str(caught.value) == f"Your right to the stack's data is not in force yet: {LATE.told}"
    assert "tunestack up --stack local goes on waiting" in caught.value.hint
    assert 600 <= stack.time.seconds < 600 + LONGEST_PAUSE
    assert max(stack.time.pauses) == LONGEST_PAUSE


def test_what_no_waiting_ends_is_told_once_and_holds_nothing_up(
    cloud: FakeCloud, answers: list[Refusal]
) -> None:
    answers += [Refusal("the firewall refuses", passes=False), LATE]
    stack = Stack.recorded(cloud)
    stack.bring_up()
    assert stack.notes.count("the firewall refuses") == 1
    assert answers == [LATE] and stack.time.pauses == []


@pytest.mark.parametrize(("minutes", "is_tried"), [(9, True), (11, False)])
def test_a_grant_older_than_azures_ten_minutes_is_taken_for_in_force(
    cloud: FakeCloud, answers: list[Refusal], minutes: int, is_tried: bool
) -> None:
    stack = Stack.recorded(cloud)
    stack.bring_up()
    for assignment in cloud.arm.of_type("Microsoft.Authorization/roleAssignments"):
        assignment["properties"]["createdOn"] = (NOW - timedelta(minutes=minutes)).isoformat()
    answers += [LATE]
    stack.notes.clear()
    stack.bring_up()
    assert (answers == []) is is_tried
    assert bool(stack.notes) is is_tried


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> tuple[Stack, Sequence[Existing]]:
    """A stack with every feature that grants something, and what its state names."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TUNESTACK_HOME", str(tmp_path_factory.mktemp("full")))
        stack = Stack.recorded(FakeCloud(), **FEATURES)
        stack.effective.up()
        return stack, stack.engine.resources()


@pytest.mark.parametrize("grant", Site(settings(**FEATURES), "", "").grants, ids=lambda g: g.name)
def test_a_missing_grant_is_named_with_holder_role_scope_and_operation(
    full: tuple[Stack, Sequence[Existing]], grant: Grant
) -> None:
    stack, state = full
    (id,) = [item.id.lower() for item in state if item.name == grant.name]
    resources = stack.cloud.arm.resources
    taken = resources.pop(id)
    (line,) = lacks(read_grants(stack.site, state, stack.cloud.arm))
    resources[id] = taken
    for words in (grant.who, grant.role.title, grant.scope, grant.needed_by, grant.reason):
        assert words in line
    assert lacks(read_grants(stack.site, state, stack.cloud.arm)) == []


def test_every_grant_has_the_id_of_its_triple_and_says_for_what_kind(
    full: tuple[Stack, Sequence[Existing]],
) -> None:
    stack, _ = full
    roles = {role.guid: role for role in Role}
    kinds = set()
    assignments = stack.cloud.arm.of_type("Microsoft.Authorization/roleAssignments")
    for assignment in assignments:
        sent, scope = assignment["properties"], assignment["id"].rpartition("/providers/")[0]
        role = roles[sent["roleDefinitionId"].rpartition("/")[2]]
        assert assignment["name"] == assignment_name(sent["principalId"], role, scope)
        kinds.add((sent["principalType"], sent["principalId"] == stack.cloud.person().object_id))
    assert len(assignments) == len(stack.site.grants)
    assert kinds == {("User", True), ("ServicePrincipal", False)}


def test_the_wait_ends_at_once_where_a_grant_is_missing_and_up_makes_it_again(
    cloud: FakeCloud, answers: list[Refusal]
) -> None:
    stack = Stack.recorded(cloud)
    outputs = stack.effective.up()
    (pull,) = [item for item in stack.engine.resources() if item.name.startswith("job-acrpull")]
    del cloud.arm.resources[pull.id.lower()]
    with pytest.raises(CloudError) as caught:
        stack.effective.wait(outputs)
    assert "job identity (id-local-job) lacks AcrPull on the container registry" in str(
        caught.value
    )
    assert "tunestack up --stack local" in caught.value.hint
    assert stack.time.pauses == []
    stack.bring_up()


def test_a_stack_that_was_never_up_lacks_every_grant(cloud: FakeCloud) -> None:
    stack = Stack.recorded(cloud)
    found = read_grants(stack.site, stack.engine.resources(), cloud.arm)
    assert len(lacks(found)) == len(stack.site.grants)


def refused(told: str, times: int, code: str = "AuthorizationFailed") -> Any:
    """Let Azure refuse the workspace so many times."""
    left = [times]

    def refuse(method: str, path: str) -> bool | CloudError:
        if method != "PUT" or not path.endswith(WORKSPACE) or not left[0]:
            return False
        left[0] -= 1
        return CloudError(f"Azure refused to PUT {path}: {code}: {told}", code=code, status=403)

    return refuse


def test_a_workspace_that_azure_refuses_its_new_grants_is_made_when_they_count(
    cloud: FakeCloud, answers: list[Refusal]
) -> None:
    cloud.arm.refuse = refused("The client 'id-local-workspace' has no authorization", 3)
    stack = Stack.recorded(cloud)
    stack.bring_up()
    assert stack.time.pauses == [0.5, 1, 2]
    assert cloud.arm.of_type("Microsoft.MachineLearningServices/workspaces")
    assert any("does not count new grants yet" in note for note in stack.notes)


@pytest.mark.parametrize(
    "told",
    [
        f"The client with object id '{guid('person')}' does not have authorization",
        "PUT /providers/Microsoft.Authorization/roleAssignments/x: ServiceUnavailable",
        "Quota is used",
    ],
    ids=["the person's own right", "a grant's path", "another reason"],
)
def test_a_refusal_that_waiting_cannot_end_is_not_waited_for(
    cloud: FakeCloud, answers: list[Refusal], told: str
) -> None:
    cloud.arm.refuse = refused(told, 1, code="Refused")
    stack = Stack.recorded(cloud)
    with pytest.raises(CloudError):
        stack.bring_up()
    assert stack.time.pauses == []


@dataclass
class Diagnosis:
    """An Azure ML that finds what it is given."""

    found: dict[str, Any] | CloudError

    def post(self, path: str, api_version: str, body: dict[str, Any]) -> dict[str, Any]:
        assert path == "/ws/diagnose" and "storageAccount" in body["value"]
        if isinstance(self.found, CloudError):
            raise self.found
        return {"value": self.found}


def row(level: str, message: str) -> list[dict[str, str]]:
    return [{"code": "Code", "level": level, "message": message}]


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ({}, None),
        ({"storageAccountResults": []}, None),
        ({"storageAccountResults": row("Warning", "lacks permission")}, None),
        ({"dnsResolutionResults": row("Error", "no permission")}, None),
        ({"keyVaultResults": row("Error", "no permission")}, Refusal("Code: no permission", True)),
        ({"keyVaultResults": row("Error", "not found")}, Refusal("Code: not found", False)),
    ],
)
def test_of_a_diagnosis_errors_at_the_stores_count_and_of_them_those_of_rights_may_pass(
    found: dict[str, Any], expected: Refusal | None
) -> None:
    assert diagnose(Diagnosis(found), "/ws") == expected  # type: ignore[arg-type]


def test_a_diagnosis_that_azure_refuses_is_told_and_not_waited_for() -> None:
    refused = Diagnosis(CloudError("no", status=400))
    refusal = diagnose(refused, "/ws")  # type: ignore[arg-type]
    assert refusal is not None and not refusal.passes and "own rights: no" in refusal.told


def test_an_azure_that_is_not_reached_is_an_error() -> None:
    with pytest.raises(CloudError, match="unreachable"):
        diagnose(Diagnosis(CloudError("unreachable")), "/ws")  # type: ignore[arg-type]


@pytest.fixture
def on_local(
    local_azure: LocalAzure, azure_folder: Path, request: pytest.FixtureRequest
) -> Iterator[Stack]:
    """A stack of the test's own on the local Azure, not up yet: Azure holds a vault's name."""
    cloud = Cloud.sign_in(os.environ["AZURE_SUBSCRIPTION_ID"])
    chosen = settings(personType="ServicePrincipal", compute="cpu")
    name = "late" if "late" in request.node.name else "lost"
    site = Site(chosen, cloud.subscription_id, name)
    stack = Stack(cloud, InProcess(name, chosen, cloud), site)
    yield stack
    faults.delay_roles(azure_folder, 0)
    stack.engine.destroy(stack.note)


@pytest.mark.slow
def test_on_local_late_grants_are_waited_out_by_trying_and_nothing_sleeps(
    on_local: Stack, azure_folder: Path
) -> None:
    """Slow: several runs of `up` until the grants count."""
    faults.delay_roles(azure_folder, 1)
    outputs = on_local.bring_up()
    assert try_data(on_local.cloud, outputs) is None
    workspace = f"{on_local.site.group_id}/providers/Microsoft.MachineLearningServices{WORKSPACE}"
    workspace = workspace.replace("mlw-local", outputs.workspace)
    assert diagnose(on_local.cloud.arm, workspace) is None
    told = " ".join(on_local.notes)
    assert "does not count new grants yet" in told
    assert "Waiting until your right to the stack's data" in told


def test_on_local_the_try_leaves_nothing_and_a_lost_right_is_seen(on_local: Stack) -> None:
    from azure.storage.blob import ContainerClient

    outputs = on_local.bring_up()
    url = f"https://{outputs.storage_account}.blob.core.windows.net"
    with ContainerClient(url, "data", credential=on_local.cloud.credential) as client:
        assert list(client.list_blob_names()) == []
    name = "person-storage-blob-data-contributor-storage-account"
    (found,) = [item for item in on_local.engine.resources() if item.name == name]
    assert on_local.cloud.arm.delete(found.id, "2022-04-01")
    refusal = try_data(on_local.cloud, outputs)
    assert refusal is not None and refusal.passes
    assert "AuthorizationPermissionMismatch" in refusal.told
    with pytest.raises(CloudError, match=r"person .* lacks Storage Blob Data Contributor"):
        on_local.effective.wait(outputs)
    on_local.bring_up()
    assert try_data(on_local.cloud, outputs) is None
