"""What a person sees of a run: on a terminal, and where there is none."""

import io
import threading
from typing import Any

import pytest
from recorded_arm import SUBSCRIPTION, FakeCloud, engine
from rich.console import Console

from commands.progress import Progress
from commands.progress_view import view
from commands.pulse import Pulse
from core.errors import CloudError
from infra.engine import Change, Event
from infra.standing.azure_now import api_version, azure_now

GROUP = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg"
ML = f"{GROUP}/providers/Microsoft.MachineLearningServices/workspaces/w"


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def shown(progress: Progress) -> str:
    file = progress._console.file
    assert isinstance(file, io.StringIO)
    return file.getvalue()


def make(clock: Clock, *, terminal: bool = False, ask: Any = None) -> Progress:
    console = Console(file=io.StringIO(), force_terminal=terminal, width=120, color_system=None)
    return Progress(ask, console=console, clock=clock)


def begun(name: str, change: Change = Change.NEW, id: str = ML) -> Event:
    return Event(name, "workspace", change, is_done=False, id=id)


def ended(name: str, change: Change = Change.NEW, error: str = "") -> Event:
    return Event(name, "workspace", change, True, 2.0, error)


def test_without_a_terminal_every_finished_resource_has_a_line(clock: Clock) -> None:
    progress = make(clock)
    for event in (
        *(begun("one"), ended("one"), ended("two", Change.SAME), ended("three", Change.GONE)),
        *(ended("four", Change.PURGED), ended("five", error="QuotaExceeded: [none] left")),
        *(Event.note("Released the lock [x]."), ended("six", Change.TAKEN)),
    ):
        progress(event)
    assert shown(progress).splitlines() == [
        "  made workspace one 2.0 s",
        "  deleted workspace three 2.0 s",
        "  purged workspace four 2.0 s",
        "  failed workspace five 2.0 s: QuotaExceeded: [none] left",
        "  Released the lock [x].",
        "  taken over workspace six 2.0 s",
    ]


def test_what_takes_long_is_told_of_with_what_azure_does(clock: Clock) -> None:
    asked: list[str] = []

    def ask(id: str) -> str:
        asked.append(id)
        return "Creating"

    progress = make(clock, ask=ask)
    progress(begun("one"))
    progress.ask_azure()
    assert asked == []  # what is quick is nobody's question
    clock.now += 45
    progress(begun("two"))
    progress.ask_azure()
    progress.say_still()
    assert asked == [ML]
    assert shown(progress) == "  still workspace one 45 s (Azure: Creating); workspace two 0 s\n"
    progress(ended("one"))
    progress(ended("two"))
    progress.say_still()
    assert shown(progress).count("still") == 1


def test_on_a_terminal_there_is_a_row_for_each_under_way_and_a_tail_of_the_done(
    clock: Clock,
) -> None:
    with make(clock, terminal=True) as progress:
        for number in range(9):
            progress(ended(f"old-{number}"))
        progress(begun("slow", Change.GONE))
        progress.flights()[0].azure = "Deleting"
        progress(ended("bad", error="Refused: no"))
        console = Console(file=io.StringIO(), width=120, color_system=None)
        console.print(view(progress, clock.now + 7))
        told = console.file.getvalue()  # type: ignore[attr-defined]
        clock.now += 31
    assert "- workspace slow 7 s Azure: Deleting" in " ".join(told.split())
    assert "old-8" in told
    assert "old-4" not in told
    assert "9 made, 1 failed" in told
    end = shown(progress)
    assert "failed workspace bad 2.0 s: Refused: no" in end
    assert "9 made, 1 failed in 31 s" in end


def test_more_rows_than_fit_are_counted(clock: Clock) -> None:
    progress = make(clock)
    for number in range(20):
        progress(begun(f"n{number}"))
    console = Console(file=io.StringIO(), width=120, color_system=None)
    console.print(view(progress, clock.now))
    assert "(8 more under way)" in console.file.getvalue()  # type: ignore[attr-defined]


def test_both_engines_say_which_resource_azure_can_be_asked_about(cloud: FakeCloud) -> None:
    events: list[Event] = []
    engine(cloud).up(events.append)
    made = [event for event in events if event.change is Change.NEW]
    assert made
    assert all(cloud.arm.resources[event.id.lower()] for event in made)


def test_azure_is_asked_for_the_state_and_for_the_clusters_own(cloud: FakeCloud) -> None:
    arm: Any = cloud.arm
    ask = azure_now(arm)
    assert ask(ML) == "not there"
    body = {"properties": {"provisioningState": "Succeeded"}}
    arm.resources[ML.lower()] = body
    assert ask(ML) == "Succeeded"
    arm.resources[f"{ML}/computes/c".lower()] = {
        "properties": {
            "provisioningState": "Updating",
            "properties": {"allocationState": "Resizing"},
        }
    }
    assert ask(f"{ML}/computes/c") == "Updating, Resizing"


def test_a_question_that_fails_does_not_end_the_run(cloud: FakeCloud) -> None:
    cloud.arm.refuse = lambda method, path: CloudError("throttled")
    arm: Any = cloud.arm
    assert azure_now(arm)(ML) == ""


@pytest.mark.parametrize(
    ("id", "version"),
    [
        (GROUP, "2024-03-01"),
        (ML, "2025-12-01"),
        (f"{ML}/onlineEndpoints/e/deployments/d", "2025-12-01"),
        (f"{GROUP}/providers/Microsoft.Storage/storageAccounts/s", "2024-01-01"),
        (f"{ML}/providers/Microsoft.Authorization/roleAssignments/g", "2022-04-01"),
        (f"{GROUP}/providers/Microsoft.Unknown/things/t", ""),
    ],
)
def test_every_type_is_asked_in_its_own_version(id: str, version: str) -> None:
    assert api_version(id) == version


def test_a_pulse_beats_while_there_is_work_and_starts_again() -> None:
    beats, busy = threading.Semaphore(0), [True]
    pulse = Pulse(0.001, beats.release, lambda: busy[0])
    for _ in range(2):
        busy[0] = True
        pulse.start()
        assert beats.acquire(timeout=10)
        thread = pulse._thread
        busy[0] = False
        assert thread
        thread.join(10)
        assert not thread.is_alive()
