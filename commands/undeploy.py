"""`tunestack undeploy`."""

import click

from commands.options import json_option, stack_option, yes_option
from commands.output import confirm, say, show
from commands.session import Session
from deploy.endpoint import EndpointState, find
from deploy.endpoint import undeploy as delete_endpoint


@click.command()
@stack_option
@yes_option
@json_option
def undeploy(stack: str, yes: bool, as_json: bool) -> None:
    """Delete the endpoint and what it costs."""
    session = Session(stack)
    state = find(session.cloud, session.outputs)
    if state is not None:
        say(announcement(state))
        confirm(f"Delete the endpoint {state.ref.name}?", yes=yes)
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


def _sentence(state: EndpointState | None) -> str:
    return f"{state.ref.name} is deleted." if state else "There is no endpoint."
