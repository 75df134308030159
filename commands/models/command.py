"""`tunestack models`: list and register; what else there is to do has modules beside it."""

import click

from commands.jobs.view import naming_stack
from commands.models.compare import compare_command
from commands.models.export import export_command
from commands.models.files import delete, download
from commands.models.price import paid_for
from commands.models.show import show_command
from commands.options import json_option, stack_option
from commands.output import say, show, table
from commands.session import Session
from training import models as training_models
from training.exported_models import register_job

LISTED = ("recipe", "base", "eval_loss", "price_usd", "job", "exported_from")


@click.group()
def models() -> None:
    """List, show, compare, export, download and delete registered models."""


for command in (show_command, compare_command, download, delete, export_command):
    models.add_command(command)


@models.command(name="list")
@stack_option
@json_option
def list_command(stack: str, as_json: bool) -> None:
    """List the models that jobs have made, newest first."""
    session = Session(stack)
    found = training_models.list_models(session.cloud, session.outputs)
    rows = [
        (
            f"{model['name']}:{model['version']}",
            model["created"],
            *(model["tags"].get(tag, "") for tag in LISTED),
        )
        for model in found
    ]
    columns = ["model", "created", "recipe", "base", "eval loss", "USD", "job", "export of"]
    show(found, as_json, lambda: table("", columns, rows))
    if not found:
        say("No model yet. Next: tunestack train")


@models.command()
@click.argument("job")
@stack_option
@json_option
def register(job: str, stack: str, as_json: bool) -> None:
    """Register what a completed job made; a second time gives the same version."""
    session = Session(stack)
    with naming_stack(stack):
        made = register_job(session.cloud, session.outputs, job, paid_for(session, job))
    show(made.model_dump(), as_json, lambda: click.echo(f"Model {made}"))
