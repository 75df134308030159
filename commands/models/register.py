"""`tunestack models register`: what a job made, or one of its checkpoints, as a model."""

import shlex
from dataclasses import replace

import click

from commands import pricing
from commands.grants import naming_missing_grants
from commands.jobs.view import naming_stack
from commands.managed.models import registered_by_service
from commands.models.node_job import cluster_of, followed, say_price
from commands.models.price import paid_for
from commands.options import json_option, stack_option, yes_option
from commands.output import confirm, say, show
from commands.session import Session
from core.errors import SettingsError
from core.refs import JobRef, ModelRef
from training.checkpoint_models import (
    TIMEOUT_HOURS,
    CheckpointOrder,
    find_checkpoint_job,
    find_checkpoint_model,
    order_checkpoint,
    register_checkpoint,
    submit_checkpoint,
)
from training.clusters import device_of
from training.export_kinds import CHECKPOINT, require_memory
from training.exported_models import register_job
from training.jobs import find_job
from training.managed.services import find_managed_job
from training.models import FROM_CHECKPOINT


@click.command(name="register")
@click.argument("job", metavar="JOB[@STEP]")
@click.option("--cluster", default="", help="For a checkpoint's job.  [default: the main one]")
@pricing.max_cost_option(f"a checkpoint's job (the node's price x {TIMEOUT_HOURS:g} h)")
@stack_option
@yes_option
@json_option
def register_command(
    job: str, cluster: str, max_cost: float | None, stack: str, yes: bool, as_json: bool
) -> None:
    """Register what a completed job made; a second time gives the same version.

    JOB@STEP, a kept checkpoint, becomes the next version of the job's model: a job on a node makes
    of it what the training would have left there. A managed service registers by itself: its model
    is named.
    """
    session = Session(stack)
    name, at, step = job.partition("@")
    if at and not step.isdecimal():
        raise SettingsError(f"{job}: a checkpoint is named as JOB@STEP, with a number.")
    if at:
        made = _of_checkpoint(session, name, int(step), cluster, max_cost, yes=yes)
    else:
        with naming_stack(stack):
            made = _registered(session, job)
    show(made.model_dump(), as_json, lambda: click.echo(f"Model {made}"))
    say(f"Next: tunestack deploy --model {made}{_on(session)}")


def _registered(session: Session, job: str) -> ModelRef:
    """Register a job's model where nobody else does it; give the model."""
    cloud, outputs = session.cloud, session.outputs
    if managed := find_managed_job(cloud, outputs, job):
        return registered_by_service(*managed)
    if checkpoint := (find_job(cloud, outputs, job).tags or {}).get(FROM_CHECKPOINT):
        paid = paid_for(session, checkpoint.partition("@")[0])
        return register_checkpoint(cloud, outputs, job, paid)
    return register_job(cloud, outputs, job, paid_for(session, job))


def _of_checkpoint(
    session: Session, job: str, step: int, cluster: str, limit: float | None, *, yes: bool
) -> ModelRef:
    """Give the version of a checkpoint; where there is none, have a job make it."""
    cloud, outputs = session.cloud, session.outputs
    if find_managed_job(cloud, outputs, job):
        raise SettingsError(
            f"{job}@{step} is its service's own already.",
            hint=f"tunestack deploy --checkpoint {step} --model … (tunestack jobs show {job})",
        )
    device = device_of(cluster_of(session, cluster), session.settings.compute)
    paid = paid_for(session, job)
    with naming_stack(session.stack):
        order = order_checkpoint(cloud, outputs, job, step, cluster=cluster, device=device)
        there = find_checkpoint_model(cloud, outputs, order, paid)
    if there:
        say(f"{order.name} is [bold]{there}[/bold].")
        return there
    found = find_checkpoint_job(cloud, outputs, order)
    order = order if found else _confirmed(session, order, limit, yes=yes)
    with naming_missing_grants(session):
        ref: JobRef = found or submit_checkpoint(cloud, outputs, order)
        again = f"tunestack models register {order.name} --stack {shlex.quote(session.stack)}"
        return followed(
            session, ref, again, lambda name: register_checkpoint(cloud, outputs, name, paid)
        )


def _confirmed(
    session: Session, order: CheckpointOrder, limit: float | None, *, yes: bool
) -> CheckpointOrder:
    """Say what the job does and costs, and ask."""
    say(f"Making the next version of {order.model_name} of {order.name}.")
    size = cluster_of(session, order.cluster).vm_size
    say(require_memory(CHECKPOINT, order.parameters, size))
    minutes = CHECKPOINT.takes_minutes(order.parameters or 0)
    expected = say_price(session, order.cluster, TIMEOUT_HOURS, minutes, limit)
    confirm("Submit the job?", yes=yes or session.is_rehearsal)
    return replace(order, estimate=expected)


def _on(session: Session) -> str:
    return "" if session.is_rehearsal else f" --stack {shlex.quote(session.stack)}"
