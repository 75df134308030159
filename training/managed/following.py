"""Follow a job of a managed service while it runs: what it tells and measures, and its state.

Every follow begins with the job's first event, as one of a job on a cluster begins with its log:
what was told while nobody looked is not lost, and nothing is kept between two follows. Reading is
all that this does; leaving off leaves the job running.
"""

import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from core.errors import CloudError, JobFailed, UserError
from training.follow import (
    FAULTS_IN_A_ROW,
    FINAL_REFUSALS,
    FIRST_WAIT,
    LONGEST_WAIT,
    TAIL,
    Event,
    LogLine,
    Metrics,
    Status,
)
from training.managed.contract import OVER, ManagedJob, ServiceEvent, TuningService

SHOWN = {
    "train_loss": "loss",
    "training_loss": "loss",
    "train_mean_token_accuracy": "mean_token_accuracy",
    "valid_loss": "eval_loss",
    "full_valid_loss": "eval_loss",
    "valid_mean_token_accuracy": "eval_mean_token_accuracy",
    "full_valid_mean_token_accuracy": "eval_mean_token_accuracy",
    "total_steps": "steps",
}
"""What services call what the own-GPU route measures; of two with one name the later one counts."""

COUNTS = ("step", "steps")


class JobPaused(JobFailed):
    """A job was paused: it ends no more by itself, and nothing is lost."""

    def __init__(self, job: str) -> None:
        super().__init__(
            f"The job {job} is paused; it keeps what it has learned.",
            hint=f"Go on: tunestack jobs resume {job}",
        )
        self.job = job


def follow(
    service: TuningService, name: str, wait: Callable[[float], None] = time.sleep
) -> Iterator[Event]:
    """Yield what a job tells until it ends, from its first event on, each once.

    Raises:
        JobPaused: somebody paused it.
        JobFailed: it did not complete; with its error and the last that it told.
        UserError: there is no such job, or no more.
        CloudError: Azure could not be read several times running; the job goes on.
    """
    told = Told()
    status, pause, faults = "", FIRST_WAIT, 0
    while True:
        try:
            # The state is read before the events: what an ended job has told is then all there.
            job = _need(service, name)
            events = told.new(service.events(name))
            faults = 0
        except CloudError as error:
            faults += 1
            if faults == FAULTS_IN_A_ROW or error.status in FINAL_REFUSALS:
                error.hint = f"The job goes on. Resume: tunestack jobs logs {name} --follow"
                raise
            wait(pause)
            continue
        is_end = job.status in (*OVER, "Paused")
        if job.status != status and not is_end:
            yield Status(job.status)
        yield from map(shown, events)
        if is_end:
            break
        pause = FIRST_WAIT if events else min(pause * 1.5, LONGEST_WAIT)
        wait(pause)
        status = job.status
    yield Status(job.status)
    _check_end(job, told)


def read_events(service: TuningService, name: str) -> Iterator[Event]:
    """Yield what a job has told by now."""
    _need(service, name)
    yield from map(shown, service.events(name))


def shown(event: ServiceEvent) -> Event:
    """Give an event as the own-GPU route's: a measurement by its numbers, else a line."""
    values = figures(event.metrics)
    if len(values.keys() - COUNTS) and "step" in values:
        return Metrics(values)
    return LogLine(event.text if event.level == "info" else f"{event.level}: {event.text}")


def figures(metrics: Mapping[str, float]) -> dict[str, Any]:
    """Give what was measured at a step under the names that curves of this program have."""
    values: dict[str, Any] = {name: value for name, value in metrics.items() if name not in SHOWN}
    values |= {ours: metrics[name] for name, ours in SHOWN.items() if name in metrics}
    return values | {name: int(values[name]) for name in COUNTS if name in values}


def _need(service: TuningService, name: str) -> ManagedJob:
    if (job := service.job(name)) is None:
        raise UserError(f"There is no job {name}.", hint="tunestack jobs list")
    return job


@dataclass
class Told:
    """Which events have been given, and the last lines of them."""

    seen: set[str] = field(default_factory=set)
    tail: deque[str] = field(default_factory=lambda: deque(maxlen=TAIL))

    def new(self, events: list[ServiceEvent]) -> list[ServiceEvent]:
        """Give those that have not been given yet, in their order."""
        found = [event for event in events if event.id not in self.seen]
        self.seen.update(event.id for event in found)
        self.tail.extend(event.text for event in found)
        return found


def _check_end(job: ManagedJob, told: Told) -> None:
    if job.status == "Completed":
        return
    if job.status == "Paused":
        raise JobPaused(job.name)
    why = f" {job.error.rstrip('.')}." if job.error else ""
    lines = "\n".join(f"  {line}" for line in told.tail)
    end = f"The last that it told:\n{lines}" if lines else "It told nothing."
    raise JobFailed(
        f"The job {job.name} ended as {job.status}.{why}\n{end}",
        hint=f"All that it told: tunestack jobs logs {job.name}",
    )
