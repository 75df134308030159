"""`tunestack deploy`: a registered model behind the stack's endpoint."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import reduce
from typing import Any

import click

from commands import pricing
from commands.deploying import Consent, carry_out
from commands.endpoint.ending import Ending, told_expiry
from commands.endpoint.view import required
from commands.evaluate.requiring import gate_option, require_gate
from commands.jobs.view import naming_stack
from commands.managed.choosing import managed_model
from commands.managed.deploying import deploy_managed, managed_name
from commands.managed.deploying import render as render_managed
from commands.managed.options import HostingChoices, hosting_options, refuse_others
from commands.options import json_option, stack_option, yes_option
from commands.output import say, show
from commands.preflight import ignore_option
from commands.session import Session
from core.errors import SettingsError, check_all
from core.refs import ModelRef
from deploy import sizing
from deploy.releasing.order import DeployOrder
from deploy.runtimes import RUNTIMES
from deploy.upkeep.autoscale import check_scaling
from evaluation.gates.gate import load_gate
from training.models import find_model

MLFLOW_BODY = r'{"input_data": {"columns": \["messages"], "data": \[\[\[{"role": …}]]]}}'
"""What MLflow's scoring takes, as rich markup."""

OPTIONS: tuple[Callable[[Any], Any], ...] = (
    click.option(
        "--model", "-m", default="", metavar="NAME[:VERSION]",
        help="What to serve.  [default: the newest model that a job has made]",
    ),
    click.option(
        "--vm-size", default="", help="VM size of the deployment.  [default: the stack's setting]"
    ),
    click.option(
        "--instances", type=click.IntRange(1, 50),
        help="How many machines answer.  [default: as many as now, else 1]",
    ),
    click.option(
        "--max-instances", type=click.IntRange(1, 50),
        help="Add machines up to this many while they are busy.  [default: as now, else none]",
    ),
    click.option(
        "--runtime", type=click.Choice(tuple(RUNTIMES)),
        help="What runs the model.  [default: what its files are for]",
    ),
    click.option(
        "--auth", type=click.Choice(("key", "entra")),
        help="What callers of a new endpoint show: a key, or a Microsoft Entra token."
        "  [default: as the endpoint is, else key]",
    ),
    click.option(
        "--canary", type=click.IntRange(0, 99), metavar="PERCENT",
        help="Give the new deployment this share of the traffic; the old one keeps the rest.",
    ),
    click.option(
        "--expires", default="", metavar="WHEN",
        help="Delete the endpoint by itself: 8h, 3d, 2026-12-24T18:00Z, or never."
        "  [default: as it stands]",
    ),
    click.option("--keep", is_flag=True, help="Leave the old deployment standing; it costs."),
    click.option(
        "--with-base", is_flag=True,
        help="Serve the base model, too, to compare with: a second instance without traffic, or"
        " a second managed deployment.",
    ),
)  # fmt: skip
"""What a deploy may choose, in the order of the help."""


@dataclass(frozen=True)
class Choices:
    """What a person has chosen."""

    model: str
    vm_size: str
    instances: int | None
    max_instances: int | None
    runtime: str
    auth: str
    canary: int | None
    expires: str
    keep: bool
    with_base: bool

    @classmethod
    def of(cls, chosen: Mapping[str, Any]) -> "Choices":
        """Take them out of all that was chosen; the rest is for managed models."""
        return cls(**{name: chosen[name] for name in cls.__dataclass_fields__})

    def order(self, model: ModelRef, vm_size: str) -> DeployOrder:
        """Write the order."""
        return DeployOrder(
            model,
            vm_size,
            runtime=self.runtime or "",
            instances=self.instances,
            max_instances=self.max_instances,
            auth=self.auth or "",
            canary=self.canary,
            keep=self.keep,
        )


def choosing(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add every option of `OPTIONS`."""
    return reduce(lambda made, option: option(made), reversed(OPTIONS), command)


@click.command()
@stack_option
@choosing
@hosting_options
@gate_option
@pricing.max_cost_option("a month of 730 h of its instances or its hosting")
@yes_option
@json_option
@ignore_option
def deploy(
    stack: str,
    gate: str,
    max_cost: float | None,
    yes: bool,
    as_json: bool,
    ignored: tuple[str, ...],
    **chosen: Any,
) -> None:
    """Serve a registered model on an online endpoint.

    A model that Azure itself tuned is served by Azure: a deployment in the Foundry account, or a
    serverless endpoint of the hub's project. Each takes options of its own.
    """
    session, choices = Session(stack), Choices.of(chosen)
    ends, consent = Ending(choices.expires), Consent(max_cost, ignored, yes)
    options = {name: value for name, value in chosen.items() if name != "model"}
    check_all(
        lambda: check_size(choices.vm_size),
        lambda: check_scaling(choices.instances or 1, choices.max_instances),
        lambda: ends.when,
        lambda: load_gate(gate) if gate else None,
        lambda: session.settings,
    )
    if (managed := managed_model(session, ModelRef.parse(choices.model))) is not None:
        refuse_others(str(managed[1].ref), managed[0].route, options)
        hosting = HostingChoices.of(chosen)
        held_to = require_gate(session, managed_name(session, managed, hosting), gate)
        hosted = {**deploy_managed(session, managed, hosting, consent), **held_to}
        show(hosted, as_json, lambda: render_managed(session, hosted))
        return
    with naming_stack(stack):
        model = choose_model(session, choices.model)
    refuse_others(str(model), "azureml", options)
    held_to = require_gate(session, str(model), gate)
    order = choices.order(model, choices.vm_size or session.settings.deployment_vm_size)
    endpoint = carry_out(
        session, order, consent, with_base=choices.with_base, before=lambda: ends.settle(session)
    )
    document = {**described(session, order, endpoint.model_dump()), **held_to}
    show(document, as_json, lambda: render(session, document))


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


def described(session: Session, order: DeployOrder, endpoint: dict[str, Any]) -> dict[str, Any]:
    """Give what became of an order, JSON-ready."""
    state = required(session)
    mine = [item for item in state.tuned if item.model == str(order.model)]
    deployed = mine[-1] if mine else None
    return {
        "model": str(order.model),
        "vm_size": order.vm_size,
        **endpoint,
        "runtime": deployed.runtime if deployed else "",
        "instances": deployed.instances if deployed else 0,
        "traffic": state.shares,
        **told_expiry(session, state.ref.name),
    }


def render(session: Session, document: dict[str, Any]) -> None:
    """Print what answers where, and what may come next."""
    shares = document["traffic"]
    if len(shares) > 1:
        told = ", ".join(f"{name} {share} %" for name, share in shares.items())
        click.echo(f"{document['scoring_url']} is answered by {told}.")
    else:
        click.echo(f"{document['model']} answers at {document['scoring_url']}")
    if document["expiry"]:
        click.echo(f"It {document['expiry']}.")
    on = "" if session.is_rehearsal else f" --stack {session.stack}"
    if document["runtime"] == "mlflow":
        say(f"Next: POST {MLFLOW_BODY}; chat and serve are for the other runtimes")
    elif len(shares) > 1:
        say(f"Next: tunestack deploy{on} gives it all; tunestack rollback{on} takes it back")
    else:
        say(f"Next: tunestack chat{on}; the end of its cost: tunestack undeploy{on}")
