"""Every job of a stack, whoever trains it, newest first."""

from datetime import UTC, datetime
from typing import Any

from rich.markup import escape

from commands.managed.documents import job_document
from commands.output import say
from commands.session import Session
from core.errors import CloudError
from training.evaluation_orders import EVALUATED, EVALUATION_TAG
from training.exporting import EXPORT, EXPORTED_FROM
from training.jobs import list_jobs
from training.managed.services import services
from training.models import FROM_CHECKPOINT
from training.submission import RUN_TAG, TRY_TAG

Document = dict[str, Any]


def all_jobs(session: Session) -> list[Document]:
    """List the jobs of the workspace and of every managed service that the stack has.

    A service that does not answer is named, and hides nothing of the others.
    """
    cloud, outputs = session.cloud, session.outputs
    found = [{"route": "azureml", **job} for job in list_jobs(cloud, outputs)]
    for service in services(cloud, outputs):
        try:
            found += [job_document(job) for job in service.jobs()]
        except CloudError as error:
            say(
                f"[yellow]Jobs of the route {service.route} are not listed:[/] {escape(str(error))}"
            )
    return sorted(found, key=by_time, reverse=True)


def by_time(document: Document) -> tuple[datetime, str]:
    """Give what a list of jobs or models is sorted by; what tells no time is the oldest."""
    return moment(document["created"]), document["name"]


def moment(text: str) -> datetime:
    """Read a moment as Azure writes it."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return datetime.min.replace(tzinfo=UTC)
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def columns(found: list[Document]) -> tuple[list[str], list[tuple[str, ...]]]:
    """Give head and rows of the table; the route has a column where there is more than one."""
    many = len({job["route"] for job in found}) > 1
    head = ["job", *(["route"] * many), "status", "created", "recipe", "run"]
    rows = [
        (
            job["name"],
            *([job["route"]] * many),
            job["status"],
            job["created"],
            job["tags"].get("recipe") or job.get("base", ""),
            place_in_run(job),
        )
        for job in found
    ]
    return head, rows


def place_in_run(job: Document) -> str:
    """Say of which run a job is a further try, of which model an export, or whom it asks."""
    if EXPORTED_FROM in job["tags"]:
        return f"{job['tags'].get(EXPORT, 'export')} of {job['tags'][EXPORTED_FROM]}"
    if checkpoint := job["tags"].get(FROM_CHECKPOINT):
        return f"model of {checkpoint}"
    if EVALUATION_TAG in job["tags"]:
        return f"evaluates {job['tags'].get(EVALUATED, '')}"
    number, run = job["tags"].get(TRY_TAG, "1"), job["tags"].get(RUN_TAG, "")
    return "" if number == "1" else f"try {number} of {run}"
