"""Following gives each event once, lives through faults, and begins anew after a kill."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from commands.jobs.line import metrics_line
from core.errors import CloudError, JobFailed, UserError
from training.follow import FAULTS_IN_A_ROW, Event, LogLine, Metrics, Status
from training.managed.contract import JobState, ManagedJob, ServiceEvent
from training.managed.following import JobPaused, follow, read_events

JOB = ManagedJob("ftjob-1", "openai", "Queued", "pending", "gpt-4.1-mini")


@dataclass
class Told:
    """A service in which a job goes on by one state and one event each time that it is read."""

    states: list[JobState]
    faults: list[int] = field(default_factory=list)
    """The looks that fail."""
    error: str = ""
    status: int = 500
    looks: int = 0
    is_there: bool = True

    def job(self, name: str) -> ManagedJob | None:
        self.looks += 1
        if self.looks in self.faults:
            raise CloudError("no", status=self.status)
        if not self.is_there or name != JOB.name:
            return None
        state = self.states[min(self.looks, len(self.states)) - 1]
        return replace(JOB, status=state, error=self.error)

    def events(self, name: str) -> list[ServiceEvent]:
        return [ServiceEvent(str(number), f"event {number}") for number in range(self.looks)]


def told(service: Any) -> tuple[list[Event], Exception | None]:
    found: list[Event] = []
    try:
        for event in follow(service, JOB.name, wait=lambda seconds: None):
            found.append(event)  # noqa: PERF402  what came before the error counts
    except UserError as error:
        return found, error
    return found, None


def lines(events: list[Event]) -> list[str]:
    return [event.text for event in events if isinstance(event, LogLine)]


def test_each_event_comes_once_after_the_state_it_was_read_in_and_the_end_comes_last() -> None:
    found, error = told(Told(["Queued", "Queued", "Running", "Completed"]))
    assert error is None
    assert found == [
        Status("Queued"), LogLine("event 0"), LogLine("event 1"), Status("Running"),
        LogLine("event 2"), LogLine("event 3"), Status("Completed"),
    ]  # fmt: skip


def test_a_follow_that_was_killed_is_taken_up_from_the_first_event_and_misses_none() -> None:
    """A kill leaves nothing behind; what a second follow gives is what one whole follow would."""
    service = Told(["Running"] * 5 + ["Completed"])
    first: Iterator[Event] = follow(service, JOB.name, wait=lambda seconds: None)  # type: ignore[arg-type]
    before = [next(first) for _ in range(3)]
    del first
    found, error = told(service)
    assert error is None
    assert lines(before) == ["event 0", "event 1"]
    assert lines(found) == [f"event {number}" for number in range(service.looks)]


def test_faults_in_a_row_are_lived_through_and_cost_no_event() -> None:
    service = Told(["Running"] * 8 + ["Completed"], faults=[2, 3, 4, 5])
    found, error = told(service)
    assert error is None
    assert lines(found) == [f"event {number}" for number in range(9)]
    assert [e for e in found if isinstance(e, Status)] == [Status("Running"), Status("Completed")]


@pytest.mark.parametrize(
    ("faults", "status", "looks"),
    [(list(range(1, 99)), 500, FAULTS_IN_A_ROW), ([2], 401, 2), ([2], 403, 2)],
)
def test_too_many_faults_or_a_final_refusal_say_how_to_come_back(
    faults: list[int], status: int, looks: int
) -> None:
    service = Told(["Running"], faults, status=status)
    _, error = told(service)
    assert isinstance(error, CloudError)
    assert "tunestack jobs logs ftjob-1 --follow" in error.hint
    assert service.looks == looks


@pytest.mark.parametrize("status", ["Failed", "Canceled"])
def test_a_job_that_does_not_complete_is_told_with_its_error_and_its_last_events(
    status: JobState,
) -> None:
    found, error = told(Told(["Running", status], error="invalid: Too short."))
    assert isinstance(error, JobFailed)
    assert f"ended as {status}. invalid: Too short.\n" in str(error)
    assert "  event 1" in str(error)
    assert found[-1] == Status(status)


def test_a_pause_ends_following_with_the_command_that_goes_on() -> None:
    found, error = told(Told(["Running", "Pausing", "Paused"]))
    assert isinstance(error, JobPaused)
    assert error.hint == "Go on: tunestack jobs resume ftjob-1"
    assert [e.status for e in found if isinstance(e, Status)] == ["Running", "Pausing", "Paused"]


def test_a_job_that_is_not_there_is_said_not_to_be() -> None:
    _, error = told(Told(["Running"], is_there=False))
    assert isinstance(error, UserError)
    assert error.hint == "tunestack jobs list"


def test_measurements_have_the_names_that_the_line_shows() -> None:
    class Measures(Told):
        def events(self, name: str) -> list[ServiceEvent]:
            rows: list[dict[str, float]] = [
                {"step": 10.0, "train_loss": 0.5, "train_mean_token_accuracy": 0.75},
                {"step": 20.0, "full_valid_loss": 0.25, "valid_loss": 0.4, "total_steps": 40.0},
                {"step": 30.0},
            ]
            return [ServiceEvent(str(n), f"at {n}", metrics=row) for n, row in enumerate(rows)] + [
                ServiceEvent("w", "slow", level="warning")
            ]

    found = list(read_events(Measures(["Running"]), JOB.name))  # type: ignore[arg-type]
    assert found[2:] == [LogLine("at 2"), LogLine("warning: slow")]
    first, second = (event.values for event in found[:2] if isinstance(event, Metrics))
    assert first == {"step": 10, "loss": 0.5, "mean_token_accuracy": 0.75}
    assert metrics_line(first) == "step 10  loss 0.500"
    assert metrics_line(second) == "step 20/40  eval loss 0.250"
