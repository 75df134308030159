"""A job of a managed service, as the commands of `jobs` meet it."""

import csv
import shlex
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from rich.markup import escape

from commands.jobs.handler import Row
from commands.jobs.line import metrics_line
from commands.jobs.view import naming_stack
from commands.managed.documents import (
    checkpoint_document,
    curve_ends,
    job_document,
)
from commands.managed.following import follow_job
from commands.managed.money import paid_text, trained_cost
from commands.output import confirm, say, show
from commands.session import Session
from core.errors import SettingsError, UserError
from core.refs import JobRef
from training.explain import Explanation
from training.explain.evidence import Confidence
from training.follow import Event
from training.managed.contract import ManagedJob, TuningService
from training.managed.following import figures, read_events
from training.report import write_page

FAILED = ("Failed", "Canceled")
SAID = ("base", "route", "tunestack", "tunestack-order", "tunestack-estimate-tokens")
"""Tags that say what other rows do, or mean nothing to a person."""

SHOWN_POINTS = 12
"""Points of a curve that `jobs show` prints, spread over all of it."""


class ManagedJobHandler:
    """A job that one of Azure's services runs."""

    def __init__(self, session: Session, service: TuningService, job: ManagedJob) -> None:
        self.session, self.service, self.job = session, service, job
        self.name, self.no_checkpoints = job.name, service.no_checkpoints

    def document(self) -> dict[str, Any]:
        """Give the job, its curve, its checkpoints and what it has cost."""
        curve = self.service.curve(self.name)
        points = [figures(row) for row in curve]
        return {
            **job_document(self.job),
            "metrics": _last_values(points),
            "curve": curve_ends(curve),
            "points": points,
            "checkpoints": [
                checkpoint_document(one) for one in self.service.checkpoints(self.name)
            ],
            "cost": trained_cost(self.session, self.job),
            "explanation": None,
        }

    def rows(self, document: dict[str, Any]) -> list[Row]:
        """Give the rows of `jobs show`, its curve among them."""
        names = (
            "name", "route", "status", "service_status", "created", "finished", "base", "tuned",
            "studio_url",
        )  # fmt: skip
        rows: list[Row] = [(key.replace("_", " "), document[key]) for key in names]
        rows += [row for row in sorted(document["tags"].items()) if row[0] not in SAID]
        rows += [
            ("trained tokens", self.job.tokens_text),
            ("price", paid_text(document["cost"])),
            ("error", escape(document["error"])),
        ]
        rows += [
            ("checkpoint", f"{one['name']}  {metrics_line(one['metrics'])}")
            for one in document["checkpoints"]
        ]
        return rows + [("curve", metrics_line(point)) for point in _spread(document["points"])]

    def log(self) -> Iterator[Event]:
        """Give what the service has told of the job so far."""
        return read_events(self.service, self.name)

    def follow(self) -> str:
        """Show the job until it ends; leaving off leaves it running."""
        follow_job(self.session, self.service, self.name)
        made = next((one for one in self.service.models() if one.job == self.name), None)
        model = f" --model {shlex.quote(str(made.ref))}" if made else ""
        return f"tunestack deploy{model} --stack {self.session.stack}"

    def cancel(self) -> JobRef:
        """Ask the service to end it; one that has ended stays as it is."""
        return self.service.cancel(self.name).ref()

    def pause(self) -> JobRef:
        """Ask the service to stop it where it is."""
        return self.service.pause(self.name).ref()

    def resume(self, cluster: str, *, follow: bool, yes: bool, as_json: bool) -> None:
        """Let a paused job go on, and follow it where that is wanted."""
        from commands.managed.training import Tuned, document, finish, print_result

        if cluster:
            raise SettingsError(
                f"--cluster: Azure's own service runs {self.name}; it has no cluster to choose."
            )
        confirm(f"Let {self.name} go on?", yes=yes or self.session.is_rehearsal)
        with naming_stack(self.session.stack):
            job = self.service.resume(self.name).ref()
        say(f"{job.name}: {job.status}")
        tuned = finish(self.session, self.service, self.name) if follow else Tuned(job)
        show(document(tuned), as_json, partial(print_result, self.session, tuned))

    def checkpoints(self) -> list[dict[str, Any]]:
        """List what can be deployed of the job besides its end."""
        return [checkpoint_document(one) for one in self.service.checkpoints(self.name)]

    def report(self, folder: Path) -> list[Path]:
        """Write the page and the picture of the job's curve."""
        job = self.job
        history = [figures(row) for row in self.service.curve(self.name)]
        if not history:
            raise UserError(
                f"{self.name} ({job.status}) has told no losses yet.",
                hint=f"tunestack jobs logs {self.name} --follow",
            )
        cost = trained_cost(self.session, job)
        facts = {
            "name": job.name,
            "state": job.status.lower(),
            "submitted": job.created,
            "recipe": {"name": job.tags.get("recipe", ""), "method": f"{job.route}",
                       "base": {"id": job.base}},
            "history": history,
            "figures": {"price": paid_text(cost), "trained tokens": job.tokens_text},
            "data_sha256": _hashes(job),
            **({"error": job.error} if job.error else {}),
        }  # fmt: skip
        return write_page(folder, facts)

    def download(self, outputs: tuple[str, ...], folder: Path) -> dict[str, Path]:
        """Write the job's curve as CSV: the weights stay with the service."""
        if outputs:
            raise UserError(
                f"{self.name} has no output {', '.join(outputs)}: the service keeps the weights.",
                hint="Without --output its curve is written; a checkpoint is deployed:"
                f" tunestack jobs checkpoints {self.name}",
            )
        curve = self.service.curve(self.name)
        if not curve:
            raise UserError(f"The job {self.name} ({self.job.status}) has left no curve yet.")
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / "curve.csv").open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, list(dict.fromkeys(key for row in curve for key in row)))
            writer.writeheader()
            writer.writerows(curve)
        return {"curve": folder / "curve.csv"}

    def failure(self) -> tuple[str, Explanation | None]:
        """Give its status, and what the service says of its end."""
        job = self.job
        if job.status not in FAILED:
            return job.status, None
        told = tuple(
            event.text for event in self.service.events(self.name) if event.level != "info"
        )
        cause = job.error or ("it was canceled" if job.status == "Canceled" else "no reason given")
        fix = "Mend what it names and submit it again: tunestack train."
        sure = Confidence.CERTAIN if job.error else Confidence.LIKELY
        return job.status, Explanation("service", cause, fix, sure, told[-3:])


def _last_values(points: list[dict[str, float]]) -> dict[str, float]:
    """Give the last value of each thing that was measured."""
    return {name: value for point in points for name, value in point.items() if name != "step"}


def _spread(points: list[dict[str, float]]) -> list[dict[str, float]]:
    """Take a few points, evenly, the first and the last among them."""
    if len(points) <= SHOWN_POINTS:
        return points
    last = len(points) - 1
    return [points[round(place * last / (SHOWN_POINTS - 1))] for place in range(SHOWN_POINTS)]


def _hashes(job: ManagedJob) -> dict[str, str]:
    keys = {"train": "data_sha256", "eval": "validation_sha256"}
    return {part: job.tags[key] for part, key in keys.items() if key in job.tags}
