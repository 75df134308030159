"""What `train` and `jobs resume` end with: the job, its model, and what comes next."""

import shlex
from typing import Any

import click

from commands.output import say
from commands.session import Session
from commands.train.run import Trained
from training.models import find_model


def document(session: Session, trained: Trained) -> dict[str, Any]:
    """Give the result as JSON-ready data."""
    found: dict[str, Any] = {"job": trained.job.model_dump(), "model": None}
    if trained.model:
        found["model"] = find_model(session.cloud, session.outputs, trained.model)
    return found


def print_result(session: Session, trained: Trained) -> None:
    """Print the model's name, or the job's, and the next command."""
    on = "" if session.is_rehearsal else f" --stack {shlex.quote(session.stack)}"
    if trained.model:
        click.echo(f"Model {trained.model}")
        say(f"Next: tunestack models compare{on}; tunestack deploy{on}")
    else:
        click.echo(f"Job {trained.job.name}")
        say(f"Next: tunestack jobs logs {trained.job.name} --follow{on}")
        say(f"Then: tunestack models register {trained.job.name}{on}")
