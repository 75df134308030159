"""A program that stands for a node: it runs commands and lets nothing of them outlive it.

`python node.py FOLDER` reads FOLDER/spec.json, runs its commands side by side, each in a
session of its own, and writes FOLDER/exit.json when they have ended. Everything is ended as
soon as standard input closes, which also happens when the server that holds the other end is
killed. A line `preempt SECONDS` there takes the node away: SIGTERM, SIGKILL so many seconds later;
at 0 without a SIGTERM. Standard library only; nothing of ours is imported.

spec.json: {"cwd", "commands": [{"argv", "environment", "log"}], "timeout", "grace"}
exit.json: {"code", "reason": "exited" | "timeout" | "stopped" | "preempted", "ended"}
"""

import ctypes
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
STARTED: list["subprocess.Popen[bytes]"] = []
"""Kept: a Popen that is thrown away asks for its process's status, and takes it from `_reap`."""


def main(folder: Path) -> int:
    """Run what FOLDER/spec.json says and give the exit code of the commands."""
    spec = json.loads((folder / "spec.json").read_text())
    (folder / "spec.json").unlink()  # it carries tokens
    _adopt_orphans()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    wake_read, wake_write = os.pipe()
    os.set_blocking(wake_write, False)
    signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    # Short, and not below FOLDER: a socket's path may have 107 bytes.
    temporary = tempfile.mkdtemp(prefix="node-")
    (folder / "temporary").write_text(temporary)
    try:
        pids = [_start(command, spec["cwd"], temporary) for command in spec["commands"]]
        code, reason, notice = _watch(pids, spec.get("timeout"), wake_read)
        _end(pids, float(spec.get("grace", 5)) if notice is None else notice)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    _write(folder / "exit.json", {"code": code, "reason": reason, "ended": time.time()})
    return 0


def _start(command: dict[str, Any], cwd: str, temporary: str) -> int:
    log = Path(command["log"])
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        try:
            process = subprocess.Popen(
                command["argv"],
                cwd=cwd,
                env={"TMPDIR": temporary, **command["environment"]},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=_die_with_parent,  # safe: this program has one thread
            )
        except OSError as error:
            output.write(f"{command['argv'][0]}: {error.strerror}\n".encode())
            return _start_failed()
    STARTED.append(process)
    return process.pid


def _start_failed() -> int:
    """Give the pid of a process that exits 127, as a shell does for an unknown command."""
    pid = os.fork()
    if pid == 0:
        os._exit(127)
    return pid


def _watch(pids: list[int], timeout: float | None, wake: int) -> tuple[int, str, "float | None"]:
    """Wait for an end: exit code, reason, and the notice in seconds where the node goes."""
    deadline = time.monotonic() + timeout if timeout else None
    running = set(pids)
    while True:
        for pid, code in _reap():
            if pid in running:
                running.discard(pid)
                if code != 0 or not running:
                    return code, "exited", None
        left = None if deadline is None else deadline - time.monotonic()
        if left is not None and left <= 0:
            return 124, "timeout", None
        readable, _, _ = select.select([sys.stdin, wake], [], [], left)
        if wake in readable:
            os.read(wake, 4096)
        if sys.stdin in readable:
            told = os.read(sys.stdin.fileno(), 4096).decode()
            if not told:
                return 143, "stopped", None
            if told.startswith("preempt "):
                return 137, "preempted", float(told.split()[1])


def _reap() -> list[tuple[int, int]]:
    """Collect every process that ended: pid and exit code, 128 + n for signal n."""
    ended: list[tuple[int, int]] = []
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return ended
        if pid == 0:
            return ended
        code = os.waitstatus_to_exitcode(status)
        ended.append((pid, code if code >= 0 else 128 - code))


def _end(pids: list[int], grace: float) -> None:
    """End the commands' groups and whatever they left behind, politely first."""
    deadline, told = time.monotonic() + grace, set(pids)
    if grace > 0:
        _signal(pids, [], signal.SIGTERM)
    while time.monotonic() < deadline and _anything_left(pids):
        # A process in a session of its own becomes ours when its parent has ended.
        adopted = set(_children()) - told
        _signal([], sorted(adopted), signal.SIGTERM)
        told |= adopted
        time.sleep(0.02)
    # One that forks while it is being killed needs another round.
    final = time.monotonic() + 5
    while _anything_left(pids) and time.monotonic() < final:
        _signal(pids, _children(), signal.SIGKILL)
        time.sleep(0.01)


def _signal(groups: list[int], pids: list[int], number: signal.Signals) -> None:
    for group in groups:
        _quietly(os.killpg, group, number)
    for pid in pids:
        _quietly(os.kill, pid, number)


def _anything_left(pids: list[int]) -> bool:
    _reap()
    return bool(_children()) or any(_quietly(os.killpg, pid, 0) for pid in pids)


def _quietly(call: Any, *arguments: Any) -> bool:
    try:
        call(*arguments)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def _children() -> list[int]:
    """List this process's children (on Linux, the adopted too; elsewhere groups must do)."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == os.getpid() and fields[0] != "Z":
            found.append(int(stat.parent.name))
    return found


def _adopt_orphans() -> None:
    """Become the parent of descendants whose own parent ends, so that none escapes."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def _die_with_parent() -> None:
    """Have the kernel end a command whose node is itself killed."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def _write(path: Path, document: dict[str, Any]) -> None:
    temporary = path.with_suffix(".new")
    temporary.write_text(json.dumps(document))
    temporary.replace(path)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
