"""`tunestack models export`: another form of a tuned model, made by a job, as its own version."""

import shlex
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import click

from commands import pricing
from commands.grants import naming_missing_grants
from commands.jobs.view import naming_stack
from commands.models.node_job import cluster_of, followed, say_price
from commands.models.price import paid_for
from commands.options import json_option, stack_option, yes_option
from commands.output import confirm, say, show
from commands.session import Session
from core.errors import SettingsError
from core.refs import ModelRef
from training.clusters import device_of
from training.export_kinds import KINDS, require_memory
from training.exported_models import export_name, find_export, find_export_job, register_export
from training.exporting import TIMEOUT_HOURS, ExportOrder, order_export, submit_export
from training.models import find_model

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
        return followed(
            session,
            job,
            _again(session, order),
            lambda name: register_export(cloud, outputs, name, paid_for(session, name)),
        )


def _priced(session: Session, order: ExportOrder, limit: float | None) -> ExportOrder:
    """Say what the job costs; refuse what is more than a person allowed."""
    minutes = order.kind.takes_minutes(order.parameters or 0)
    expected = say_price(session, order.cluster, TIMEOUT_HOURS, minutes, limit)
    return order if expected is None else replace(order, estimate=expected)


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
