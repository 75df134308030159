"""A model that a managed service tuned and keeps, as the commands of `models` meet it."""

import shlex
from pathlib import Path
from typing import Any

import click
from rich.markup import escape

from commands.jobs.line import metrics_line
from commands.managed.documents import curve_ends, job_document
from commands.managed.money import paid_text, trained_cost
from commands.models.last_evaluation import evaluation_line, last_evaluation
from commands.output import confirm, say, show, table
from commands.session import Session
from core.errors import UserError
from core.refs import ModelRef
from deploy.managed.contract import Hosted
from deploy.managed.hostings import standing
from training.managed.contract import ManagedJob, TunedModel, TuningService
from training.managed.following import figures

Document = dict[str, Any]

HYPERPARAMETERS = (
    "n_epochs", "epochs", "num_train_epochs", "batch_size", "per_device_train_batch_size",
    "learning_rate_multiplier", "learning_rate", "beta", "seed", "tier", "suffix",
)  # fmt: skip
"""Tags in which services tell how a job was set, under their own names."""


class ServiceModel:
    """A tuned model, its job, and what serves it."""

    def __init__(self, session: Session, service: TuningService, model: TunedModel) -> None:
        self.session, self.service, self.model = session, service, model

    def show(self, *, as_json: bool) -> None:
        """Show what went in, what came out, what it cost and what serves it."""
        document = self.document()
        show(document, as_json, lambda: self._print(document))

    def document(self) -> Document:
        """Give all of that JSON-ready."""
        job = self.service.job(self.model.job) if self.model.job else None
        curve = self.service.curve(job.name) if job else []
        return {
            **self.model.document(),
            "route": self.model.route,
            "job": job_document(job) if job else None,
            "inputs": went_in(self.model, job),
            "curve": curve_ends(curve),
            "metrics": dict(figures(curve[-1])) if curve else {},
            "cost": trained_cost(self.session, job) if job else None,
            "deployments": [one.name for one in self._serving()],
            "evaluation": last_evaluation(self.session, str(self.model.ref)),
        }

    def download(self, folder: Path | None, *, as_json: bool) -> None:
        """Refuse: the weights never leave the service."""
        job = self.model.job
        raise UserError(
            f"{self.model.ref} has no files to fetch: the service that tuned it keeps the weights.",
            hint=f"Its curve: tunestack jobs download {job}" if job else "",
        )

    def delete(self, *, yes: bool, as_json: bool) -> None:
        """Delete it for good, weights and all; refused while a deployment serves it."""
        model, on = self.model, f"--stack {shlex.quote(self.session.stack)}"
        if serving := self._serving():
            names = ", ".join(f"{one.name} ({one.sku or one.state})" for one in serving)
            raise UserError(
                f"{model.ref} is served by {names}: the deployment goes first.",
                hint=f"tunestack undeploy {on} ends it; then delete the model. Nothing was"
                " deleted.",
            )
        say(f"{escape(str(model.ref))}: the service keeps no copy, and nothing brings it back.")
        confirm(f"Delete {model.ref} and its weights?", yes=yes)
        self.service.delete_model(model)
        document = {"deleted": str(model.ref), "route": model.route, "job": model.job}
        show(document, as_json, lambda: click.echo(f"Deleted {model.ref}"))

    def _serving(self) -> list[Hosted]:
        """List the deployments of the model and of its checkpoints."""
        own = {self.model.path, str(self.model.ref), self.model.ref.name} - {""}
        found = [hosted for _, hosted in standing(self.session.cloud, self.session.outputs)]
        return [one for one in found if one.model in own or _base_name(one.model) in own]

    def _print(self, document: Document) -> None:
        rows = [(key, document[key]) for key in ("route", "created", "path")]
        rows += list(document["inputs"].items())
        rows += [
            ("came out", metrics_line(document["metrics"])),
            ("evaluated", evaluation_line(document["evaluation"])),
            ("price", paid_text(document["cost"])),
            ("deployed as", ", ".join(document["deployments"])),
        ]
        known = [(name, escape(str(value))) for name, value in rows if value]
        table("", ["model", escape(str(self.model.ref))], known)


def went_in(model: TunedModel, job: ManagedJob | None) -> Document:
    """Give what a tuned model came of: recipe, base, data by hash, settings, tokens."""
    tags = {**(job.tags if job else {}), **model.tags}
    chosen = [f"{name} {tags[name]}" for name in HYPERPARAMETERS if tags.get(name)]
    rows = {
        "job": model.job,
        "recipe": tags.get("recipe", ""),
        "base": model.base,
        "training data": tags.get("data_sha256", ""),
        "validation data": tags.get("validation_sha256", ""),
        "set": ", ".join(chosen),
        "trained tokens": job.tokens_text if job else "",
    }
    return {name: value for name, value in rows.items() if value}


def registered_by_service(service: TuningService, job: ManagedJob) -> ModelRef:
    """Give the model that a service registered when its job completed.

    Raises:
        UserError: the job made none.
    """
    for model in service.models() if job.status == "Completed" else ():
        if model.job == job.name:
            say(f"The service registered it by itself when {job.name} completed.")
            return model.ref
    raise UserError(
        f"The job {job.name} is {job.status}; its service registers the model of a completed one.",
        hint=f"tunestack jobs logs {job.name} --follow",
    )


def _base_name(model: str) -> str:
    """Give the tuned model's name that a checkpoint belongs to."""
    return model.partition(":")[0]
