"""`tunestack jobs resume`: go on from the checkpoints of a job that did not complete."""

import click

from commands.jobs.following import told_loss
from commands.jobs.handler import handler
from commands.jobs.view import naming_stack
from commands.options import json_option, stack_option, yes_option
from commands.output import confirm, say, show
from commands.session import Session
from commands.train.cost import say_cost, with_estimate
from commands.train.result import document, print_result
from commands.train.run import Trained, finish, say_submitted
from training import resubmission
from training.environment import JOB_FOLDER
from training.jobs import find_job
from training.kept_orders import KeptOrder, read_order
from training.submission import Order, job_ref


@click.command()
@click.argument("name")
@click.option("--cluster", default="", help="Another of the stack's clusters.")
@click.option("--follow/--no-follow", default=True, help="Wait and watch; else only submit.")
@stack_option
@yes_option
@json_option
def resume(name: str, cluster: str, follow: bool, stack: str, yes: bool, as_json: bool) -> None:
    """Let a job go on: a paused one of a managed route, or one that lost its nodes or failed.

    On a cluster the same order is submitted again with the same checkpoints, so that it goes on
    where they end. NAME may be any job of the run; it goes on from the last.
    """
    session = Session(stack)
    with naming_stack(stack):
        job = handler(session, name)
    job.resume(cluster, follow=follow, yes=yes, as_json=as_json)


def resume_job(
    session: Session, name: str, cluster: str, *, follow: bool, yes: bool, as_json: bool
) -> None:
    """Submit a job of a cluster again, and follow it where that is wanted."""
    kept, order = _order(session, name, cluster, follows=follow)
    say(f"{kept.job}: {told_loss(session, kept)}")
    say_cost(session, order, None)
    confirm("Submit the job again?", yes=yes or session.is_rehearsal)
    cloud, outputs = session.cloud, session.outputs
    job = resubmission.submit_again(cloud, outputs, kept, with_estimate(session, order))
    say_submitted(job)
    trained = finish(session, job.name) if follow else Trained(job)
    show(document(session, trained), as_json, lambda: print_result(session, trained))


def _order(session: Session, name: str, cluster: str, *, follows: bool) -> tuple[KeptOrder, Order]:
    """Read the last order of a run that may go on, and make the next one."""
    cloud, outputs = session.cloud, session.outputs
    kept = resubmission.last_of_run(cloud, outputs, read_order(cloud, outputs, name))
    resubmission.require_resumable(kept, job_ref(find_job(cloud, outputs, kept.job)).status)
    order = resubmission.order_again(
        kept, outputs, cluster or kept.cluster, losses=0, resubmits=follows, code=JOB_FOLDER
    )
    return kept, order
