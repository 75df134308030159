"""`tunestack endpoint`: what answers and where; its keys, shown to nobody who does not ask."""

from typing import Any

import click

from commands.endpoint.view import document, render, required
from commands.options import json_option, stack_option, yes_option
from commands.output import confirm, say, show
from commands.session import Session
from deploy.endpoint import EndpointState
from deploy.upkeep import keys as endpoint_keys

HIDDEN = "(hidden; --show prints it)"


@click.group()
def endpoint() -> None:
    """Show the stack's endpoint; show and replace its keys."""


@endpoint.command(name="show")
@stack_option
@json_option
def show_command(stack: str, as_json: bool) -> None:
    """Show address, authentication, deployments, traffic and what they cost."""
    session = Session(stack)
    shown = document(session, required(session))
    show(shown, as_json, lambda: _render(shown))


@endpoint.command(name="keys")
@click.option("--show", "is_shown", is_flag=True, help="Print the keys. Whoever has one may call.")
@click.option(
    "--rotate",
    type=click.Choice(("primary", "secondary")),
    help="Replace this key by a new one; the old one opens nothing any more.",
)
@stack_option
@yes_option
@json_option
def keys_command(
    is_shown: bool, rotate: endpoint_keys.Which | None, stack: str, yes: bool, as_json: bool
) -> None:
    """Show the endpoint's keys, or replace one."""
    session = Session(stack)
    state = required(session)
    endpoint_keys.require_keys(state.ref)
    if rotate:
        say(_cut_off(state, rotate))
        confirm(f"Replace the {rotate} key of {state.ref.name}?", yes=yes)
        endpoint_keys.rotate(session.cloud, session.outputs, state.ref, rotate)
    shown = _shown(session, state, is_shown)
    shown |= {"rotated": rotate} if rotate else {}
    show(shown, as_json, lambda: _render_keys(shown))


def _cut_off(state: EndpointState, which: str) -> str:
    """Say who cannot call any more after a key was replaced."""
    other = "secondary" if which == "primary" else "primary"
    ours = " tunestack itself reads it anew." if which == "primary" else ""
    return (
        f"Whoever calls {state.ref.name} with its {which} key is refused (401) from that moment"
        f" on, until told the new one.{ours} The {other} key stays: move callers to it first."
    )


def _shown(session: Session, state: EndpointState, is_shown: bool) -> dict[str, Any]:
    values: dict[str, str | None] = {"primary": None, "secondary": None}
    if is_shown:
        found = endpoint_keys.read_keys(session.cloud, session.outputs, state.ref)
        values = {
            "primary": found.primary.get_secret_value(),
            "secondary": found.secondary.get_secret_value(),
        }
    return {"endpoint": state.ref.name, "scoring_url": state.ref.scoring_url, **values}


def _render_keys(shown: dict[str, Any]) -> None:
    click.echo(f"{shown['endpoint']}: {shown['scoring_url']}")
    for which in ("primary", "secondary"):
        click.echo(f"  {which:<10}{shown[which] or HIDDEN}")


def _render(shown: dict[str, Any]) -> None:
    by = {"key": "one of its keys", "entra": "a Microsoft Entra token"}[shown["auth"]]
    click.echo(f"{shown['scoring_url']} ({shown['state']}); callers show {by}.")
    render(shown)
