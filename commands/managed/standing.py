"""What `status` and `cost` tell of the managed routes: hosted models, tuning jobs, their tokens."""

from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click
from rich.markup import escape

from commands.managed.documents import job_document
from commands.managed.money import Cost, trained_cost
from commands.managed.undeploying import an_hour
from commands.output import say, shortened
from commands.session import Session
from core.errors import CloudError
from training.managed.contract import ManagedJob
from training.managed.services import services

if TYPE_CHECKING:
    from infra.standing.costs import Item
    from infra.standing.hosted import HostedModel

Document = dict[str, Any]


def tuning_jobs(session: Session) -> list[ManagedJob]:
    """List the tuning jobs of every service that the stack has; a silent one is told."""
    outputs = session.engine.outputs()
    found: list[ManagedJob] = []
    for service in services(session.cloud, outputs) if outputs else ():
        try:
            found += service.jobs()
        except CloudError as error:
            say(f"[yellow]Jobs of the route {service.route} are not seen:[/] {escape(str(error))}")
    return found


def running_documents(session: Session, known: set[str]) -> list[Document]:
    """Give the tuning jobs that have not ended, without those of `known` names."""
    return [
        job_document(job)
        for job in tuning_jobs(session)
        if not job.is_over and job.name not in known
    ]


def hosted_document(hosted: "HostedModel") -> Document:
    """Give what is worth showing of a model that Azure hosts."""
    expires = hosted.expires()
    return {
        **asdict(hosted),
        "what": hosted.what,
        "per_hour": hosted.per_hour,
        "expires": expires.isoformat(timespec="seconds") if expires else "",
    }


def print_hosted(found: list[Document]) -> None:
    """Print a line for each model that Azure hosts, with what an hour of it costs."""
    for one in found:
        capacity = f", {one['capacity']} thousand tokens a minute" if one["capacity"] else ""
        click.echo(
            f"{one['kind']} {one['name']} ({one['state']}): {shortened(one['what'])},"
            f" {one['sku']}{capacity}, {an_hour(one['per_hour'])}"
        )
        if one["expires"]:
            click.echo(f"  Azure deletes it at {one['expires']}")


def tuning_items(session: Session) -> "tuple[Item, ...]":
    """Give what tuning jobs have cost: the tokens that their services trained on."""
    from infra.standing.costs import Item

    return tuple(
        Item(
            "tuning",
            job.name,
            ", ".join(filter(None, (job.status, job.base, _tokens(job)))),
            hours_of(job),
            _usd(job, trained_cost(session, job)),
            _estimate(job),
        )
        for job in tuning_jobs(session)
    )


def hours_of(job: ManagedJob) -> float | None:
    """Give the hours from a job's making to its end; None where one of them is not told."""
    try:
        span = datetime.fromisoformat(job.finished) - datetime.fromisoformat(job.created)
    except (ValueError, TypeError):
        return None
    return max(0.0, span.total_seconds() / 3600)


def _usd(job: ManagedJob, cost: Cost | None) -> float | None:
    """Give what is charged: nothing for a job that failed before it trained on anything.

    A service that counts no tokens does not tell how far such a job came: that is not known.
    """
    if cost is not None:
        return float(cost["usd"])
    has_failed = job.is_over and job.status != "Completed" and not job.trained_tokens
    return 0.0 if has_failed and not job.are_tokens_estimated else None


def _tokens(job: ManagedJob) -> str:
    return f"tokens: {job.tokens_text}" if job.tokens_text else ""


def _estimate(job: ManagedJob) -> float | None:
    from infra.standing.run_times import ESTIMATE_TAG

    try:
        return float(job.tags[ESTIMATE_TAG])
    except (KeyError, ValueError):
        return None
