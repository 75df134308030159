"""One instance of a deployment: its server process is started, asked, watched and started again."""

import http.client
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from local.runner.durations import seconds
from local.runner.instances import Instance
from local.runner.listening import addresses
from local.runner.process_environment import free_port
from local.runner.processes import Child, Command, Exit

LAUNCHER = Path(__file__).with_name("serve.py")
VMSTAT = Path("/proc/vmstat")
STEP = 0.1
MOST_BACKOFF = 30.0
STEADY = 60.0
"""Seconds after which a process that dies is not counted as dying again and again."""

TAIL_LINES = 25
KILLED = 137
"""The exit code of a process that SIGKILL ended, which is how the kernel ends one for memory."""

SHORT_OF_MEMORY = "Perhaps out of memory?"
"""What gunicorn writes when its worker, not itself, was ended by SIGKILL."""


class Failure(Exception):
    """The deployment failed: Azure's code and what a person can do about it."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True)
class Probe:
    """When a process counts as not answering."""

    delay: float
    period: float
    timeout: float
    failures: int

    @classmethod
    def of(cls, settings: dict[str, Any]) -> "Probe":
        """Read probe settings."""
        return cls(
            seconds(str(settings["initialDelay"])),
            seconds(str(settings["period"])),
            seconds(str(settings["timeout"])),
            int(settings["failureThreshold"]),
        )

    @property
    def budget(self) -> float:
        """Seconds from the start until so many probes in a row can have failed."""
        return self.delay + self.period * self.failures


@dataclass(frozen=True)
class Program:
    """What every instance of a deployment runs, in a folder of its own."""

    name: str
    place: Path
    python: Path
    script: str
    """The scoring script, relative to the code."""
    code: Path
    """The code as it was fetched; every instance gets a copy that it may change."""
    variables: dict[str, str]
    readiness: Probe
    liveness: Probe


class InstanceLife:
    """One instance from its first process to its last."""

    def __init__(self, program: Program, instance: Instance, log: Path) -> None:
        self.program, self.instance, self.log = program, instance, log
        self.folder = program.place / f"instance-{instance.number}-{time.time_ns()}"
        self.port, self.memory_kills = 0, 0

    def run(self, tell: Callable[[], None]) -> None:
        """Bring the instance up, `tell` when it has answered or failed, keep it until its end."""
        try:
            shutil.copytree(self.program.code, self.folder / "code")
            child = self._start()
            self._until_ready(child)
        except (Failure, OSError) as failure:
            self.instance.failure = failure
            return
        except Exception as failure:
            self.instance.failure = failure
            raise
        finally:
            self.instance.settled.set()
            tell()
        try:
            self._watch(child)
        finally:
            self.instance.port = 0

    def _start(self) -> Child:
        self.port, code = free_port(), self.folder / "code"
        script = str(code / self.program.script)
        argv = [str(self.program.python), str(LAUNCHER)]
        argv += ["--entry_script", script, "--port", str(self.port)]
        variables = {
            "HOME": str(self.folder),
            "AML_APP_ROOT": str(code),
            "AZUREML_ENTRY_SCRIPT": script,
            **self.program.variables,
        }
        self._append(f"--- {self.program.name}: starting")
        self.memory_kills = _memory_kills()
        command = Command(argv, variables, self.log)
        return self.instance.start(lambda: Child(self.folder, [command], code, grace=5))

    def _until_ready(self, child: Child) -> None:
        """Wait until the server answers.

        Raises:
            Failure: it ended, or did not answer within what the probes allow.
        """
        readiness = self.program.readiness
        allowed = min(readiness.budget, self.program.liveness.budget)
        deadline = time.monotonic() + allowed
        while not _answers(self.port, readiness.timeout):
            ended = child.wait(STEP)
            if self.instance.stopping.is_set():
                return
            if ended is not None:
                raise Failure("ResourceNotReady", self._with_tail(self._how(ended)))
            if time.monotonic() > deadline:
                child.stop()
                child.wait()
                raise Failure("ResourceNotReady", self._with_tail(self._too_late(allowed)))
        self._check_loopback(child)
        self.instance.port = self.port

    def _watch(self, child: Child) -> None:
        """Keep a process running until the instance ends."""
        backoff = 1.0
        while True:
            started = time.monotonic()
            self._until_dead(child)
            self.instance.port = 0
            if self.instance.stopping.is_set():
                return
            steady = time.monotonic() - started > STEADY
            backoff = 1.0 if steady else min(backoff * 2, MOST_BACKOFF)
            self._append(f"--- {self._how(child.wait())} Starting again in {backoff:g} s.")
            if self.instance.sleep(backoff):
                return
            child = self._start()
            try:
                self._until_ready(child)
            except Failure as failure:
                self._append(f"--- {failure}")

    def _until_dead(self, child: Child) -> None:
        """Wait for the end of a process; end one that fails its liveness probe for too long."""
        liveness = self.program.liveness
        failures, next_probe = 0, time.monotonic() + liveness.delay
        while child.wait(STEP) is None:
            if time.monotonic() < next_probe or self.instance.stopping.is_set():
                continue
            next_probe = time.monotonic() + liveness.period
            failures = 0 if _answers(self.port, liveness.timeout) else failures + 1
            if failures >= liveness.failures:
                self._append(f"--- The liveness probe failed {failures} times: ending the process.")
                child.stop()

    def _check_loopback(self, child: Child) -> None:
        """Refuse a server that strangers on the network could reach."""
        strange = {host for host in addresses(child.pid) if host not in ("127.0.0.1", "::1")}
        if strange:
            child.stop()
            child.wait()
            raise Failure("UserError", f"The server listens on {', '.join(sorted(strange))}.")

    def _append(self, line: str) -> None:
        with self.log.open("a") as output:
            output.write(f"{line}\n")

    def _with_tail(self, text: str) -> str:
        return f"{text} The last lines of its log:\n{''.join(log_tail(self.log))}"

    def _how(self, ended: Exit | None) -> str:
        code = ended.code if ended else 0
        return how_it_ended(code, was_for_memory=_memory_kills() > self.memory_kills)

    def _too_late(self, allowed: float) -> str:
        text = (
            f"The container did not answer within {allowed:g} s, which is what its readiness and"
            " liveness probes allow."
        )
        if any(SHORT_OF_MEMORY in line for line in log_tail(self.log)):
            text += " Its worker was killed by SIGKILL, as is done when memory runs out."
        return text


def how_it_ended(code: int, *, was_for_memory: bool) -> str:
    """Say how a container's process ended, in Azure's words where there are such."""
    text = f"User container has crashed or terminated (exit code {code})."
    if code != KILLED:
        return text
    if was_for_memory:
        return f"{text} It was killed for memory (OOMKilled): it needs more than there is."
    return f"{text} It was killed by SIGKILL, as is done when memory runs out."


def log_tail(path: Path) -> list[str]:
    """Give the last lines of a log."""
    if not path.exists():
        return []
    return path.read_text(errors="replace").splitlines(keepends=True)[-TAIL_LINES:]


def _memory_kills() -> int:
    """Count the processes of this machine that the kernel has ended for memory."""
    try:
        rows = dict(line.split() for line in VMSTAT.read_text().splitlines())
    except OSError:
        return 0
    return int(rows.get("oom_kill", 0))


def _answers(port: int, timeout: float) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    try:
        connection.request("GET", "/")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
