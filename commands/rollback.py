"""`tunestack rollback`: back to what answered before."""

from typing import Any

import click
from rich.markup import escape

from commands import pricing
from commands.deploy import check_size
from commands.deploying import Consent, carry_out
from commands.endpoint.view import document, render, required, told
from commands.options import json_option, stack_option, yes_option
from commands.output import confirm, say, show
from commands.preflight import ignore_option
from commands.session import Session
from core.errors import UserError
from deploy.endpoint import EndpointState
from deploy.releasing.rollback import Way, begin, finish, go_back, is_there, way_back


@click.command()
@click.option("--keep", is_flag=True, help="Leave the newer deployment standing; it costs.")
@stack_option
@pricing.max_cost_option("a month of 730 h of instances that are made again")
@yes_option
@json_option
@ignore_option
def rollback(
    keep: bool,
    stack: str,
    max_cost: float | None,
    yes: bool,
    as_json: bool,
    ignored: tuple[str, ...],
) -> None:
    """Go back to what answered before the last deploy.

    Where the former deployment still stands it gets all traffic at once; where it was removed, its
    model is deployed again as it was, which takes minutes and costs as `deploy` does.
    """
    session = Session(stack)
    state = required(session)
    way = way_back(state)
    if way is None:
        raise UserError(
            f"There is nothing to go back to: {state.ref.name} has had no other model.",
            hint="tunestack models list; tunestack deploy --model NAME:VERSION",
        )
    if way.to is not None:
        _to_standing(session, state, way, keep, yes)
    else:
        _to_former(session, way, keep, Consent(max_cost, ignored, yes))
    shown = _shown(session)
    show(shown, as_json, lambda: render(shown))


def _to_standing(session: Session, state: EndpointState, way: Way, keep: bool, yes: bool) -> None:
    assert way.to is not None
    if is_there(way):
        say(f"{told(way.to)} has all traffic already.")
    else:
        say(f"All traffic goes back to {told(way.to)}.")
    if way.leaves is not None:
        fate = "is kept without traffic, and costs" if keep else "is removed"
        say(f"{told(way.leaves)} {fate}.")
    if not is_there(way) or (way.leaves is not None and not keep):
        confirm(f"Go back to {way.to.model or way.to.name}?", yes=yes)
    go_back(
        session.cloud, session.outputs, state, way, keep=keep,
        progress=lambda text: say(f"  {escape(text)}"),
    )  # fmt: skip


def _to_former(session: Session, way: Way, keep: bool, consent: Consent) -> None:
    """Deploy the former model again, and let nothing but that end what is being left."""
    order, former = way.order(keep=keep), way.former
    assert former is not None
    say(
        f"{former.model} answered until {former.when} and was removed: it is deployed again, on"
        f" {former.instances} x {former.vm_size}."
    )
    check_size(order.vm_size)
    carry_out(session, order, consent, before=lambda: begin(session.cloud, session.outputs, way))
    finish(session.cloud, session.outputs)


def _shown(session: Session) -> dict[str, Any]:
    return document(session, required(session))
