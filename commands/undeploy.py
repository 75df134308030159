"""`tunestack undeploy`: the endpoint, or one deployment of it."""

import click

from commands.endpoint.view import told
from commands.options import json_option, stack_option, yes_option
from commands.output import confirm, say, show
from commands.session import Session
from core.errors import UserError
from deploy.endpoint import EndpointState, find
from deploy.endpoint import undeploy as delete_endpoint
from deploy.releasing.deployment import Deployments
from deploy.releasing.traffic import resolve
from deploy.upkeep.autoscale import drop_orphans


@click.command()
@click.argument("name", required=False, default="")
@stack_option
@yes_option
@json_option
def undeploy(name: str, stack: str, yes: bool, as_json: bool) -> None:
    """Delete the endpoint and what it costs.

    With NAME (a deployment's, the beginning of it, or `new` and `old`) only that deployment, which
    must not have traffic.
    """
    session = Session(stack)
    state = find(session.cloud, session.outputs)
    if name and state is not None:
        _one(session, state, name, yes, as_json)
        return
    if state is not None:
        say(announcement(state))
        confirm(f"Delete the endpoint {state.ref.name}?", yes=yes)
    # Also where there is none: one that expired left its workflow and its alerts behind.
    delete_endpoint(session.cloud, session.outputs)
    document = {"endpoint": state.ref.name if state else "", "deleted": state is not None}
    show(document, as_json, lambda: click.echo(_sentence(state)))


def announcement(state: EndpointState) -> str:
    """Say what goes, and that its address and keys go with it."""
    lines = [f"{state.ref.name}: its address and its keys are gone after this; models stay."]
    lines += [
        f"  {item.name}: {item.model or 'a model'} on {item.instances} x {item.vm_size},"
        f" {item.traffic} % of the traffic"
        for item in state.deployments
    ]
    return "\n".join(lines)


def _one(session: Session, state: EndpointState, name: str, yes: bool, as_json: bool) -> None:
    item = resolve(state, name)
    if item.traffic:
        raise UserError(
            f"{item.name} answers {item.traffic} % of the traffic: without it those questions"
            " would fail. Nothing was changed.",
            hint="tunestack traffic gives another one its share first; tunestack undeploy without"
            " a name ends the whole endpoint.",
        )
    say(f"{told(item)} has no traffic; the endpoint and the others stay.")
    confirm(f"Delete the deployment {item.name}?", yes=yes)
    Deployments(session.cloud.workspace(session.outputs), state.ref.name, say).delete(item.name)
    drop_orphans(session.cloud.arm, session.outputs, state.ref.name)
    document = {"endpoint": state.ref.name, "deployment": item.name, "deleted": True}
    show(document, as_json, lambda: click.echo(f"{item.name} is deleted."))


def _sentence(state: EndpointState | None) -> str:
    return f"{state.ref.name} is deleted." if state else "There is no endpoint."
