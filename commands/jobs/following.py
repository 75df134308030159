"""A run followed to its end: where low-priority nodes are taken, it is submitted again.

Azure ML may start a preempted job again by itself; following then just goes on. What ends by a
preemption is submitted again from here, with the same checkpoints, and after so many losses on
dedicated nodes. Nothing does that while nobody follows.
"""

import re
import shlex
from functools import partial

from commands import pricing
from commands.jobs.cost import job_cost
from commands.jobs.view import naming_stack, watch
from commands.output import say
from commands.session import Session
from commands.train.cost import with_estimate
from core.errors import CloudError, JobFailed
from core.price_list import LOW_PRIORITY
from training import resubmission
from training.environment import JOB_FOLDER
from training.follow import JobLost, follow
from training.kept_orders import KeptOrder, checkpoint_names, find_order
from training.losses import hours_run


def follow_run(session: Session, job: str) -> str:
    """Show a job until it ends, and what follows it after losses; give the last one's name.

    Raises:
        JobFailed: the last one did not complete.
    """
    while True:
        kept = find_order(session.cloud, session.outputs, job)
        try:
            events = follow(session.cloud, session.outputs, job)
            watch(events, job, session.stack, partial(job_cost, session, job))
            return job
        except JobLost as lost:
            if kept is None:
                raise
            with naming_stack(session.stack):
                job = _next_job(session, kept, lost)
        except KeyboardInterrupt:
            if kept and kept.place.resubmits and kept.priority == LOW_PRIORITY:
                say("Should its nodes be taken meanwhile, it waits until you come back.")
            raise


def _next_job(session: Session, kept: KeptOrder, lost: JobLost) -> str:
    """Find or submit what follows a lost job; give its name."""
    say(f"[yellow]{lost}[/yellow] {told_loss(session, kept)}")
    cloud, outputs = session.cloud, session.outputs
    found = resubmission.find_next(cloud, outputs, kept)
    if found is not None:
        say(f"It goes on as [bold]{found.name}[/bold], which was submitted before.")
        return found.name
    try:
        chosen = resubmission.next_cluster(kept, outputs)
    except JobFailed as error:
        raise error from lost
    order = resubmission.order_again(
        kept, outputs, chosen.cluster, losses=kept.place.losses + 1, code=JOB_FOLDER
    )
    job = resubmission.submit_again(cloud, outputs, kept, with_estimate(session, order))
    say(f"Submitted again as [bold]{job.name}[/bold] on {chosen.cluster}: {chosen.why}.")
    return job.name


def told_loss(session: Session, kept: KeptOrder) -> str:
    """Say what a lost job took, cost and left."""
    names = checkpoint_names(session.cloud, session.outputs, kept.place.run)
    left = f"Kept: {max(names, key=_number)}." if names else "No checkpoint was written yet."
    hours = hours_run(session.cloud, session.outputs, kept.job)
    if hours is None:
        return left
    return f"It ran {_duration(hours)}{_money(session, kept, hours)}. {left}"


def resume_hint(session: Session, job: str) -> str:
    """Give the command that goes on from a job's checkpoints."""
    on = "" if session.is_rehearsal else f" --stack {shlex.quote(session.stack)}"
    return f"tunestack jobs resume {job}{on}"


def _money(session: Session, kept: KeptOrder, hours: float) -> str:
    """Say what the hours cost, and what they would have cost on dedicated nodes."""
    if kept.price_per_hour_usd is None:
        return ""
    paid = kept.price_per_hour_usd * hours
    told = f", {'on Azure ' if session.is_rehearsal else ''}{pricing.dollars(paid)}"
    try:
        each = pricing.price_list(session, kept.vm_size).per_hour(kept.vm_size)
    except CloudError:  # a figure must not end what it is only shown beside
        each = None
    if each is None:
        return told
    saved = each * kept.recipe.training.nodes * hours - paid
    return f"{told} ({pricing.dollars(saved)} less than on dedicated nodes)"


def _duration(hours: float) -> str:
    return f"{hours * 60:.1f} min" if hours < 1 else f"{hours:.1f} h"


def _number(name: str) -> tuple[int, str]:
    found = re.search(r"(\d+)$", name)
    return int(found[1]) if found else -1, name
