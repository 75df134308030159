"""Runs `tunestack` in a project's folder and stops it at a moment that its state shows.

The engine writes its state before and after every resource: a moment is how many it names and
which one is under way. Nothing here sleeps for luck; a moment that does not come is an error.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine_rig import ROOT, Project

from core.arm import Arm
from infra.arm_types import RESOURCES_API, TYPES

GRANTS = "2022-04-01"
EVERYTHING = 27
PATIENCE = 120.0
LOOK = 0.002


@dataclass(frozen=True)
class Moment:
    """When to stop: with this many resources of Azure in the state, one of a type under way."""

    resources: int
    pending: str = ""
    """The end of a type's token, such as `:Vault`; empty: no matter what is under way."""
    is_falling: bool = False
    """True for a destroy: the number is reached from above."""

    def __str__(self) -> str:
        number = f"{'down to' if self.is_falling else 'from'} {self.resources}"
        return f"{number} {self.pending.rpartition(':')[2]}".strip()

    def is_now(self, state: dict[str, Any]) -> bool:
        """Say whether the state shows it."""
        rows = [row for row in state.get("resources") or [] if _is_azure(row)]
        going = [one["resource"]["type"] for one in state.get("pending_operations") or []]
        reached = len(rows) <= self.resources if self.is_falling else len(rows) >= self.resources
        return reached and (not self.pending or any(one.endswith(self.pending) for one in going))


@dataclass
class Run:
    """A `tunestack` at work."""

    project: Project
    stack: str
    process: "subprocess.Popen[str]"

    @classmethod
    def start(cls, project: Project, stack: str, *command: str, **extra: str) -> "Run":
        """Start it; its output is kept in the project's folder."""
        with (project.folder / "run.txt").open("w") as told:
            process = subprocess.Popen(
                [sys.executable, str(ROOT / "cli.py"), *command, "--stack", stack],
                env={**project.environment, **extra},
                cwd=project.folder,
                stdin=subprocess.DEVNULL,
                stdout=told,
                stderr=subprocess.STDOUT,
                text=True,
            )
        return cls(project, stack, process)

    @property
    def told(self) -> str:
        """Everything that it has said."""
        return (self.project.folder / "run.txt").read_text()

    def wait_for(self, moment: Moment) -> None:
        """Wait until the state shows the moment."""
        self._until(lambda: self.pulumi_id and moment.is_now(self._state()), str(moment))

    def kill(self) -> None:
        """Kill it as nothing can be killed harder; wait for the engine that it leaves behind."""
        engine = self.pulumi_id
        self.process.kill()
        self.process.wait()
        if engine:
            _until(lambda: not _lives(engine), "the end of an orphaned pulumi")

    def kill_pulumi(self) -> int:
        """Kill the engine alone; give the exit code of what waited for it."""
        assert self.pulumi_id
        os.kill(self.pulumi_id, signal.SIGKILL)
        return self.process.wait(PATIENCE)

    def interrupt(self, number: int = signal.SIGINT) -> None:
        """Press Ctrl-C."""
        self.process.send_signal(number)

    @property
    def locks(self) -> list[Path]:
        """The locks of the stack's state."""
        folder = self.project.folder / "state" / ".pulumi" / "locks" / "organization" / "tunestack"
        return list((folder / self.stack).glob("*.json"))

    @property
    def pulumi_id(self) -> int:
        """The engine's process, as its lock names it; 0 where it holds none."""
        for lock in self.locks:
            with contextlib.suppress(OSError, ValueError):
                return int(json.loads(lock.read_text())["pid"])
        return 0

    @property
    def pending(self) -> list[str]:
        """What the state says is under way: `creating vault`."""
        rows = self._state().get("pending_operations") or []
        return [f"{row['type']} {row['resource']['urn'].rsplit('::', 1)[-1]}" for row in rows]

    def wait_until_told(self, words: str) -> None:
        """Wait until it has said something, or is over."""
        _until(lambda: words in self.told or self.process.poll() is not None, words)

    def _state(self) -> dict[str, Any]:
        name = f"{self.stack}.json"
        file = self.project.folder / "state" / ".pulumi" / "stacks" / "tunestack" / name
        with contextlib.suppress(OSError, ValueError):
            return dict(json.loads(file.read_text())["checkpoint"].get("latest") or {})
        return {}

    def _until(self, is_so: Callable[[], Any], what: str) -> None:
        def look() -> bool:
            assert self.process.poll() is None, f"it ended before {what}: {self.told}"
            return bool(is_so())

        _until(look, what)


def tunestack(project: Project, stack: str, *command: str, exit_code: int = 0, **extra: str) -> str:
    """Run it to its end; give all that it said."""
    run = Run.start(project, stack, *command, **extra)
    code = run.process.wait(300)
    assert code == exit_code, run.told
    return run.told


def check_whole(project: Project, stack: str, arm: Arm) -> None:
    """Check that the state names all of Azure, Azure has all of the state, and nothing differs."""
    rows = project.resources(stack)
    for row in rows:
        assert arm.get(row["id"], TYPES[row["type"]].api_version), row["id"]
    known = {row["id"].lower() for row in rows}
    [group] = [row["id"] for row in rows if row["type"].endswith(":ResourceGroup")]
    found = arm.get_list(f"{group}/resources", RESOURCES_API)
    found += arm.get_list(f"{group}/providers/Microsoft.Authorization/roleAssignments", GRANTS)
    # A group's list of assignments names those of its subscription, too.
    inside = [item["id"] for item in found if item["id"].lower().startswith(group.lower())]
    strangers = [id for id in inside if id.lower() not in known]
    assert strangers == []
    assert len(rows) == EVERYTHING
    project.pulumi("preview", "-s", stack, "--expect-no-changes")


def _is_azure(row: dict[str, Any]) -> bool:
    return str(row["type"]).startswith("azure-native:")


def _lives(process: int) -> bool:
    try:
        state = Path(f"/proc/{process}/stat").read_text()
    except OSError:
        return False
    return state.rpartition(")")[2].split()[0] != "Z"


def _until(is_so: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not is_so():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(LOOK)
