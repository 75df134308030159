"""The node program: what it runs ends, how it ended is known, and nothing stays behind."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from local.runner.processes import Child, Command, Exit, Processes, Task, recorded_exit


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., Child]:
    """Run shell lines under a node."""

    def start(*lines: str, timeout: float | None = None, grace: float = 5) -> Child:
        commands = [
            Command(["bash", "-c", line], {"PATH": os.environ["PATH"]}, tmp_path / f"log-{number}")
            for number, line in enumerate(lines)
        ]
        return Child(tmp_path / "node", commands, tmp_path, timeout=timeout, grace=grace)

    return start


def pid_in(path: Path) -> int:
    deadline = time.monotonic() + 10
    while not (path.exists() and path.read_text().strip()):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return int(path.read_text())


def is_gone(pid: int) -> bool:
    deadline = time.monotonic() + 10
    while psutil.pid_exists(pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    return not psutil.pid_exists(pid)


@pytest.mark.parametrize(("line", "code"), [("true", 0), ("exit 7", 7), ("kill -9 $$", 137)])
def test_an_exit_is_what_the_program_ended_with(
    run: Callable[..., Child], line: str, code: int
) -> None:
    child = run(line)
    assert child.wait(10) == Exit(code, "exited") == recorded_exit(child.folder)
    assert not (child.folder / "spec.json").exists(), "it carries tokens"


def test_output_and_errors_are_in_the_log(run: Callable[..., Child], tmp_path: Path) -> None:
    run("echo out; echo err >&2").wait(10)
    assert (tmp_path / "log-0").read_text() == "out\nerr\n"


def test_one_process_that_fails_ends_the_others(run: Callable[..., Child], tmp_path: Path) -> None:
    child = run(
        f"echo $$ > {tmp_path}/pid; sleep 600", f"until [ -s {tmp_path}/pid ]; do :; done; exit 3"
    )
    assert child.wait(15) == Exit(3, "exited")
    assert is_gone(pid_in(tmp_path / "pid"))


def test_what_a_program_leaves_running_is_ended_with_it(
    run: Callable[..., Child], tmp_path: Path
) -> None:
    child = run(f"setsid sleep 600 & echo $! > {tmp_path}/pid")
    assert child.wait(15) == Exit(0, "exited")
    assert is_gone(pid_in(tmp_path / "pid"))


def test_one_that_will_not_end_is_killed(run: Callable[..., Child], tmp_path: Path) -> None:
    child = run(f"trap '' TERM; echo $$ > {tmp_path}/pid; while :; do sleep 1; done", grace=0.2)
    pid = pid_in(tmp_path / "pid")
    child.stop()
    assert child.wait(10) == Exit(143, "stopped")
    assert is_gone(pid)


def test_a_program_over_its_time_is_ended(run: Callable[..., Child]) -> None:
    assert run("sleep 600", timeout=0.2).wait(10) == Exit(124, "timeout")


def test_a_command_that_is_not_there_says_so(tmp_path: Path) -> None:
    child = Child(tmp_path / "node", [Command(["no-such"], {}, tmp_path / "log")], tmp_path)
    assert child.wait(10) == Exit(127, "exited")
    assert "no-such: No such file" in (tmp_path / "log").read_text()


def test_a_node_that_is_killed_takes_its_program_along(
    run: Callable[..., Child], tmp_path: Path
) -> None:
    child = run(f"echo $$ > {tmp_path}/pid; exec sleep 600")
    pid = pid_in(tmp_path / "pid")
    os.kill(child.pid, signal.SIGKILL)
    assert child.wait(10) == Exit(137, "lost")
    if sys.platform == "linux":
        assert is_gone(pid)


def test_a_server_that_is_killed_takes_everything_along(tmp_path: Path) -> None:
    program = (
        "import os, sys, time; from pathlib import Path;"
        "from local.runner.processes import Child, Command;"
        f"t = Path({str(tmp_path)!r});"
        "line = f'echo $$ > {t}/pid; sleep 600';"
        "Child(t / 'node', [Command(['bash', '-c', line], dict(os.environ), t / 'log')], t);"
        "time.sleep(600)"
    )
    server = subprocess.Popen([sys.executable, "-c", program])
    pid = pid_in(tmp_path / "pid")
    server.kill()
    server.wait()
    assert is_gone(pid)


def test_a_task_that_is_ended_is_waited_for(tmp_path: Path) -> None:
    processes = Processes(tmp_path)
    command = Command(
        ["bash", "-c", f"echo $$ > {tmp_path}/pid; sleep 600"],
        {"PATH": os.environ["PATH"]},
        tmp_path / "log",
    )

    def live(task: Task) -> None:
        task.start(lambda: Child(tmp_path / "node", [command], tmp_path)).wait()

    processes.begin("/ws/jobs/one", live)
    pid = pid_in(tmp_path / "pid")
    processes.end_below("/WS")
    assert not psutil.pid_exists(pid)
    assert processes.task("/ws/jobs/one") is None
