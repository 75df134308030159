"""`tunestack jobs`: list, show, follow, cancel and download training jobs."""

from pathlib import Path
from typing import Any

import click

from commands.jobs.cost import job_cost, utc_now
from commands.jobs.explain import as_document, explain
from commands.jobs.following import follow_run
from commands.jobs.line import metrics_line
from commands.jobs.report import price_text, report
from commands.jobs.resume import resume
from commands.jobs.view import naming_stack
from commands.options import json_option, stack_option
from commands.output import say, show, table
from commands.session import Session
from training import jobs as training_jobs
from training.exporting import EXPORT, EXPORTED_FROM
from training.failures import EXPLAINED, explain_job
from training.follow import LogLine, Metrics, read_log
from training.metrics import curve_summary, failure_reason, job_metrics
from training.submission import OUTPUTS, RUN_TAG, TRY_TAG


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
    session = Session(stack)
    found = training_jobs.list_jobs(session.cloud, session.outputs)
    rows = [
        (
            job["name"],
            job["status"],
            job["created"],
            job["tags"].get("recipe", ""),
            place_in_run(job),
        )
        for job in found
    ]
    show(found, as_json, lambda: table("", ["job", "status", "created", "recipe", "run"], rows))
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
    job["curve"] = curve_summary(cloud, outputs, name)
    cost = job_cost(session, name)
    job["cost"] = cost.document(utc_now())
    has_failed = job["status"] in EXPLAINED
    job["error"] = failure_reason(cloud, outputs, name) if has_failed else ""
    found = explain_job(cloud, outputs, name, job["status"]) if has_failed else None
    job["explanation"] = as_document(found) if found else None
    show(job, as_json, lambda: _print_job(job, price_text(cost)))


@jobs.command()
@click.argument("name")
@click.option("--follow", "follows", is_flag=True, help="Stay until the job ends.")
@stack_option
def logs(name: str, follows: bool, stack: str) -> None:
    """Print a job's log; with --follow, as it grows, on stderr beside its progress."""
    session = Session(stack)
    cloud, outputs = session.cloud, session.outputs
    if follows:
        name = follow_run(session, name)
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


def place_in_run(job: dict[str, Any]) -> str:
    """Say of which run a job is a further try, or of which model an export; else empty."""
    if EXPORTED_FROM in job["tags"]:
        return f"{job['tags'].get(EXPORT, 'export')} of {job['tags'][EXPORTED_FROM]}"
    number, run = job["tags"].get(TRY_TAG, "1"), job["tags"].get(RUN_TAG, "")
    return "" if number == "1" else f"try {number} of {run}"


def _print_job(job: dict[str, Any], price: str) -> None:
    rows = [(key, job[key]) for key in ("name", "status", "created", "compute", "studio_url")]
    rows += sorted(job["tags"].items())
    rows += [(key, f"{value:.4g}") for key, value in sorted(job["metrics"].items())]
    rows += [("price", price), ("error", job["error"])]
    why = job["explanation"] or {}
    rows += [(key, why[key]) for key in ("cause", "rule", "fix") if key in why]
    table("", ["", "value"], [row for row in rows if row[1]])
