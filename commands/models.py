"""`tunestack models`: list, show, register and compare models."""

from typing import Any

import click
from rich.markup import escape

from commands.job_view import naming_stack
from commands.options import json_option, stack_option
from commands.output import say, show, table
from commands.session import Session
from core.errors import UserError
from core.refs import ModelRef
from evaluation.comparison import Answer, Comparison, compare
from training import models as training_models
from training.artifacts import output_folder
from training.jobs import find_job


@click.group()
def models() -> None:
    """List and show registered models."""


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
            *(model["tags"].get(tag, "") for tag in ("recipe", "base", "eval_loss", "job")),
        )
        for model in found
    ]
    columns = ["model", "created", "recipe", "base", "eval loss", "job"]
    show(found, as_json, lambda: table("", columns, rows))
    if not found:
        say("No model yet. Next: tunestack train")


@models.command(name="show")
@click.argument("model", metavar="NAME[:VERSION]")
@stack_option
@json_option
def show_command(model: str, stack: str, as_json: bool) -> None:
    """Show a model and what it was made of."""
    session = Session(stack)
    with naming_stack(stack):
        found = training_models.find_model(session.cloud, session.outputs, ModelRef.parse(model))
    rows = [(key, found[key]) for key in ("name", "version", "created", "path")]
    rows += sorted(found["tags"].items())
    show(found, as_json, lambda: table("", ["", "value"], rows))


@models.command()
@click.argument("job")
@stack_option
@json_option
def register(job: str, stack: str, as_json: bool) -> None:
    """Register what a completed job made; a second time gives the same version."""
    session = Session(stack)
    with naming_stack(stack):
        made = training_models.register(session.cloud, session.outputs, job)
    show(made.model_dump(), as_json, lambda: click.echo(f"Model {made}"))


@models.command(name="compare")
@click.argument("model", metavar="[NAME[:VERSION]]", default="")
@click.option("--rows", default=5, show_default=True, help="Questions to print; --json has all.")
@stack_option
@json_option
def compare_command(model: str, rows: int, stack: str, as_json: bool) -> None:
    """Put the base model's answers beside the tuned one's, on held-out questions."""
    session = Session(stack)
    with naming_stack(stack):
        found, comparison = compare_model(session, ModelRef.parse(model))
    document = {"model": f"{found['name']}:{found['version']}", **comparison.document()}
    show(document, as_json, lambda: _print_comparison(document["model"], comparison, rows))


def compare_model(session: Session, wanted: ModelRef) -> tuple[dict[str, Any], Comparison]:
    """Find a model (the newest where none is named) and judge the samples of its job.

    Raises:
        UserError: no such model, or its job left no samples.
    """
    cloud, outputs = session.cloud, session.outputs
    found = training_models.find_model(cloud, outputs, wanted)
    job = find_job(cloud, outputs, found["tags"]["job"])
    samples = output_folder(cloud, outputs, job, "report").read("samples.jsonl")
    if samples is None:
        raise UserError(
            f"The job {job.name} left no samples.",
            hint="Its recipe's samples.count may be 0; training again with it makes some.",
        )
    return found, compare(samples)


def _print_comparison(model: str, comparison: Comparison, rows: int) -> None:
    # A base that breaks the rule first: there the two differ most.
    for row in sorted(comparison.rows, key=lambda row: not row.base.breaches)[:rows]:
        table(
            "",
            ["", escape(row.question)],
            [("base", _marked(row.base)), ("tuned", _marked(row.tuned)), ("", "")],
        )
    left = len(comparison.rows) - rows
    if left > 0:
        say(f"and {left} more questions: --rows {len(comparison.rows)}")
    base, tuned = comparison.base, comparison.tuned
    table(
        "",
        [f"{model}, {tuned.answers} held-out questions", "base", "tuned"],
        [(label, getattr(base, key), getattr(tuned, key)) for label, key in COUNTED],
    )


COUNTED = (
    ("break the hard rule", "breaking_the_rule"),
    ("end with a question", "ending_with_a_question"),
    ("equal the reference", "equal_to_reference"),
    ("are empty", "empty"),
)


def _marked(answer: Answer) -> str:
    topics = sorted({breach.topic for breach in answer.breaches})
    mark = f"[red]recommends {', '.join(topics)}:[/red] " if topics else ""
    return mark + escape(answer.text.strip())
