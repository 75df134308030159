"""`tunestack models`: list; what else there is to do has modules beside it."""

from typing import Any

import click
from rich.markup import escape

from commands.jobs.listing import by_time
from commands.models.compare import compare_command
from commands.models.export import export_command
from commands.models.files import delete, download
from commands.models.register import register_command
from commands.models.show import show_command
from commands.options import json_option, stack_option
from commands.output import say, show, table
from commands.session import Session
from core.errors import CloudError
from training import models as training_models
from training.managed.services import services

LISTED = {
    "recipe": "recipe",
    "base": "base",
    "eval_loss": "eval loss",
    "price_usd": "USD",
    "job": "job",
    "exported_from": "export of",
    "from_checkpoint": "of the checkpoint",
}
"""Tags of a model, and the titles of their columns."""


@click.group()
def models() -> None:
    """List, show, compare, export, download and delete registered models."""


for command in (
    show_command, compare_command, download, delete, export_command, register_command
):  # fmt: skip
    models.add_command(command)


@models.command(name="list")
@stack_option
@json_option
def list_command(stack: str, as_json: bool) -> None:
    """List the models that jobs have made, newest first."""
    found = all_models(Session(stack))
    # What no model has needs no column: names of managed ones are long.
    shown = {tag: title for tag, title in LISTED.items() if any(tag in m["tags"] for m in found)}
    many = len({model["route"] for model in found}) > 1
    rows = [
        (
            f"{model['name']}:{model['version']}",
            *([model["route"]] * many),
            model["created"],
            *(model["tags"].get(tag, "") for tag in shown),
        )
        for model in found
    ]
    columns = ["model", *(["route"] * many), "created", *shown.values()]
    show(found, as_json, lambda: table("", columns, rows))
    if not found:
        say("No model yet. Next: tunestack train")


def all_models(session: Session) -> list[dict[str, Any]]:
    """List the models of the registry and of every managed service, newest first.

    A service that does not answer is named, and hides nothing of the others.
    """
    cloud, outputs = session.cloud, session.outputs
    found = [{"route": "azureml", **one} for one in training_models.list_models(cloud, outputs)]
    for service in services(cloud, outputs):
        try:
            found += [{"route": service.route, **one.document()} for one in service.models()]
        except CloudError as error:
            say(f"[yellow]Models of {service.route} are not listed:[/] {escape(str(error))}")
    return sorted(found, key=by_time, reverse=True)
