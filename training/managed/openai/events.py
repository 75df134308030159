"""What a job tells and measures: events, the curve of its losses, checkpoints."""

import csv
import io
import math
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

from training.managed.contract import Checkpoint, ServiceEvent
from training.managed.openai.client import PAGE, Api, everything, extra
from training.managed.openai.files import read_file
from training.managed.openai.refusals import asking

if TYPE_CHECKING:
    from openai.types.fine_tuning import FineTuningJobEvent
    from openai.types.fine_tuning.jobs import FineTuningJobCheckpoint

SPELLINGS = {
    "validation_loss": "valid_loss",
    "validation_mean_token_accuracy": "valid_mean_token_accuracy",
}
"""The results file has columns that events call otherwise (both documented)."""

STEP = re.compile(r"step (\d+)(?:/\d+)?: training loss=(\d[\d.eE+-]*)", re.IGNORECASE)
LEVELS: Mapping[str, Literal["info", "warning", "error"]] = {
    "warn": "warning",
    "warning": "warning",
    "error": "error",
}


def moment(seconds: Any) -> str:
    """Write a Unix time in ISO 8601; empty where there is none."""
    if not isinstance(seconds, int | float) or seconds <= 0:
        return ""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")


class Events:
    """What jobs have told, read on from where the last look ended."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._known: dict[str, dict[str, ServiceEvent]] = {}

    def of(self, job: str) -> list[ServiceEvent]:
        """Give all that a job has told so far, oldest first.

        The service gives the newest first, page by page. A page that holds nothing new ends a
        look, so that an event that came late among the last hundred is not missed; a look that
        fails half-way is forgotten, so that it hides no page behind it.
        """
        known = self._known.get(job, {})
        new = self._since(job, known)
        oldest_first = dict(reversed(new.items()))
        self._known[job] = known | oldest_first
        return sorted(self._known[job].values(), key=lambda event: event.at)

    def _since(self, job: str, known: Mapping[str, ServiceEvent]) -> dict[str, ServiceEvent]:
        """Give what is not known yet, newest first."""
        found: dict[str, ServiceEvent] = {}
        with asking(f"read the events of {job}"):
            page = self._api.client.fine_tuning.jobs.list_events(job, limit=PAGE)
            while True:
                events = [_event(one) for one in page.data or ()]
                fresh = {
                    one.id: one for one in events if one.id not in known and one.id not in found
                }
                found |= fresh
                if not (fresh and page.has_more is True):
                    return found
                page = page.get_next_page()


def _event(event: "FineTuningJobEvent") -> ServiceEvent:
    return ServiceEvent(
        id=event.id or f"{event.created_at} {event.message}",
        text=event.message or "",
        at=moment(event.created_at),
        level=LEVELS.get(str(event.level).lower(), "info"),
        metrics=_of_event(event.data, event.message or ""),
    )


def _of_event(data: Any, text: str) -> dict[str, float]:
    """Give what an event measures: its data, else what its text says."""
    found = measured(data if isinstance(data, Mapping) else {})
    said = STEP.search(text)
    if said and "step" not in found:
        found = measured({"step": said[1], "train_loss": said[2]}) | found
    return found


def measured(row: Mapping[str, Any]) -> dict[str, float]:
    """Give the numbers of a row under the names that events have; what is none is left out."""
    found: dict[str, float] = {}
    for name, value in row.items():
        try:
            number = float(value)
        except (TypeError, ValueError):
            continue
        if math.isfinite(number) and not isinstance(value, bool):
            found[SPELLINGS.get(name.strip(), name.strip())] = number
    return found


def curve(api: Api, results: str, told: Callable[[], list[ServiceEvent]]) -> list[dict[str, float]]:
    """Give a job's losses by step: from its results file where it has one, else from its events."""
    content = read_file(api, results) if results else None
    if content is not None and (points := read_results(content)):
        return points
    return [dict(event.metrics) for event in told() if "step" in event.metrics]


def read_results(content: bytes) -> list[dict[str, float]]:
    """Read results.csv: a row a step, cells empty where nothing was measured."""
    rows = csv.DictReader(io.StringIO(content.decode("utf-8-sig", "replace")))
    points = [measured({str(name): value for name, value in row.items() if name}) for row in rows]
    return [point for point in points if "step" in point]


def list_checkpoints(api: Api, job: str, tuned: str) -> list[Checkpoint]:
    """List the states of a job that can be deployed besides its end, newest first."""
    with asking(f"list the checkpoints of {job}"):
        listed = everything(api.client.fine_tuning.jobs.checkpoints.list(job, limit=PAGE))
    found = [_checkpoint(one) for one in listed if one.fine_tuned_model_checkpoint]
    others = [one for one in found if one.model != tuned]
    return sorted(others, key=lambda one: one.step, reverse=True)


def _checkpoint(one: "FineTuningJobCheckpoint") -> Checkpoint:
    metrics = extra(one, "metrics")
    return Checkpoint(
        model=one.fine_tuned_model_checkpoint,
        step=int(one.step_number or 0),
        created=moment(one.created_at),
        id=one.id,
        metrics=measured(metrics.to_dict() if metrics else {}),
    )
