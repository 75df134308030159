"""What of the Pulumi engine can be tested without its command line."""

from pathlib import Path
from typing import Any

import pytest
from pulumi.automation import CommandResult, EngineEvent
from pulumi.automation.errors import CommandError, ConcurrentUpdateError
from recorded_arm import FakeCloud, engine, ignore, settings

from core.errors import CloudError, NotSignedIn, PrerequisiteError
from infra import automation
from infra.automation import Automation, Watch, environment, translated
from infra.engine import Change, Event, open_engine
from infra.inprocess import InProcess
from infra.preview import offline_plan
from infra.site import PULUMI, Site

URN = "urn:pulumi:dev::tunestack::tunestack:infra:Stores${type}::{name}"
STORAGE = "azure-native:storage:StorageAccount"


@pytest.fixture
def no_pulumi(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))


def event(kind: str, op: str, *, type: str = STORAGE, name: str = "storage") -> EngineEvent:
    """Write an event as Pulumi's stream does."""
    urn = URN.format(type=type, name=name)
    state = {"type": type, "urn": urn, "id": "", "parent": "", "provider": ""}
    old = {**state, "inputs": {"kind": "old"}} if op != "create" else None
    new = {**state, "inputs": {"kind": "new"}} if op != "delete" else None
    metadata = {"op": op, "urn": urn, "type": type, "provider": "", "old": old, "new": new}
    if op == "update":
        metadata["diffs"] = ["kind"]
    return EngineEvent.from_json({"sequence": 1, "timestamp": 1, kind: {"metadata": metadata}})


def test_the_rehearsal_gets_the_in_process_engine_and_the_others_pulumi(cloud: FakeCloud) -> None:
    given: Any = cloud
    assert isinstance(open_engine("local", settings(), given), InProcess)
    assert isinstance(open_engine("dev", settings(), given), Automation)


@pytest.mark.usefixtures("no_pulumi")
def test_a_missing_pulumi_is_answered_with_how_to_get_it(cloud: Any) -> None:
    for work in (
        lambda: Automation("dev", settings(), cloud).up(ignore),
        lambda: Automation("dev", settings(), cloud).destroy(ignore),
        lambda: Automation("dev", settings(), cloud).outputs(),
    ):
        with pytest.raises(PrerequisiteError, match="Pulumi command line is missing") as error:
            work()
        assert "make engine" in error.value.hint
    assert cloud.arm.count("PUT") == 0


@pytest.mark.usefixtures("no_pulumi")
def test_without_pulumi_the_plan_is_read_from_azure_and_says_so(cloud: Any) -> None:
    plan = Automation("dev", settings(), cloud).plan()
    assert {step.change for step in plan.steps} == {Change.NEW}
    assert "without Pulumi" in plan.note
    assert cloud.arm.count("PUT") == 0
    engine(cloud, stack="dev").up(ignore)
    changed = [s for s in Automation("dev", settings(), cloud).plan().steps if s.differences]
    assert [[d.path for d in step.differences] for step in changed] == [["tags.tunestack-engine"]]


def test_without_a_sign_in_the_plan_says_what_it_cannot_know() -> None:
    plan = offline_plan("dev", settings(), PULUMI, str(NotSignedIn("Not signed in.")))
    assert {step.change for step in plan.steps} == {Change.UNKNOWN}
    assert len(plan.grants) == 14
    assert plan.note == "Not signed in."


