"""A checked order on its way: submitted, followed to its end, its model registered."""

from dataclasses import dataclass, replace

from commands.grants import naming_missing_grants
from commands.jobs.following import follow_run, resume_hint
from commands.models.price import paid_for
from commands.output import say
from commands.session import Session
from commands.train.cost import node_of, with_estimate
from core.price_list import LOW_PRIORITY
from core.refs import JobRef, ModelRef
from training.jobs import find_job
from training.models import register
from training.submission import Order, job_ref, submit


@dataclass(frozen=True)
class Trained:
    """What `train` hands on: the run's last job, and the model where it was waited for."""

    job: JobRef
    model: ModelRef | None = None


def train_model(session: Session, order: Order, *, waits: bool = True) -> Trained:
    """Submit a checked order; where `waits`, follow the run and register its model.

    Raises:
        JobFailed: the run did not complete.
        CloudError: Azure refused a step; names it.
    """
    with naming_missing_grants(session):
        return _train(session, order, waits=waits)


def finish(session: Session, job: str) -> Trained:
    """Follow a run to its end and register the model of its last job."""
    cloud, outputs = session.cloud, session.outputs
    last = job_ref(find_job(cloud, outputs, follow_run(session, job)))
    return Trained(last, register(cloud, outputs, last.name, paid_for(session, last.name)))


def _train(session: Session, order: Order, *, waits: bool) -> Trained:
    say(f"Uploading data, base model and code for [bold]{order.recipe.name}[/bold] …")
    order = replace(order, place=order.place.model_copy(update={"resubmits": waits}))
    job = submit(session.cloud, session.outputs, with_estimate(session, order))
    say_submitted(job)
    if waits:
        return finish(session, job.name)
    if node_of(session, order)[1] == LOW_PRIORITY:
        say(
            "Should its nodes be taken for good, nothing submits it again:"
            f" {resume_hint(session, job.name)} does."
        )
    return Trained(job)


def say_submitted(job: JobRef) -> None:
    """Say a job's name, and its page in the studio where it has one."""
    say(f"Submitted [bold]{job.name}[/bold]" + (f"\n{job.studio_url}" if job.studio_url else ""))
