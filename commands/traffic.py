"""`tunestack traffic`: who answers how much of the traffic, and changing it."""

import click
from rich.markup import escape

from commands.endpoint.view import document, render, required
from commands.options import json_option, stack_option, yes_option
from commands.output import confirm, say, show
from commands.session import Session
from deploy.endpoint import EndpointState
from deploy.releasing.traffic import move, parse_shares


@click.command()
@click.argument("shares", nargs=-1, metavar="[NAME=PERCENT]...")
@stack_option
@yes_option
@json_option
def traffic(shares: tuple[str, ...], stack: str, yes: bool, as_json: bool) -> None:
    """Show or set how much of the traffic each deployment answers.

    NAME is a deployment's, the beginning of it, or `new` and `old`. Shares add up to 100; who is
    not named gets nothing. Each that gets some is asked a question first.
    """
    session = Session(stack)
    state = required(session)
    if shares:
        wanted = parse_shares(state, shares)
        _change(session, state, wanted, yes)
        state = required(session)
    shown = document(session, state)
    show(shown, as_json, lambda: render(shown))


def _change(session: Session, state: EndpointState, wanted: dict[str, int], yes: bool) -> None:
    if wanted == state.shares:
        say("The traffic is shared so already; nothing is changed.")
        return
    for line in changes(state, wanted):
        say(line)
    confirm(f"Move the traffic of {state.ref.name}?", yes=yes)
    move(
        session.cloud, session.outputs, state, wanted,
        progress=lambda text: say(f"  {escape(text)}"),
    )  # fmt: skip


def changes(state: EndpointState, wanted: dict[str, int]) -> list[str]:
    """Say for each deployment what it has and what it gets."""
    return [
        f"  {item.name} ({item.model or '?'}): {item.traffic} % -> {wanted.get(item.name, 0)} %"
        for item in state.deployments
        if item.traffic != wanted.get(item.name, 0)
    ]
