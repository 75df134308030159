"""`tunestack undeploy`: all that answers in a stack, or one deployment of it."""

from typing import Any

import click

from commands.endpoint.view import told
from commands.managed import undeploying
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

    With NAME only that deployment: a managed one by its whole name, one of the endpoint by its
    beginning, too, or as `new` or `old`; the latter must not have traffic. Without NAME all that
    answers in the stack goes.
    """
    session = Session(stack)
    managed = undeploying.standing_in(session)
    if name and (those := undeploying.named(managed, name)):
        _managed(those, yes, as_json)
        return
    state = find(session.cloud, session.outputs)
    if name and state is not None:
        _one(session, state, name, yes, as_json)
        return
    if name and managed:
        raise UserError(
            f"Nothing that answers is called {name}. There is:\n{undeploying.listed(managed)}"
        )
    _all(session, state, managed, yes, as_json)


def _all(
    session: Session,
    state: EndpointState | None,
    managed: list[undeploying.Pair],
    yes: bool,
    as_json: bool,
) -> None:
    if managed:
        say(f"Managed deployments; their models stay:\n{undeploying.listed(managed)}")
    if state is not None:
        say(announcement(state))
    if state is not None or managed:
        confirm(_question(state, managed), yes=yes)
    gone = undeploying.delete(managed)
    # Also where there is none: one that expired left its workflow and its alerts behind.
    delete_endpoint(session.cloud, session.outputs)
    document: dict[str, Any] = {
        "endpoint": state.ref.name if state else "",
        "deleted": state is not None or bool(managed),
        "deployments": gone,
    }
    show(document, as_json, lambda: click.echo(_sentence(state, [one["name"] for one in gone])))


def _question(state: EndpointState | None, managed: list[undeploying.Pair]) -> str:
    names = ([f"the endpoint {state.ref.name}"] if state else []) + [
        hosted.name for _, hosted in managed
    ]
    return f"Delete {', '.join(names)}?"


def _managed(those: list[undeploying.Pair], yes: bool, as_json: bool) -> None:
    say(f"It goes; its model stays:\n{undeploying.listed(those)}")
    confirm(f"Delete the deployment {those[0][1].name}?", yes=yes)
    gone, *_ = undeploying.delete(those)
    document = {"deployment": gone["name"], **gone, "deleted": True}
    show(document, as_json, lambda: click.echo(f"{gone['name']} is deleted."))


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


def _sentence(state: EndpointState | None, managed: list[str]) -> str:
    gone = ([state.ref.name] if state else []) + managed
    if not gone:
        return "There is no endpoint."
    return f"{', '.join(gone)} {'is' if len(gone) == 1 else 'are'} deleted."
