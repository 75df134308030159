"""What of the Pulumi engine can be tested without its command line."""

import socket
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pulumi.automation import CommandResult
from pulumi.automation.errors import CommandError, ConcurrentUpdateError
from pulumi_events import diagnostic, event, lives_as_pulumi
from recorded_arm import SUBSCRIPTION, FakeCloud, engine, ignore, settings

from core.errors import CloudError, Interrupted, NotSignedIn, PrerequisiteError, SettingsError
from infra.engine import Change, Event, open_engine
from infra.in_process.engine import InProcess
from infra.in_process.preview import offline_plan
from infra.pulumi_cli import command as pulumi_command
from infra.pulumi_cli import stack as pulumi_stack
from infra.pulumi_cli.automation import Automation
from infra.pulumi_cli.backend import check_backend
from infra.pulumi_cli.command import environment
from infra.pulumi_cli.stack import PulumiStack
from infra.site import PULUMI, Site

LOCKED = "the stack is currently locked by 1 lock(s).\n  file:///s: created by me@{} (pid {}) at {}"


@pytest.fixture
def no_pulumi(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pulumi_command, "find_pulumi", lambda: None)


@pytest.fixture
def stack() -> PulumiStack:
    return PulumiStack(Site(settings(), SUBSCRIPTION, "dev"), lambda: None)


