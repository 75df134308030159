"""`tunestack jobs`: list, show, follow, cancel and download training jobs."""

from pathlib import Path
from typing import Any

import click

from commands.job_view import metrics_line, naming_stack, watch
from commands.options import json_option, stack_option
from commands.output import say, show, table
from commands.session import Session
from training import jobs as training_jobs
from training.follow import LogLine, Metrics, follow, read_log
from training.metrics import failure_reason, job_metrics
from training.submission import OUTPUTS


@click.group()
def jobs() -> None:
    """List, show, follow, cancel and download jobs."""


@jobs.command(name="list")
@stack_option
@json_option
def list_command(stack: str, as_json: bool) -> None:
    """List the training jobs, newest first."""
    session = Session(stack)
    found = training_jobs.list_jobs(session.cloud, session.outputs)
    rows = [
        (job["name"], job["status"], job["created"], job["tags"].get("recipe", "")) for job in found
    ]
    show(found, as_json, lambda: table("", ["job", "status", "created", "recipe"], rows))
    if not found:
        say("No job yet. Next: tunestack train")


@jobs.command(name="show")
@click.argument("name")
@stack_option
@json_option
def show_command(name: str, stack: str, as_json: bool) -> None:
    """Show a job, what it measured, and why it failed where it did."""
    session = Session(stack)
    cloud, outputs = session.cloud, session.outputs
    with naming_stack(stack):
        job = training_jobs.describe_job(training_jobs.find_job(cloud, outputs, name))
    job["metrics"] = job_metrics(cloud, outputs, name)
    job["error"] = failure_reason(cloud, outputs, name) if job["status"] == "Failed" else ""
    show(job, as_json, lambda: _print_job(job))


@jobs.command()
@click.argument("name")
@click.option("--follow", "follows", is_flag=True, help="Stay until the job ends.")
@stack_option
def logs(name: str, follows: bool, stack: str) -> None:
    """Print a job's log; with --follow, as it grows, on stderr beside its progress."""
    session = Session(stack)
    cloud, outputs = session.cloud, session.outputs
    if follows:
        watch(follow(cloud, outputs, name), name, stack)
        say(f"Next: tunestack models register {name} --stack {stack}")
        return
    with naming_stack(stack):
        for event in read_log(cloud, outputs, name):
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
    session = Session(stack)
    with naming_stack(stack):
        job = training_jobs.cancel_job(session.cloud, session.outputs, name)
    show(job.model_dump(), as_json, lambda: click.echo(f"{job.name}: {job.status}"))


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
    """Download a job's outputs: model, checkpoints, report."""
    session = Session(stack)
    with naming_stack(stack):
        written = training_jobs.download_job(
            session.cloud,
            session.outputs,
            name,
            folder or Path("jobs") / name,
            only=outputs,
            tell=lambda file, size: say(f"  {file}  {size:,} bytes"),
        )
    document = {output: str(path) for output, path in written.items()}
    show(document, as_json, lambda: table("", ["output", "folder"], document.items()))


def _print_job(job: dict[str, Any]) -> None:
    rows = [(key, job[key]) for key in ("name", "status", "created", "compute", "studio_url")]
    rows += sorted(job["tags"].items())
    rows += [(key, f"{value:.4g}") for key, value in sorted(job["metrics"].items())]
    rows += [("error", job["error"])] if job["error"] else []
    table("", ["", "value"], [row for row in rows if row[1]])