def test_pulumi_and_its_provider_never_stop_at_a_prompt(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PULUMI_CONFIG_PASSPHRASE", "PULUMI_CONFIG_PASSPHRASE_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AZURE_CLIENT_ID", "app")
    monkeypatch.setenv("AZURE_CLIENT_SECRET", "secret")
    monkeypatch.setenv("AZURE_TENANT_ID", "tenant")
    chosen = settings(backend="file://~")
    assert environment(chosen, Site(chosen, "sub", "dev")) == {
        "PULUMI_SKIP_UPDATE_CHECK": "true",
        "PULUMI_BACKEND_URL": "file://~",
        "PULUMI_CONFIG_PASSPHRASE": "",
        "ARM_SUBSCRIPTION_ID": "sub",
        "ARM_CLIENT_ID": "app",
        "ARM_CLIENT_SECRET": "secret",
        "ARM_TENANT_ID": "tenant",
    }


def test_a_persons_own_passphrase_and_login_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE_FILE", "/a/file")
    found = environment(settings(), Site(settings(), "sub", "dev"))
    assert "PULUMI_CONFIG_PASSPHRASE" not in found
    assert "PULUMI_BACKEND_URL" not in found


def test_pulumis_events_become_ours() -> None:
    events: list[Event] = []
    watch = Watch(events.append)
    watch(event("resourcePreEvent", "create"))
    watch(event("resOutputsEvent", "create"))
    watch(event("resourcePreEvent", "same", name="vault"))
    watch(event("resOutputsEvent", "same", name="vault"))
    assert [(e.name, e.title, e.change, e.is_done) for e in events] == [
        ("storage", "storage account", Change.NEW, False),
        ("storage", "storage account", Change.NEW, True),
        ("vault", "storage account", Change.SAME, True),
    ]


def test_a_preview_names_what_differs() -> None:
    watch = Watch(ignore)
    watch(event("resourcePreEvent", "update"))
    watch(event("resourcePreEvent", "delete", name="old"))
    changed, gone = watch.steps
    (difference,) = changed.differences
    assert (difference.path, difference.before, difference.after) == ("kind", "old", "new")
    assert (gone.name, gone.change) == ("old", Change.GONE)


def test_what_is_no_azure_resource_is_no_step() -> None:
    watch = Watch(ignore)
    watch(event("resourcePreEvent", "create", type="pulumi:pulumi:Stack"))
    watch(event("resourcePreEvent", "create", type="tunestack:infra:Stores"))
    assert watch.steps == []


def test_a_failed_resource_is_reported_as_failed() -> None:
    events: list[Event] = []
    watch = Watch(events.append)
    watch(event("resourcePreEvent", "create"))
    watch(event("resOpFailedEvent", "create"))
    assert (events[-1].is_done, events[-1].error) == (True, "failed")


def test_what_azure_said_is_what_the_person_reads() -> None:
    watch = Watch(ignore)
    watch(
        EngineEvent.from_json(
            {
                "sequence": 1,
                "timestamp": 1,
                "diagnosticEvent": {
                    "message": "Code=QuotaExceeded\n",
                    "color": "never",
                    "severity": "error",
                },
            }
        )
    )
    with pytest.raises(CloudError, match="QuotaExceeded"), translated("up", "dev", watch):
        raise CommandError(CommandResult(stdout="", stderr="noise", code=255))


def test_without_azures_words_pulumis_own_are_shown() -> None:
    with pytest.raises(CloudError, match="no such backend"), translated("up", "dev", Watch(ignore)):
        raise CommandError(CommandResult(stdout="", stderr="no such backend", code=255))


def test_a_held_stack_is_answered_with_what_frees_it() -> None:
    held = ConcurrentUpdateError(CommandResult(stdout="", stderr="locked", code=255))
    with (
        pytest.raises(PrerequisiteError, match="holds the stack dev") as error,
        translated("up", "dev", Watch(ignore)),
    ):
        raise held
    assert "pulumi cancel -s dev" in error.value.hint


def test_the_in_process_engines_stack_is_refused_with_a_hint(
    cloud: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine(cloud, stack="dev").up(ignore)
    monkeypatch.setattr(Automation, "_open", lambda self, **_: None)
    with pytest.raises(PrerequisiteError, match="made by the engine 'in-process'"):
        Automation("dev", settings(), cloud).up(ignore)


def test_the_vaults_name_is_said_to_be_held_after_a_destroy(cloud: Any) -> None:
    (note,) = Automation("dev", settings(), cloud)._holds()
    assert "kv-dev-" in note
    assert "az keyvault purge" in note
    assert automation.CHANGES["replace"] is Change.CHANGED
