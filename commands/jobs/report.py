"""`tunestack jobs report`: a run's page and its curves, brought here."""

import shlex
from pathlib import Path

import click

from commands.jobs.cost import JobCost, job_cost, utc_now
from commands.jobs.handler import handler
from commands.jobs.listing import all_jobs
from commands.jobs.view import naming_stack
from commands.options import json_option, stack_option
from commands.output import show, table
from commands.pricing import dollars
from commands.session import Session
from core.errors import UserError
from training.failures import EXPLAINED, explain_job
from training.jobs import find_job, is_training
from training.report import read_run, write_page
from training.submission import job_ref


@click.command()
@click.argument("name", default="", metavar="[NAME]")
@click.option(
    "--folder", type=click.Path(path_type=Path), default=None,
    help="Where to.  [default: jobs/<NAME>/report]",
)  # fmt: skip
@stack_option
@json_option
def report(name: str, folder: Path | None, stack: str, as_json: bool) -> None:
    """Write a run's page (HTML) and curves (PNG): losses, speed, memory, verdict, samples, price.

    Without NAME it is the newest job's. While a job runs they show what it has measured so far; of
    a managed one what its service tells: losses, accuracy and what follows from them.
    """
    session = Session(stack)
    name = name or _newest(session)
    with naming_stack(stack):
        files = handler(session, name).report(folder or Path("jobs") / name / "report")
    document = {file.suffix.lstrip("."): str(file) for file in files}
    show(document, as_json, lambda: table("", ["", "file"], document.items()))


def _newest(session: Session) -> str:
    found = [job for job in all_jobs(session) if job["route"] != "azureml" or is_training(job)]
    if not found:
        raise UserError("There is no job yet.", hint="tunestack train")
    return str(found[0]["name"])


def write_report(session: Session, name: str, folder: Path) -> list[Path]:
    """Write page and curves of a job; give both files."""
    cloud, outputs = session.cloud, session.outputs
    status = job_ref(find_job(cloud, outputs, name)).status
    facts = read_run(cloud, outputs, name)
    facts["figures"] = {"price": price_text(job_cost(session, name))}
    facts["next"] = next_commands(session, name, status)
    found = explain_job(cloud, outputs, name, status) if status in EXPLAINED else None
    return write_page(folder, facts, found)


def price_text(cost: JobCost) -> str:
    """Say what a run has cost and how that comes about; empty where it is not known."""
    hours, amount = cost.hours(utc_now()), cost.so_far(utc_now())
    if amount is None or hours is None:
        return ""
    nodes = f"{cost.nodes} node{'s' * (cost.nodes > 1)}, {hours:.2f} h"
    if not cost.per_hour:
        return f"nothing: a rehearsal ({nodes})"
    return f"{dollars(amount)} ({nodes} at {dollars(cost.per_hour)} an hour)"


def next_commands(session: Session, name: str, status: str) -> list[str]:
    """List the commands that go on from a job in this state."""
    on = "" if session.is_rehearsal else f" --stack {shlex.quote(session.stack)}"
    follow: tuple[str, ...]
    if status == "Completed":
        follow = (f"models register {name}", "models compare", "deploy", "chat")
    elif status in EXPLAINED:
        follow = (f"jobs explain {name}", f"jobs resume {name}")
    else:
        follow = (f"jobs logs {name} --follow", f"jobs cancel {name}")
    return [f"tunestack {command}{on}" for command in follow]
