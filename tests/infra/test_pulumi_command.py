"""How the Pulumi command line is found, started, interrupted and outlived."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from pulumi.automation.errors import CommandError
from pulumi_events import lives_as_pulumi

from core.errors import PrerequisiteError
from core.home import PROJECT
from infra.pulumi_cli import command as pulumi_command
from infra.pulumi_cli import interruption
from infra.pulumi_cli.command import LAUNCH, Command, find_pulumi, work_folder
from infra.pulumi_cli.file_state import mend
from infra.pulumi_cli.interruption import FIRST, SECOND, Interruption
from infra.pulumi_cli.locks import Lock, file_locks, told_locks

ENGINE = """#!{python}
import signal, sys, threading
if sys.argv[1:] == ["version"]:
    print("v{version}"); sys.exit()
asked, over = [], threading.Event()
def on(*_):
    asked.append(1)
    print("asked", len(asked), flush=True)
    if len(asked) == {stubborn}: over.set()
signal.signal(signal.SIGINT, on)
print("up", sys.argv[1:], sys.stdin.read(), flush=True)
{body}
"""


def engine(folder: Path, body: str = "", *, version: str = "3.250.0", stubborn: int = 1) -> Path:
    """Write a command that behaves as Pulumi does: asked to stop, it ends by itself."""
    file = folder / "bin" / "pulumi"
    file.parent.mkdir(exist_ok=True)
    text = ENGINE.format(python=sys.executable, version=version, stubborn=stubborn, body=body)
    file.write_text(text)
    file.chmod(0o755)
    return file


@pytest.fixture
def told() -> list[str]:
    return []


def command(file: Path, told: list[str]) -> Command:
    return Command(file, Interruption(told.append))


def test_the_command_on_path_comes_first_then_the_one_beside_this_python(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_path, beside = engine(tmp_path), tmp_path / "venv" / "bin"
    beside.mkdir(parents=True)
    monkeypatch.setattr(sys, "executable", str(beside / "python"))
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    assert find_pulumi() is None
    (beside / "pulumi").symlink_to(on_path)
    assert find_pulumi() == beside / "pulumi"
    monkeypatch.setenv("PATH", str(on_path.parent))
    assert find_pulumi() == on_path


def test_an_old_command_is_refused_with_the_oldest_that_will_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for version in ("3.100.0", "3.205.9", "nonsense"):
        file = engine(tmp_path, version=version)
        monkeypatch.setattr(pulumi_command, "find_pulumi", lambda found=file: found)
        with pytest.raises(PrerequisiteError, match=r"3\.206\.0 is the oldest") as error:
            pulumi_command.pulumi_command(Interruption(lambda _: None))
        assert "make engine" in error.value.hint


def test_plain_pulumi_and_ours_share_the_folder_of_the_stacks_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TUNESTACK_STACKS", str(tmp_path))
    assert work_folder("dev") == PROJECT
    (tmp_path / "Pulumi.yaml").write_text("name: tunestack\n")
    assert work_folder("dev") == tmp_path


def test_a_command_runs_without_a_prompt_and_gives_what_it_says(
    tmp_path: Path, told: list[str]
) -> None:
    done = command(engine(tmp_path), told).run(["stack", "ls"], str(tmp_path), {})
    assert done.stdout == "up ['--non-interactive', 'stack', 'ls']"


def test_a_failure_is_the_automation_apis_own(tmp_path: Path, told: list[str]) -> None:
    file = engine(tmp_path, "sys.exit('no stack named x found')")
    with pytest.raises(CommandError, match="no stack named x found"):
        command(file, told).run(["stack"], str(tmp_path), {})


WAIT = "sys.exit(0 if over.wait(60) else 3)"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_is_passed_on_once_and_the_engine_ends_by_itself(
    tmp_path: Path, told: list[str], number: signal.Signals
) -> None:
    body = f"import os; os.kill({os.getpid()}, {int(number)})\n{WAIT}"
    before = signal.getsignal(signal.SIGINT)
    done = command(engine(tmp_path, body), told).run(["up", "--client=x"], str(tmp_path), {})
    assert done.stdout.splitlines()[1:] == ["asked 1"]
    assert told == [FIRST]
    assert signal.getsignal(signal.SIGINT) is before


def test_a_second_signal_ends_even_an_engine_that_does_not_listen(
    tmp_path: Path, told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(interruption, "PATIENCE", 0.2)
    press = f"os.kill({os.getpid()}, 2)"
    until_asked = "while not asked: time.sleep(.01)"
    body = "\n".join(["import os, time", press, until_asked, press, WAIT])
    file = engine(tmp_path, body, stubborn=9)
    with pytest.raises(CommandError, match="code: -9"):
        command(file, told).run(["up", "--client=x"], str(tmp_path), {})
    assert told == [FIRST, SECOND]


def test_an_engine_whose_starter_is_killed_is_asked_to_stop_once(tmp_path: Path) -> None:
    log = tmp_path / "log"
    body = f"import os\nopen({str(tmp_path / 'ready')!r}, 'w').write('1')\n{WAIT}"
    file = engine(tmp_path, body)
    starter = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import subprocess, sys, time\n"
            "subprocess.Popen(sys.argv[2:], stdin=subprocess.PIPE, stdout=open(sys.argv[1], 'w'),"
            " start_new_session=True)\n"
            "time.sleep(600)",
            *(str(log), sys.executable, "-I", "-S", str(LAUNCH), str(file), "up"),
        ]
    )
    wait_for((tmp_path / "ready").exists)
    starter.kill()
    starter.wait()
    wait_for(lambda: "asked" in log.read_text())
    assert log.read_text().count("asked") == 1


def test_locks_are_read_from_a_state_in_a_file(tmp_path: Path) -> None:
    folder = tmp_path / ".pulumi" / "locks" / "organization" / "tunestack" / "dev"
    folder.mkdir(parents=True)
    row = {"pid": 7, "username": "me", "hostname": "far", "timestamp": "noon"}
    (folder / "a.json").write_text(json.dumps(row))
    (folder / "b.json").write_text("{")
    assert file_locks(f"file://{tmp_path}", "tunestack", "dev") == [Lock("me", "far", 7, "noon")]
    assert file_locks("azblob://x", "tunestack", "dev") == []


def test_a_state_whose_attributes_a_killed_run_emptied_can_be_read_again(tmp_path: Path) -> None:
    folder = tmp_path / ".pulumi" / "stacks" / "tunestack"
    folder.mkdir(parents=True)
    for name, text in (("dev", ""), ("dev.json.bak", "{}"), ("other", "")):
        (folder / f"{name}.json.attrs").write_text(text)
    (folder / "dev.json").write_text("{}")
    assert mend(f"file://{tmp_path}", "dev") == 1
    left = sorted(file.name for file in folder.iterdir())
    assert left == ["dev.json", "dev.json.bak.json.attrs", "other.json.attrs"]
    assert mend("azblob://x", "dev") == 0


def test_locks_are_read_from_pulumis_refusal() -> None:
    said = "locked by 1 lock(s)\n  azblob://x: created by me@far (pid 7) at noon"
    assert told_locks(said) == [Lock("me", "far", 7, "noon")]


def test_only_a_lock_of_this_machine_can_be_known_to_be_dead() -> None:
    here, gone = socket.gethostname(), subprocess.Popen(["true"])
    gone.wait()
    assert Lock("me", here, gone.pid, "").is_dead
    assert not Lock("me", "far", gone.pid, "").is_dead
    assert Lock("me", here, os.getpid(), "").is_dead  # its number is another program's now
    with lives_as_pulumi() as process:
        assert not Lock("me", here, process.pid, "").is_dead


def test_a_killed_engine_that_nobody_buried_is_dead() -> None:
    with lives_as_pulumi() as process:
        process.kill()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert Lock("me", socket.gethostname(), process.pid, "").is_dead


def wait_for(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.01)
