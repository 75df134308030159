"""`tunestack deploy`: a registered model behind the stack's endpoint."""

from typing import Any

import click
from rich.markup import escape

from commands import pricing
from commands.grants import naming_missing_grants
from commands.jobs.view import naming_stack
from commands.options import json_option, stack_option, yes_option
from commands.output import confirm, say, show
from commands.preflight import ignore_option, preflight
from commands.session import Session
from core.errors import SettingsError, check_all
from core.price_list import HOURS_A_MONTH
from core.refs import EndpointRef, ModelRef
from deploy import sizing
from deploy.endpoint import deploy as deploy_to_endpoint
from training.models import find_model


@click.command()
@stack_option
@click.option(
    "--model", "-m", default="", metavar="NAME[:VERSION]",
    help="What to serve.  [default: the newest model that a job has made]",
)  # fmt: skip
@click.option(
    "--vm-size", default="", help="VM size of the deployment.  [default: the stack's setting]"
)
@pricing.max_cost_option("a month of 730 h of the one instance")
@yes_option
@json_option
@ignore_option
def deploy(
    stack: str,
    model: str,
    vm_size: str,
    max_cost: float | None,
    yes: bool,
    as_json: bool,
    ignored: tuple[str, ...],
) -> None:
    """Serve a registered model on an online endpoint."""
    session = Session(stack)
    check_all(lambda: check_size(vm_size), lambda: session.settings)
    size = vm_size or session.settings.deployment_vm_size
    preflight(session, "deploy", ignored=ignored, vm_size=size)
    with naming_stack(stack):
        ref = choose_model(session, model)
    _say_cost(session, ref, size, max_cost)
    confirm(f"Deploy {ref}?", yes=yes or session.is_rehearsal)
    endpoint = deploy_model(session, ref, vm_size=size)
    document = {"model": str(ref), "vm_size": size, **endpoint.model_dump()}
    show(document, as_json, lambda: _print(session, ref, document))


def check_size(asked: str) -> None:
    """Refuse what is no VM size, or one that Azure has retired; a stack's own was checked before.

    Raises:
        SettingsError: names one that serves.
    """
    if asked and not asked.startswith("Standard_"):
        raise SettingsError(f"--vm-size: {asked!r} is not a VM size; for example Standard_E4s_v3")
    sizing.require_current(asked)


def choose_model(session: Session, wanted: str) -> ModelRef:
    """Find a model by `name[:version]`; without a version the newest, without a name too.

    Raises:
        UserError: there is none.
    """
    found = find_model(session.cloud, session.outputs, ModelRef.parse(wanted))
    return ModelRef(name=found["name"], version=found["version"])


def deploy_model(session: Session, model: ModelRef, *, vm_size: str = "") -> EndpointRef:
    """Deploy a model and move the endpoint's traffic to it; say on stderr what happens.

    Raises:
        DeploymentFailed: the container did not get healthy; what served before still does.
    """
    with naming_missing_grants(session):
        return deploy_to_endpoint(
            session.cloud,
            session.outputs,
            model,
            vm_size=vm_size or session.settings.deployment_vm_size,
            progress=lambda text: say(f"  {escape(text)}"),
        )


def _say_cost(session: Session, model: ModelRef, vm_size: str, limit: float | None) -> None:
    """Say what the deployment costs, and refuse what is more than a person allowed."""
    quote = pricing.price_list(session, vm_size).vm(vm_size)
    pricing.check_max_cost(
        limit,
        quote.per_hour * HOURS_A_MONTH if quote else None,
        f"a month of one {vm_size}",
        [f"{pricing.dollars(quote.per_hour if quote else None)} an hour, {HOURS_A_MONTH} h"],
        instead="Take a smaller --vm-size, or allow more.",
    )
    where = "It runs on this machine and costs nothing; on Azure: " if session.is_rehearsal else ""
    price = sizing.price(vm_size, quote)
    say(f"Serving [bold]{model}[/bold] on one instance. {where}{price}")
    if not session.is_rehearsal:
        for warning in sizing.warnings(vm_size, _parameters(session, model)):
            say(f"[yellow]Note:[/yellow] {warning}")


def _parameters(session: Session, model: ModelRef) -> int:
    """Read a model's size from its tags; older models have none, and count as Phi-3.5-mini."""
    told = find_model(session.cloud, session.outputs, model)["tags"].get("parameters", "")
    return int(told) if told.isdigit() else sizing.PARAMETERS


def _print(session: Session, model: ModelRef, document: dict[str, Any]) -> None:
    click.echo(f"{model} answers at {document['scoring_url']}")
    on = "" if session.is_rehearsal else f" --stack {session.stack}"
    say(f"Next: tunestack chat{on}; the end of its cost: tunestack undeploy{on}")
