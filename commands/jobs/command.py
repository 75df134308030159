"""`tunestack jobs`: list, show, follow, pause, cancel and download training jobs."""

from pathlib import Path
from typing import Any

import click

from commands.jobs.explain import explain
from commands.jobs.handler import Row, handler
from commands.jobs.line import metrics_line
from commands.jobs.listing import all_jobs, columns
from commands.jobs.report import report
from commands.jobs.resume import resume
from commands.jobs.view import naming_stack
from commands.options import json_option, stack_option
from commands.output import say, show, table
from commands.session import Session
from training.follow import LogLine, Metrics
from training.submission import OUTPUTS


@click.group()
def jobs() -> None:
    """List, show, follow, explain, cancel, resume and download jobs."""


for command in (resume, report, explain):
    jobs.add_command(command)


@jobs.command(name="list")
@stack_option
@json_option
def list_command(stack: str, as_json: bool) -> None:
    """List the training jobs, newest first."""
    found = all_jobs(Session(stack))
    head, rows = columns(found)
    show(found, as_json, lambda: table("", head, rows))
    if not found:
        say("No job yet. Next: tunestack train")


@jobs.command(name="show")
@click.argument("name")
@stack_option
@json_option
def show_command(name: str, stack: str, as_json: bool) -> None:
    """Show a job, what it measured, and why it failed where it did."""
    with naming_stack(stack):
        job = handler(Session(stack), name)
        document = job.document()
    show(document, as_json, lambda: _print_rows(job.rows(document)))


@jobs.command()
@click.argument("name")
@click.option("--follow", "follows", is_flag=True, help="Stay until the job ends.")
@stack_option
def logs(name: str, follows: bool, stack: str) -> None:
    """Print a job's log; with --follow, as it grows, on stderr beside its progress."""
    with naming_stack(stack):
        job = handler(Session(stack), name)
    if follows:
        say(f"Next: {job.follow()}")
        return
    with naming_stack(stack):
        for event in job.log():
            match event:
                case LogLine(text):
                    click.echo(text)
                case Metrics(values):
                    click.echo(metrics_line(values))


@jobs.command()
@click.argument("name")
@stack_option
@json_option
def cancel(name: str, stack: str, as_json: bool) -> None:
    """Stop a job; one that has ended stays as it is."""
    with naming_stack(stack):
        job = handler(Session(stack), name).cancel()
    show(job.model_dump(), as_json, lambda: click.echo(f"{job.name}: {job.status}"))


@jobs.command()
@click.argument("name")
@stack_option
@json_option
def pause(name: str, stack: str, as_json: bool) -> None:
    """Halt a managed job where it is; `jobs resume` lets it go on."""
    with naming_stack(stack):
        job = handler(Session(stack), name).pause()
    show(job.model_dump(), as_json, lambda: click.echo(f"{job.name}: {job.status}"))
    say(f"Go on: tunestack jobs resume {name} --stack {stack}")


@jobs.command()
@click.argument("name")
@stack_option
@json_option
def checkpoints(name: str, stack: str, as_json: bool) -> None:
    """List what is kept of a job's training, newest first; of a managed one, what `deploy` takes.

    A checkpoint of a managed job is deployed like its model: tunestack deploy --model CHECKPOINT.
    """
    with naming_stack(stack):
        job = handler(Session(stack), name)
        found = job.checkpoints()
    rows = [
        (one["name"], one["step"], one["created"], metrics_line(one["metrics"])) for one in found
    ]
    show(found, as_json, lambda: table("", ["checkpoint", "step", "created", "measured"], rows))
    if not found:
        say(f"{name}: {job.no_checkpoints}.")


@jobs.command()
@click.argument("name")
@click.option(
    "--output", "outputs", multiple=True, type=click.Choice(OUTPUTS),
    help="Which output; all where none is named. Can be repeated.",
)  # fmt: skip
@click.option(
    "--folder", type=click.Path(path_type=Path), default=None,
    help="Where to.  [default: jobs/<NAME>]",
)  # fmt: skip
@stack_option
@json_option
def download(
    name: str, outputs: tuple[str, ...], folder: Path | None, stack: str, as_json: bool
) -> None:
    """Download a job's outputs: model, checkpoints, report; of a managed job its curve."""
    with naming_stack(stack):
        written = handler(Session(stack), name).download(outputs, folder or Path("jobs") / name)
    document = {output: str(path) for output, path in written.items()}
    show(document, as_json, lambda: table("", ["output", "folder"], document.items()))


def _print_rows(rows: list[Row]) -> None:
    table("", ["", "value"], [(name, _text(value)) for name, value in rows if value])


def _text(value: Any) -> str:
    return value if isinstance(value, str) else str(value)
