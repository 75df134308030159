"""A job on a cluster of the stack's own, as the commands of `jobs` meet it."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from commands.jobs.cost import job_cost, utc_now
from commands.jobs.explain import as_document
from commands.jobs.following import follow_run
from commands.jobs.handler import Row
from commands.jobs.report import price_text, write_report
from commands.jobs.resume import resume_job
from commands.output import say
from commands.session import Session
from core.errors import UserError
from core.refs import JobRef
from training import jobs as training_jobs
from training.explain import Explanation
from training.failures import EXPLAINED, explain_job
from training.follow import Event, read_log
from training.kept_orders import checkpoint_names, find_order
from training.metrics import curve_summary, failure_reason, job_metrics
from training.submission import job_ref


class OwnJob:
    """A job of the stack's Azure ML workspace."""

    no_checkpoints = "no checkpoint is kept yet"

    def __init__(self, session: Session, name: str) -> None:
        self.session, self.name = session, name
        self._price = ""

    def document(self) -> dict[str, Any]:
        """Give the job, what it measured, and why it failed where it did."""
        session, name = self.session, self.name
        cloud, outputs = session.cloud, session.outputs
        job = training_jobs.describe_job(training_jobs.find_job(cloud, outputs, name))
        job["metrics"] = job_metrics(cloud, outputs, name)
        job["curve"] = curve_summary(cloud, outputs, name)
        cost = job_cost(session, name)
        job["cost"], self._price = cost.document(utc_now()), price_text(cost)
        has_failed = job["status"] in EXPLAINED
        job["error"] = failure_reason(cloud, outputs, name) if has_failed else ""
        found = explain_job(cloud, outputs, name, job["status"]) if has_failed else None
        job["explanation"] = as_document(found) if found else None
        return job

    def rows(self, document: dict[str, Any]) -> list[Row]:
        """Give the rows of `jobs show`."""
        names = ("name", "status", "created", "compute", "studio_url")
        rows: list[Row] = [(key, document[key]) for key in names]
        rows += sorted(document["tags"].items())
        rows += [(key, f"{value:.4g}") for key, value in sorted(document["metrics"].items())]
        rows += [("price", self._price), ("error", document["error"])]
        why = document["explanation"] or {}
        return rows + [(key, why[key]) for key in ("cause", "rule", "fix") if key in why]

    def log(self) -> Iterator[Event]:
        """Give what the job's log holds now."""
        return read_log(self.session.cloud, self.session.outputs, self.name)

    def follow(self) -> str:
        """Show the job, and what follows it after losses, until it ends."""
        last = follow_run(self.session, self.name)
        return f"tunestack models register {last} --stack {self.session.stack}"

    def cancel(self) -> JobRef:
        """Stop it; one that has ended stays as it is."""
        return training_jobs.cancel_job(self.session.cloud, self.session.outputs, self.name)

    def pause(self) -> JobRef:
        """Refuse: Azure ML stops jobs for good, and their checkpoints stay."""
        job_ref(training_jobs.find_job(self.session.cloud, self.session.outputs, self.name))
        on = f"--stack {self.session.stack}"
        raise UserError(
            f"{self.name} runs on a cluster, and Azure ML pauses no such job.",
            hint=f"tunestack jobs cancel {self.name} {on} keeps its checkpoints, and tunestack jobs"
            f" resume {self.name} {on} goes on from them.",
        )

    def resume(self, cluster: str, *, follow: bool, yes: bool, as_json: bool) -> None:
        """Submit it again with the same order and the same checkpoints."""
        resume_job(self.session, self.name, cluster, follow=follow, yes=yes, as_json=as_json)

    def checkpoints(self) -> list[dict[str, Any]]:
        """List what the run of the job has kept; only the job itself goes on from it."""
        cloud, outputs = self.session.cloud, self.session.outputs
        training_jobs.find_job(cloud, outputs, self.name)
        kept = find_order(cloud, outputs, self.name)
        names = checkpoint_names(cloud, outputs, (kept.place.run if kept else "") or self.name)
        found = [(_step(name), name) for name in names]
        return [
            {"name": name, "step": step, "created": "", "metrics": {}}
            for step, name in sorted(found, reverse=True)
            if step >= 0
        ]

    def report(self, folder: Path) -> list[Path]:
        """Write the run's page and picture."""
        return write_report(self.session, self.name, folder)

    def download(self, outputs: tuple[str, ...], folder: Path) -> dict[str, Path]:
        """Download the job's named outputs, all where none is named."""
        return training_jobs.download_job(
            self.session.cloud,
            self.session.outputs,
            self.name,
            folder,
            only=outputs,
            tell=lambda file, size: say(f"  {file}  {size:,} bytes"),
        )

    def failure(self) -> tuple[str, Explanation | None]:
        """Give its status, and which rule knows why it failed."""
        cloud, outputs = self.session.cloud, self.session.outputs
        status = job_ref(training_jobs.find_job(cloud, outputs, self.name)).status
        is_failure = status in EXPLAINED
        return status, explain_job(cloud, outputs, self.name, status) if is_failure else None


def _step(name: str) -> int:
    found = re.fullmatch(r"checkpoint-(\d+)", name)
    return int(found[1]) if found else -1
