"""`tunestack models export`: another form of a tuned model, made by a job, as its own version."""

import shlex
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import click

from commands import pricing
from commands.grants import naming_missing_grants
from commands.jobs.cost import job_cost
from commands.jobs.view import naming_stack, watch
from commands.models.price import paid_for
from commands.options import json_option, stack_option, yes_option
from commands.output import confirm, say, show
from commands.session import Session
from core.errors import JobFailed, SettingsError
from core.price_list import DEDICATED, LOW_PRIORITY
from core.refs import ClusterRef, JobRef, ModelRef
from training.clusters import device_of, find_cluster
from training.export_kinds import KINDS, require_memory
from training.exported_models import export_name, find_export, find_export_job, register_export
from training.exporting import TIMEOUT_HOURS, ExportOrder, order_export, submit_export
from training.follow import JobLost, follow
from training.models import find_model

MINUTES_BEFORE = 15
"""Until a node has started and, the first time, its image is built: as others tell of Azure."""

Ask = Callable[[ExportOrder], ExportOrder]


@click.command(name="export")
@click.argument("model", metavar="NAME[:VERSION]")
@click.option("--to", "kind", type=click.Choice(list(KINDS)), required=True, help="Which form.")
@click.option("--cluster", default="", help="One of the stack's clusters.  [default: the main one]")
@pricing.max_cost_option(f"the node's price x {TIMEOUT_HOURS:g} h, the most that it can cost,")
@stack_option
@yes_option
@json_option
def export_command(
    model: str,
    kind: str,
    cluster: str,
    max_cost: float | None,
    stack: str,
    yes: bool,
    as_json: bool,
) -> None:
    """Make another form of a tuned model: int4 for processors, mlflow, base, or vllm.

    A job makes it, and it is registered as NAME-int4, NAME-mlflow, NAME-base or NAME-vllm (the base
    and the adapter of a LoRA training). A second time gives the version that there is.
    """
    session = Session(stack)

    def ask(order: ExportOrder) -> ExportOrder:
        order = _priced(session, order, max_cost)
        confirm("Submit the job?", yes=yes or session.is_rehearsal)
        return order

    made = _exported(session, ModelRef.parse(model), kind, cluster, ask)
    found = find_model(session.cloud, session.outputs, made)
    show(found, as_json, lambda: click.echo(f"Model {made}"))
    say(_next(session, made, kind))


def exported(session: Session, ref: ModelRef, kind: str) -> ModelRef:
    """Give an export of a model; where there is none, make it on the main cluster, and say so.

    Nothing is asked: who calls has told the price.

    Raises:
        JobFailed: the job did not complete; nothing is registered.
        SettingsError: it cannot be made so; nothing was sent.
    """
    return _exported(session, ref, kind, "", partial(_priced, session, limit=None))


def _exported(session: Session, ref: ModelRef, kind: str, cluster: str, ask: Ask) -> ModelRef:
    cloud, outputs = session.cloud, session.outputs
    node = cluster_of(session, cluster)
    device = device_of(node, session.settings.compute)
    with naming_stack(session.stack):
        model = find_model(cloud, outputs, ref)
        order = order_export(cloud, outputs, model, KINDS[kind], cluster=cluster, device=device)
    if there := find_export(cloud, outputs, order):
        say(f"{order.source} was exported before, by the same program: [bold]{there}[/bold].")
        return there
    job = find_export_job(cloud, outputs, order)
    if job is None:
        say(f"Exporting {order.source} as {export_name(order.source.name, kind)}: "
            f"{order.kind.says}.")  # fmt: skip
        say(require_memory(order.kind, order.parameters, node.vm_size))
        order = ask(order)
    with naming_missing_grants(session):
        job = job or submit_export(cloud, outputs, order)
        return _finish(session, order, job)


def _finish(session: Session, order: ExportOrder, job: JobRef) -> ModelRef:
    """Follow the job to its end and register what it made."""
    say(f"The job [bold]{job.name}[/bold]" + (f"\n{job.studio_url}" if job.studio_url else ""))
    cloud, outputs = session.cloud, session.outputs
    try:
        events = follow(cloud, outputs, job.name)
        watch(events, job.name, session.stack, partial(job_cost, session, job.name))
    except JobLost as lost:
        again = _again(session, order)
        raise JobFailed(str(lost), hint=f"Nothing was registered. Again: {again}") from lost
    except JobFailed as error:
        # An export has no checkpoints to go on from, and nothing to be set smaller.
        hint = "\n".join(line for line in error.hint.splitlines() if "jobs resume" not in line)
        again = f"Again, on larger nodes where it was memory: {_again(session, order)} --cluster …"
        error.hint = f"Nothing was registered.\n{hint}\n{again}"
        raise
    except KeyboardInterrupt:
        say(f"Once it has completed, this registers it: {_again(session, order)}")
        raise
    with naming_stack(session.stack):
        return register_export(cloud, outputs, job.name, paid_for(session, job.name))


def _priced(session: Session, order: ExportOrder, limit: float | None) -> ExportOrder:
    """Say what the job costs and how long it takes; refuse what is more than a person allowed."""
    node = cluster_of(session, order.cluster)
    size = node.vm_size
    quote = pricing.price_list(session, size).vm(
        size, LOW_PRIORITY if node.is_low_priority else DEDICATED
    )
    each = quote.per_hour if quote else None
    pricing.check_max_cost(
        limit,
        None if each is None else each * TIMEOUT_HOURS,
        f"{TIMEOUT_HOURS:g} h on one {size}",
        [f"{pricing.dollars(each)} an hour"],
        instead="Take a cluster of a smaller size, or allow more.",
    )
    minutes = order.kind.takes_minutes(order.parameters or 0)
    free = "It runs on this machine and costs nothing; on Azure: " * session.is_rehearsal
    say(
        f"{free}one {size}, {pricing.dollars(each)} an hour, at most"
        f" {pricing.dollars(None if each is None else each * TIMEOUT_HOURS)} in"
        f" {TIMEOUT_HOURS:g} h{f' ({quote.source})' if quote else ''}. About"
        f" {max(1.0, minutes):.0f} min on two cores, after up to {MINUTES_BEFORE} min until node"
        " and image are there; neither was timed on Azure."
    )
    if each is None:
        return order
    return replace(order, estimate=each * (minutes + MINUTES_BEFORE) / 60)


def cluster_of(session: Session, cluster: str) -> ClusterRef:
    """Give the cluster by its name; an earlier version's main one is known by its setting alone."""
    name = cluster or session.outputs.cluster
    if name == session.outputs.cluster and name not in session.outputs.clusters:
        return ClusterRef(vm_size=session.settings.cluster_vm_size, max_nodes=1)
    return find_cluster(session.outputs, name)


def _again(session: Session, order: ExportOrder) -> str:
    again = f"tunestack models export {order.source} --to {order.kind.name}"
    return f"{again} --stack {shlex.quote(session.stack)}"


def _next(session: Session, made: ModelRef, kind: str) -> str:
    on = "" if session.is_rehearsal else f" --stack {shlex.quote(session.stack)}"
    return f"Next: tunestack deploy --model {made}{on}"


def refuse_export(model: dict[str, Any], what: str) -> None:
    """Refuse what only a tuned model has.

    Raises:
        SettingsError: the model is an export; names what it was made from.
    """
    if origin := model["tags"].get("exported_from"):
        raise SettingsError(
            f"{model['name']}:{model['version']} is an export of {origin} and has no {what}.",
            hint=f"Ask for {origin}.",
        )