def result(stderr: str = "", code: int = 255) -> CommandResult:
    return CommandResult(stdout="", stderr=stderr, code=code)


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
    assert environment(Site(chosen, "sub", "dev")) == {
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
    found = environment(Site(settings(), "sub", "dev"))
    assert "PULUMI_CONFIG_PASSPHRASE" not in found
    assert "PULUMI_BACKEND_URL" not in found


def raising(error: Exception) -> Any:
    def call() -> None:
        raise error

    return call


def test_what_azure_said_is_what_the_person_reads(stack: PulumiStack) -> None:
    watch = stack.watch()
    watch(diagnostic('Code="QuotaExceeded" Message="No cores."'))
    with pytest.raises(CloudError, match="QuotaExceeded: No cores") as error:
        stack.work("up", raising(CommandError(result("noise"))), watch)
    assert "tunestack up --stack dev" in error.value.hint


def test_without_azures_words_pulumis_own_are_shown(stack: PulumiStack) -> None:
    with pytest.raises(CloudError, match=r"plan dev: no such thing$"):
        stack.work("plan", raising(CommandError(result("error: no such thing"))))


def test_an_engine_that_was_killed_is_said_to_be(stack: PulumiStack) -> None:
    with pytest.raises(CloudError, match="killed by signal 9"):
        stack.work("up", raising(CommandError(result(code=-9))))


@pytest.mark.parametrize(
    ("told", "message", "hint"),
    [
        ("error: incorrect passphrase", "another passphrase", "PULUMI_CONFIG_PASSPHRASE"),
        ("error: passphrase must be set with", "another passphrase", "PULUMI_CONFIG_PASSPHRASE"),
        ("PULUMI_ACCESS_TOKEN must be set for login", "signed in to Pulumi Cloud", "pulumi login"),
        ("unable to open bucket file:///x", "cannot be used", "A folder must exist"),
        ('read ".pulumi/meta.yaml": blob (key "x")', "cannot be used", "az login"),
    ],
)
def test_what_a_person_must_put_right_is_no_failure_of_azure(
    stack: PulumiStack, told: str, message: str, hint: str
) -> None:
    with pytest.raises(PrerequisiteError, match=message) as error:
        stack.work("open", raising(CommandError(result(told))))
    assert hint in error.value.hint


def test_a_stack_held_from_another_machine_is_answered_with_what_frees_it(
    stack: PulumiStack,
) -> None:
    held = ConcurrentUpdateError(result(LOCKED.format("far-away", 7, "noon")))
    with pytest.raises(PrerequisiteError, match=r"process 7\) of me on far-away") as error:
        stack.work("up", raising(held))
    assert "pulumi cancel -s dev" in error.value.hint


def test_a_state_that_this_commands_own_run_left_broken_is_mended_before_it_is_read(
    stack: PulumiStack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PULUMI_BACKEND_URL", f"file://{tmp_path}")
    attributes = tmp_path / ".pulumi" / "stacks" / "tunestack" / "dev.json.attrs"
    attributes.parent.mkdir(parents=True)

    def killed() -> None:
        attributes.write_text("")
        raise CommandError(result("", code=-9))

    with pytest.raises(CloudError):
        stack.work("destroy", killed)
    assert stack.work("read the state of", attributes.exists) is False


def test_the_lock_of_a_process_that_is_gone_is_released_and_said_to_be(stack: PulumiStack) -> None:
    gone = subprocess.Popen(["true"])
    gone.wait()
    notes: list[Event] = []
    stack.report, canceled, calls = notes.append, [], []
    stack._stack = SimpleNamespace(cancel=lambda: canceled.append(1))  # type: ignore[assignment]

    def call() -> str:
        calls.append(1)
        if not canceled:
            raise ConcurrentUpdateError(
                result(LOCKED.format(socket.gethostname(), gone.pid, "noon"))
            )
        return "done"

    assert stack.work("up", call) == "done"
    assert len(calls) == 2
    assert f"process {gone.pid}" in notes[0].name


def test_the_lock_of_a_living_process_is_never_released(stack: PulumiStack) -> None:
    stack._stack = SimpleNamespace(cancel=lambda: pytest.fail("released"))  # type: ignore[assignment]
    with lives_as_pulumi() as process:
        told = LOCKED.format(socket.gethostname(), process.pid, "noon")
        with pytest.raises(PrerequisiteError, match="held by pulumi"):
            stack.work("up", raising(ConcurrentUpdateError(result(told))))


def test_an_interrupted_run_says_what_is_there_and_what_goes_on(
    stack: PulumiStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    stack._interruption.count = 1
    monkeypatch.setattr(pulumi_stack.PulumiStack, "rows", lambda self, _: [{}] * 12)
    stack._stack = SimpleNamespace()  # type: ignore[assignment]
    watch = stack.watch()
    watch(event("resourcePreEvent", "create"))
    with pytest.raises(Interrupted, match="names 12 resources") as error:
        stack.work("up", raising(CommandError(result())), watch)
    assert "storage account storage" in str(error.value)
    assert error.value.hint.startswith("tunestack up --stack dev goes on; tunestack destroy")
    assert error.value.exit_code == 130


def test_the_in_process_engines_stack_is_refused_with_a_hint(
    cloud: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine(cloud, stack="dev").up(ignore)
    monkeypatch.setattr(PulumiStack, "open", lambda self, _: None)
    with pytest.raises(PrerequisiteError, match="made by the engine 'in-process'"):
        Automation("dev", settings(), cloud).up(ignore)


def test_a_blob_without_its_storage_account_is_refused_with_what_to_write(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("AZURE_STORAGE_ACCOUNT", raising=False)
    with pytest.raises(PrerequisiteError, match="no storage account") as error:
        check_backend(settings(backend="azblob://state"))
    assert "azblob://state?storage_account=NAME" in error.value.hint
    check_backend(settings(backend="azblob://state?storage_account=st1"))
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT", "st1")
    check_backend(settings(backend="azblob://state"))


@pytest.mark.parametrize(
    "key", ["file:/x", "azblob://S", "azblob://a--b?storage_account=x", "https://", "ftp://x"]
)
def test_a_backend_that_pulumi_has_not_is_refused_with_one_that_it_has(key: str) -> None:
    with pytest.raises(SettingsError, match="is no backend; for example"):
        settings(backend=key)


@pytest.mark.parametrize("key", ["azurekeyvault://kv", "vault", "passphrase:x"])
def test_a_secrets_provider_that_pulumi_has_not_is_refused(key: str) -> None:
    with pytest.raises(SettingsError, match="is no secrets provider; for example"):
        settings(secretsProvider=key)
