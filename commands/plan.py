"""`tunestack plan`."""

from typing import TYPE_CHECKING

import click

from commands import output
from commands.options import json_option, stack_option
from commands.session import Session
from core.errors import NotSignedIn

if TYPE_CHECKING:
    from infra.engine import Plan, Step

MARKS = {"new": "+", "changed": "~", "same": "=", "gone": "-", "unknown": "?"}


@click.command()
@stack_option
@json_option
def plan(stack: str, as_json: bool) -> None:
    """Show what `up` would make, who may do what and why."""
    found = planned(Session(stack))
    output.show(found.document(), as_json, lambda: show_plan(found))


def planned(session: Session) -> "Plan":
    """Plan with what Azure has; without a sign-in, with what the program declares alone."""
    settings = session.settings
    try:
        return session.engine.plan()
    except NotSignedIn as error:
        from infra.in_process.preview import offline_plan
        from infra.site import PULUMI

        note = f"Azure was not asked, so what is there is not known. {error} {error.hint}"
        return offline_plan(session.stack, settings, PULUMI, note)


def show_plan(found: "Plan") -> None:
    """Print resources, grants and prices."""
    output.table(
        f"Resources of {found.stack}",
        ("", "what", "name", "differs in"),
        [(MARKS[step.change], step.title, step.name, _differs(step)) for step in found.steps],
    )
    if not found.has_changes:
        click.echo("Nothing would change.")
    click.echo()
    output.table(
        "Grants",
        ("identity", "role", "scope", "reason"),
        [(row.identity, row.role, row.scope, row.reason) for row in found.grants],
    )
    click.echo()
    show_prices(found)
    if found.note:
        click.echo(f"\n{found.note}")


def show_prices(found: "Plan") -> None:
    """Print what the stack costs an hour, and how old the figures are."""
    rows = [(price.when, price.what, money(price.per_hour), price.source) for price in found.prices]
    output.table("USD an hour", ("while", "what", "price", "figures"), rows)


def money(amount: float | None) -> str:
    """Write USD; small amounts keep their digits."""
    if amount is None:
        return "unknown"
    return f"{amount:.3f}" if amount else "0"


def _differs(step: "Step") -> str:
    return ", ".join(f"{item.path}: {item.before!r} → {item.after!r}" for item in step.differences)
