"""Tasks and the programs that they run: none outlives this process, each can be stopped.

A task is a thread that lives one job's or one deployment's life. It runs programs through
`node.py`, one at a time, or has parts that do. What a task is about is in the state.
"""

import hashlib
import json
import logging
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from local.runner import node
from local.runner.clusters import Clusters
from local.runner.tasks import Task

if TYPE_CHECKING:
    from local.world import World

log = logging.getLogger("local.runner")
NODE = Path(node.__file__)


@dataclass(frozen=True)
class Command:
    """One program: what is run, with which environment, and where its output goes."""

    argv: Sequence[str]
    environment: dict[str, str]
    log: Path


@dataclass(frozen=True)
class Exit:
    """How commands ended: `exited`, `timeout`, `stopped`, `preempted`, or `lost` with the node."""

    code: int
    reason: str


class Child:
    """Commands that run under a node."""

    def __init__(
        self,
        folder: Path,
        commands: Sequence[Command],
        cwd: Path,
        *,
        timeout: float | None = None,
        grace: float = 5,
    ) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "exit.json").unlink(missing_ok=True)
        spec = folder / "spec.json"
        spec.touch(mode=0o600)
        spec.write_text(
            json.dumps(
                {
                    "cwd": str(cwd),
                    "commands": [
                        {"argv": list(c.argv), "environment": c.environment, "log": str(c.log)}
                        for c in commands
                    ],
                    "timeout": timeout,
                    "grace": grace,
                }
            )
        )
        with (folder / "node.log").open("ab") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", str(NODE), str(folder)],
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                env={"PATH": os.environ.get("PATH", os.defpath)},
            )

    @property
    def pid(self) -> int:
        """The node's process id."""
        return self._process.pid

    def wait(self, timeout: float | None = None) -> Exit | None:
        """Wait for the end; None where it has not come after `timeout` seconds."""
        try:
            self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            return None
        return recorded_exit(self.folder) or self._lost()

    def _lost(self) -> Exit:
        """Tidy up for a node that was killed."""
        note = self.folder / "temporary"
        if note.exists():
            shutil.rmtree(note.read_text(), ignore_errors=True)
        return Exit(137, "lost")

    def preempt(self, notice: float) -> None:
        """Take the node away: SIGTERM, SIGKILL `notice` seconds later; 0: SIGKILL alone."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(f"preempt {notice:g}\n".encode())
            self._process.stdin.flush()
        except (OSError, ValueError):  # closed meanwhile: it is being stopped
            log.debug("node %s was gone already", self.pid)

    def stop(self) -> None:
        """Have the node end everything; `wait` tells when it has."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.close()
        except OSError:
            log.debug("node %s was gone already", self.pid)


def recorded_exit(folder: Path) -> Exit | None:
    """Read how a node's commands ended, also one of an earlier server; None: not known."""
    try:
        record = json.loads((folder / "exit.json").read_text())
    except FileNotFoundError:
        return None
    return Exit(int(record["code"]), str(record["reason"]))


class Processes:
    """All tasks of one local Azure."""

    def __init__(self, folder: Path) -> None:
        """`folder` is the world's; what runs gets working folders below `folder/nodes`."""
        self._nodes = folder / "nodes"
        self.closing = False
        self.clusters = Clusters()
        self._tasks: dict[str, Task] = {}
        self._lock = threading.RLock()

    def resume(self, world: "World") -> None:
        """Take up what the state says after a start: jobs, deployments, and what services have."""
        from local.runner import deployments, jobs
        from local.services import resume_services

        jobs.resume(world)
        deployments.resume(world)
        resume_services(world)

    def folder(self, id: str) -> Path:
        """Give the working folder of a resource; it need not exist.

        Short, because some programs put sockets there; `owner` in it says whose it is.
        """
        digest = hashlib.sha256(id.lower().encode()).hexdigest()[:8]
        return self._nodes / f"{id.rpartition('/')[2][:24]}-{digest}"

    def make_folder(self, id: str) -> Path:
        """Make the working folder of a resource."""
        folder = self.folder(id)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "owner").write_text(id)
        return folder

    def begin(self, name: str, target: Callable[[Task], None]) -> Task:
        """Start a task in a thread of its own."""
        return self.run(Task(name), target)

    def run(self, task: Task, target: Callable[[Task], None], *, replaces: bool = False) -> Task:
        """Start a task that is made already; one that `replaces` leaves the other running."""
        task.before = self.task(task.name) if replaces else None
        task.thread = threading.Thread(target=self._run, args=(task, target), daemon=True)
        task.thread.name = task.name.rpartition("/")[2]
        with self._lock:
            self._tasks[task.name.lower()] = task
        task.thread.start()
        return task

    def task(self, name: str) -> Task | None:
        """Find a task that has not ended."""
        with self._lock:
            return self._tasks.get(name.lower())

    def end(self, name: str, timeout: float = 30) -> None:
        """Stop a task and wait until it and its processes are gone; nothing where none is."""
        task = self.task(name)
        if task is not None:
            task.stop()
            _join([task], timeout)

    def end_below(self, id: str, timeout: float = 30) -> None:
        """End every task of a resource that goes away, such as a workspace or a group."""
        prefix = f"{id.lower()}/"
        with self._lock:
            gone = [t for name, t in self._tasks.items() if f"{name}/".startswith(prefix)]
        for task in gone:
            task.stop()
        _join(gone, timeout)
        for owner in self._nodes.glob("*/owner"):
            if f"{owner.read_text().lower()}/".startswith(prefix):
                shutil.rmtree(owner.parent, ignore_errors=True)

    def close(self) -> None:
        """End everything that runs; the next `resume` says what that means for each."""
        self.closing = True
        with self._lock:
            tasks = list(self._tasks.values())
        for task in tasks:
            task.stop()
        _join(tasks, 30)

    def _run(self, task: Task, target: Callable[[Task], None]) -> None:
        try:
            target(task)
        except Exception:
            log.exception("task %s failed", task.name)
        finally:
            task.finish()
            with self._lock:
                self._forget(task)

    def _forget(self, task: Task) -> None:
        """Take an ended task out; what it was to replace comes back in its place."""
        if self._tasks.get(task.name.lower()) is not task:
            return
        if task.survivor is not None:
            self._tasks[task.name.lower()] = task.survivor
        else:
            del self._tasks[task.name.lower()]


def _family(task: Task) -> list[Task]:
    return [task, *task.parts, *(_family(task.before) if task.before else [])]


def _join(tasks: Sequence[Task], timeout: float) -> None:
    deadline = time.monotonic() + timeout
    for task in (one for top in tasks for one in _family(top)):
        if task.thread is not None and task.thread is not threading.current_thread():
            task.thread.join(max(0, deadline - time.monotonic()))
