"""Follow a job while it runs: its log, its metrics and its state, as events.

Reading is all that this does; leaving off leaves the job running.
"""

import json
import re
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from core.cloud import Cloud
from core.errors import CloudError, JobFailed
from core.refs import StackOutputs
from training.artifacts import BlobFolder, log_folder
from training.explain import Evidence, explain
from training.jobs import ENDED, find_job
from training.losses import loss_of
from training.metrics import failure_reason
from training.submission import job_ref

FIRST_WAIT, LONGEST_WAIT = 1.0, 5.0
"""Seconds between two looks: short at first and whenever the log grows."""

FAULTS_IN_A_ROW = 5
"""Looks that may fail one after another before following gives up (the SDK retried each)."""

FINAL_REFUSALS = (400, 401, 403, 404)
"""Answers that another look will not change."""

LOG_FILES = re.compile(r"azureml-logs/.*build.*\.txt|user_logs/std_log\D*0*(?:_ps)?\.txt")
"""The image build's log, and what the first process of the job printed."""

TAIL = 15
"""Log lines that a failure shows."""

KEPT = 400
"""Log lines that the cause of a failure is looked for in."""


@dataclass(frozen=True)
class Status:
    """The job has come to a new state."""

    status: str


@dataclass(frozen=True)
class LogLine:
    """A line of the job's log."""

    text: str


@dataclass(frozen=True)
class Metrics:
    """What the training program measured at a step."""

    values: dict[str, Any]


Event = Status | LogLine | Metrics


class JobLost(JobFailed):
    """A job's low-priority nodes were taken, and Azure ML did not start it again."""

    def __init__(self, job: str, status: str) -> None:
        super().__init__(
            f"The job {job} lost its low-priority nodes and ended as {status}.",
            hint=f"Go on from its checkpoints: tunestack jobs resume {job}",
        )
        self.job = job


def follow(
    cloud: Cloud, outputs: StackOutputs, job: str, *, wait: Callable[[float], None] = time.sleep
) -> Iterator[Event]:
    """Yield what a job does until it ends.

    Raises:
        JobLost: it was preempted for good; it can go on from its checkpoints.
        JobFailed: it did not complete; with the end of its log and where the rest is.
        CloudError: Azure could not be read several times running; the job goes on.
    """
    log = JobLog(log_folder(cloud, outputs, job))
    status, pause, faults = "", FIRST_WAIT, 0
    while status not in ENDED:
        try:
            # The state is read before the log: what an ended job wrote is then all there.
            found = job_ref(find_job(cloud, outputs, job)).status
            events = list(log.new_events())
            faults = 0
        except CloudError as error:
            faults += 1
            if faults == FAULTS_IN_A_ROW or error.status in FINAL_REFUSALS:
                error.hint = f"The job goes on. Resume: tunestack jobs logs {job} --follow"
                raise
            found, events = status, []
        if found != status and found not in ENDED:
            yield Status(found)
        yield from events
        pause = FIRST_WAIT if events else min(pause * 1.5, LONGEST_WAIT)
        if found not in ENDED:
            wait(pause)
        status = found
    yield from log.rest()
    yield Status(status)
    if status != "Completed":
        reason = failure_reason(cloud, outputs, job)
        raise (
            JobLost(job, status)
            if loss_of(status, reason) == "preemption"
            else _failed(job, status, reason, log)
        )


def read_log(cloud: Cloud, outputs: StackOutputs, job: str) -> Iterator[Event]:
    """Yield what a job's log holds now."""
    find_job(cloud, outputs, job)
    log = JobLog(log_folder(cloud, outputs, job))
    yield from log.new_events()
    yield from log.rest()


@dataclass
class JobLog:
    """A job's growing log files, read on from where the last look ended."""

    folder: BlobFolder
    tail: deque[str] = field(default_factory=lambda: deque(maxlen=KEPT))
    _files: dict[str, "Reading"] = field(default_factory=dict)

    def new_events(self) -> Iterator[Event]:
        """Yield the whole lines that have come since the last look.

        A log that has become shorter is a new one: Azure ML has started the job again.
        """
        for name, size in sorted(self.folder.sizes().items()):
            if LOG_FILES.fullmatch(name):
                reading = self._files.setdefault(name, Reading())
                if size < reading.offset:
                    reading = self._files[name] = Reading()
                for line in reading.take(self.folder.read_from(name, reading.offset)):
                    yield self._event(line)

    def rest(self) -> Iterator[Event]:
        """Yield a last line that has no end."""
        for reading in self._files.values():
            if reading.partial:
                line = reading.partial.decode("utf-8", "replace")
                reading.partial = b""
                yield self._event(line)

    def _event(self, line: str) -> Event:
        if line.startswith("metrics "):
            try:
                values = json.loads(line.removeprefix("metrics "))
            except ValueError:
                values = None
            if isinstance(values, dict):
                return Metrics(values)
        self.tail.append(line)
        return LogLine(line)


@dataclass
class Reading:
    """How far a log file has been read; a line is given once its end has come."""

    offset: int = 0
    partial: bytes = b""

    def take(self, content: bytes) -> list[str]:
        """Move on by `content`; give the lines that are whole now.

        A carriage return alone redraws a progress bar: of such a line its last state counts.
        """
        self.offset += len(content)
        *lines, self.partial = (self.partial + content).split(b"\n")
        return [_last_state(line) for line in lines]


def _last_state(line: bytes) -> str:
    return line.rstrip(b"\r").rpartition(b"\r")[2].decode("utf-8", "replace")


def _failed(job: str, status: str, reason: str, log: JobLog) -> JobFailed:
    found = explain(Evidence(status, reason, tuple(log.tail)))
    lines = "\n".join(f"  {line}" for line in list(log.tail)[-TAIL:])
    said = reason.partition("The last lines:")[0].strip()  # which come below
    why = f" {said.rstrip('.')}." if said else ""
    end = f"The end of its log:\n{lines}" if lines else "It wrote no log."
    hint = f"The whole log: tunestack jobs logs {job}"
    if loss_of(status, reason) == "node":
        hint += f"\nGo on from its checkpoints: tunestack jobs resume {job}"
    told = "\n".join((f"The job {job} ended as {status}.{why}", *found.lines(), end))
    return JobFailed(told, hint=hint)
