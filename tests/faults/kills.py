"""Kills at exact moments, and the cycle: up, killed, up again, destroy, killed, destroy again.

A moment is a change that the command asks of Azure: the first, the last, or one in between. A
fault holds the command there, either before Azure has done anything or after it has done
everything; the rule's counter in the local Azure's state tells that the moment has come. Then the
victim gets SIGKILL, which nothing can catch, and the same command is simply given again.
"""

import contextlib
import re
import signal
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import psutil
from stage import Stage, until

from infra.engine import REHEARSAL
from local import faults, process
from local.faults import Fault
from local.state import State

COUNT = 20
HOLD = 1000
"""Milliseconds for which a command is held: many times what it takes to see it and kill."""
CHANGES = {"method": "[PD]*", "host": "management.azure.com"}
"""PUT, POST, PATCH and DELETE; reading and polling changes nothing."""
NEVER = 10**9
BEFORE_ENGINE, AFTER_ENGINE = 6, 1
"""What a destroy changes without the engine: endpoint, cluster, workspace and logs go before it
runs, as do a hub and its project that Azure may hold; the vault is purged afterwards."""
BEFORE_UP, AFTER_UP = 2, 1
"""What an up POSTs without the engine: whether two names are free, and how the workspace does."""


@dataclass(frozen=True)
class Moment:
    """One of the moments that are spread over all changes of an undisturbed command."""

    number: int

    @property
    def is_after(self) -> bool:
        """True where Azure has done what was asked, and only the answer is missing."""
        return self.number % 2 == 1

    @property
    def is_for_good(self) -> bool:
        """True where a local Azure that is killed stays away until the command gives up."""
        return self.number in (4, 15)

    def __str__(self) -> str:
        return f"moment-{self.number + 1:02}-{'after' if self.is_after else 'before'}"

    def fault(self, first: int, last: int) -> Fault:
        """Hold the command at this moment of the changes from the first to the last."""
        skip = first + self.number * (last - first) // (COUNT - 1)
        if self.is_after:
            return Fault(**CHANGES, skip=skip, slow=HOLD)
        return Fault(**CHANGES, skip=skip, status=503, retry_after=HOLD // 1000)


MOMENTS = [Moment(number) for number in range(COUNT)]
Kill = Callable[[Stage, "subprocess.Popen[str]"], None]


def kill_engine(stage: Stage, command: "subprocess.Popen[str]") -> None:
    """Kill `pulumi`; the command must say that the engine is gone, in words."""
    engines = [p for p in psutil.Process(command.pid).children(recursive=True) if is_pulumi(p)]
    assert engines
    for engine in engines:
        engine.kill()
    gives_up(stage, command)


def is_pulumi(process: psutil.Process) -> bool:
    """Say whether a process is the engine itself, not a plugin of it."""
    with contextlib.suppress(psutil.Error):
        return process.name() == "pulumi"
    return False


def kill_cli(stage: Stage, command: "subprocess.Popen[str]") -> None:
    """Kill the command; wait for what it leaves behind to notice."""
    command.kill()
    assert command.wait() == -signal.SIGKILL, "it had ended before"
    stage.wait_for_strays()


def kill_local(stage: Stage, command: "subprocess.Popen[str]") -> None:
    """Kill the local Azure for good; the command must give up by itself, in words."""
    _kill_server(stage)
    gives_up(stage, command)
    if stage.stack != REHEARSAL:
        stage.start_azure()


def restart_local(stage: Stage, command: "subprocess.Popen[str]") -> None:
    """Kill the local Azure and start it again at once; the command must not mind."""
    _kill_server(stage)
    stage.start_azure()
    code = command.wait(120)
    assert code == 0, f"it left with {code}: {stage.told}"


def _kill_server(stage: Stage) -> None:
    status = process.status(stage.azure)
    assert status
    server = psutil.Process(status["pid"])
    server.kill()
    until(lambda: not _lives(server), lambda: "the end of the local Azure")


def _lives(found: psutil.Process) -> bool:
    """Say whether a process is there and no mere zombie."""
    with contextlib.suppress(psutil.NoSuchProcess):
        return found.status() != psutil.STATUS_ZOMBIE
    return False


def gives_up(stage: Stage, command: "subprocess.Popen[str]") -> None:
    """Hold a command that lost what it works with to an error in words."""
    code = command.wait(120)
    assert code in (1, 4), f"it left with {code}: {stage.told}"
    assert "Hint: " in stage.told, stage.told
    assert "Traceback" not in stage.told, stage.told
    stage.wait_for_strays()


VICTIMS: dict[str, Callable[[Moment], Kill]] = {
    "cli": lambda moment: kill_cli,
    "engine": lambda moment: kill_engine,
    "local": lambda moment: kill_local if moment.is_for_good else restart_local,
}


def cycle(stage: Stage, moment: Moment, victim: str, between: Callable[[Stage], None]) -> None:
    """Go round once: what is killed is finished by the next command, and nothing is left."""
    kill = VICTIMS[victim](moment)
    assert stage.is_clean
    stage.is_clean = False
    last = stage.requests["up"] - 1
    part = (BEFORE_UP, last - AFTER_UP) if victim == "engine" else (0, last)
    disturb(stage, "up", moment.fault(*part), kill)
    assert stage.run("up", "--yes") == stage.outputs
    if stage.stack == REHEARSAL or moment.number % 4 == 0:
        assert {step["change"] for step in stage.run("plan")["steps"]} == {"same"}
    assert stage.holds() == stage.resources
    between(stage)
    last = stage.requests["destroy"] - 1
    part = (BEFORE_ENGINE, last - AFTER_ENGINE) if victim == "engine" else (0, last)
    disturb(stage, "destroy", moment.fault(*part), kill)
    receipt = stage.run("destroy", "--yes")
    assert receipt["is_done"] and not (receipt["remains"] or receipt["held"]), receipt
    assert not stage.holds()
    assert not stage.stray_processes()
    stage.is_clean = True


def disturb(stage: Stage, command: str, fault: Fault, kill: Kill) -> None:
    """Start a command, kill the victim when the fault holds it, take the fault away again."""
    earlier = len(_hit(stage))
    faults.add(stage.azure, fault)
    running = stage.start(command, "--yes")
    try:
        _wait_for(stage, fault, running, earlier)
        kill(stage, running)
    finally:
        running.kill()
        running.wait()
        faults.clear(stage.azure)


def rehearse(stage: Stage, between: Callable[[Stage], None]) -> None:
    """Go round undisturbed, to know what there is to count and to compare with."""
    stage.outputs = _counted(stage, "up")
    stage.resources = stage.holds()
    between(stage)
    _counted(stage, "destroy")
    assert not stage.holds()


def _counted(stage: Stage, command: str) -> Any:
    faults.add(stage.azure, Fault(**CHANGES, drop=True, skip=NEVER))
    document = stage.run(command, "--yes")
    [counted] = faults.rules(stage.azure)
    faults.clear(stage.azure)
    assert counted.seen >= COUNT, f"{command} asks for {counted.seen} changes only"
    stage.requests[command] = counted.seen
    return document


def _wait_for(stage: Stage, fault: Fault, running: "subprocess.Popen[str]", earlier: int) -> None:
    state = State(stage.azure)
    try:
        is_now = lambda: _is_now(state, stage, fault, earlier)  # noqa: E731
        until(lambda: is_now() or running.poll() is not None, lambda: f"{fault}")
        assert is_now(), f"it ended before {fault}: {stage.told}"
    finally:
        state.close()


def _is_now(state: State, stage: Stage, fault: Fault, earlier: int) -> bool:
    """Say whether the fault has hit, and whether the operation was done that it lets pass.

    Which one that is, the log says, after as many lines of earlier faults, and a moment late.
    """
    [rule] = faults.rules(state)
    if not rule.hits or not fault.slow:
        return bool(rule.hits)
    hits = _hit(stage)
    if len(hits) == earlier:
        return False
    method, path = hits[-1]
    found = state.get(path)
    if method == "POST":
        return True
    is_there = found is not None and (found.get("properties") or {}).get("provisioningState")
    return found is not None if method == "PUT" else is_there in (False, "Deleting")


def _hit(stage: Stage) -> list[tuple[str, str]]:
    """List the method and path of every request that a fault has hit."""
    log = stage.azure / process.LOG
    text = log.read_text(errors="replace") if log.exists() else ""
    return re.findall(r"fault: (\w+) [\w.]+?\.com(/\S*): Fault", text)
