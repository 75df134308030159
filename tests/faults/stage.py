"""A stack whose commands are killed, and everything that can be seen of it from outside.

What a stage holds is read from the local Azure's own state and from the process table, so that
no command under test is asked whether it has tidied up.
"""

import json
import os
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from core.home import environments
from local import process
from local.state import State

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 120.0
GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
GRANTS = "Microsoft.Authorization/roleAssignments"
IDENTITIES = "Microsoft.ManagedIdentity/userAssignedIdentities"


@dataclass
class Stage:
    """One stack, the local Azure that it lives in, and how its commands are run."""

    stack: str
    folder: Path
    """Where commands run, and where their output is kept."""
    azure: Path
    """The folder of the local Azure."""
    environment: dict[str, str]
    outputs: dict[str, str] = field(default_factory=dict)
    """What an undisturbed `up` exported."""
    resources: "Counter[str]" = field(default_factory=Counter)
    """What the local Azure held after an undisturbed `up`."""
    requests: dict[str, int] = field(default_factory=dict)
    """How many changes an undisturbed command asks for, by command."""
    is_clean: bool = True
    """False while a cycle runs, and for good where it failed."""

    def start_azure(self) -> process.LocalAzure:
        """Start the local Azure where it does not run."""
        return process.start(self.azure, environments=environments())

    def start(self, *command: str) -> "subprocess.Popen[str]":
        """Start a command; its output goes into files."""
        with self._file("stdout").open("w") as out, self._file("stderr").open("w") as err:
            return subprocess.Popen(
                [sys.executable, str(ROOT / "cli.py"), *command, "--stack", self.stack, "--json"],
                env=self.environment, cwd=self.folder, stdin=subprocess.DEVNULL,
                stdout=out, stderr=err, text=True,
            )  # fmt: skip

    def run(self, *command: str, exit_code: int = 0) -> Any:
        """Run a command to its end, hold it to its exit code, and read its document."""
        code = self.start(*command).wait(PATIENCE)
        assert code == exit_code, f"{command} left with {code}: {self.told}"
        assert "Traceback" not in self.told, self.told
        return json.loads(self._file("stdout").read_text()) if code == 0 else None

    @property
    def told(self) -> str:
        """What the last command has said."""
        return "\n".join(self._file(name).read_text() for name in ("stdout", "stderr"))

    def holds(self) -> "Counter[str]":
        """Count what the local Azure holds of the stack; a grant is its role and its holder.

        Ids without their GUIDs: Azure makes new ones for what is made again. What `up` asked Azure
        ML about a workspace is no part of the stack.
        """
        state = State(self.azure)
        try:
            rows = [
                row
                for row in state.find()
                if "/resourcegroups/" in row[0].lower() and "/diagnoses/" not in row[0].lower()
            ]
            people = {
                body["properties"]["principalId"]: body["name"]
                for _, body in state.find(IDENTITIES)
            }
        finally:
            state.close()
        return Counter(_named(id, body, people) for id, body in rows)

    def stray_processes(self) -> list[str]:
        """List what still runs for the stack's commands, the local Azure itself apart."""
        server = process.status(self.azure) or {}
        found = [
            p for p in psutil.process_iter() if self._is_ours(p) and p.pid != server.get("pid")
        ]
        return [f"{p.pid} {p.name()}" for p in found if p.is_running()]

    def wait_for_strays(self) -> None:
        """Wait until what a killed command left behind has noticed and ended."""
        until(lambda: not self.stray_processes(), lambda: f"the end of {self.stray_processes()}")

    def _is_ours(self, candidate: psutil.Process) -> bool:
        try:
            if candidate.status() == psutil.STATUS_ZOMBIE or candidate.pid == os.getpid():
                return False
            return candidate.environ().get("TUNESTACK_HOME") == self.environment["TUNESTACK_HOME"]
        except psutil.Error:
            return False

    def _file(self, name: str) -> Path:
        return self.folder / f"{name}.txt"


class Stages:
    """Makes a stage when one is wanted and the last has not come through; stops them all."""

    def __init__(self, make: Callable[[], Stage]) -> None:
        self._make = make
        self._made: list[Stage] = []

    def ready(self, prepare: Callable[[Stage], None]) -> Stage:
        """Give a clean stage, a new one prepared."""
        if not self._made or not self._made[-1].is_clean:
            self._made.append(self._make())
            self._made[-1].is_clean = False
            prepare(self._made[-1])
            self._made[-1].is_clean = True
        return self._made[-1]

    def stop(self) -> None:
        """Stop the local Azure of each."""
        for stage in self._made:
            process.stop(stage.azure)


def _named(id: str, body: dict[str, Any], people: dict[str, str]) -> str:
    text = GUID.sub("*", id.lower())
    if GRANTS.lower() not in text:
        return text
    told = body["properties"]
    holder = people.get(told["principalId"], "whoever runs this")
    return f"{text} {told['roleDefinitionId'][-36:]} {holder}"


def until(is_so: Callable[[], Any], what: Callable[[], str]) -> None:
    """Look again and again; what does not come true in time is an error."""
    deadline = time.monotonic() + PATIENCE
    while not is_so():
        assert time.monotonic() < deadline, f"waited in vain for {what()}"
        time.sleep(0.002)
