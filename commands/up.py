"""`tunestack up`."""

from typing import TYPE_CHECKING

import click

from commands import output, pricing
from commands.grants import bring_up
from commands.options import json_option, stack_option, yes_option
from commands.plan import money
from commands.preflight import ignore_option, preflight
from commands.progress import Progress
from commands.session import Session

if TYPE_CHECKING:
    from core.refs import StackOutputs
    from infra.engine import Plan


@click.command()
@stack_option
@pricing.max_cost_option("a month of 730 h, with nothing running,")
@json_option
@yes_option
@ignore_option
def up(
    stack: str, max_cost: float | None, as_json: bool, yes: bool, ignored: tuple[str, ...]
) -> None:
    """Make the stack's resources in Azure."""
    from infra.standing.azure_now import azure_now

    session = Session(stack)
    preflight(session, "up", ignored=ignored)
    found = pricing.priced(session, session.engine.plan())
    output.say(summary(found))
    pricing.check_standing(max_cost, found.prices)
    if found.has_changes:
        output.confirm(f"Make {stack} so?", yes=yes)
    with Progress(azure_now(session.cloud.arm)) as progress:
        outputs = bring_up(session, progress)
    output.show(outputs.model_dump(), as_json, lambda: show_outputs(outputs))


def summary(found: "Plan") -> str:
    """Say in a line or two what would change and what it costs."""
    from infra.engine import Change
    from infra.prices import per_hour

    counted = [(change, found.count(change)) for change in Change if found.count(change)]
    words = ", ".join(f"{count} {change}" for change, count in counted)
    return (
        f"{found.stack}: {words}; {len(found.grants)} grants (tunestack plan shows them).\n"
        f"Standing it costs ${money(per_hour(found.prices, 'standing'))} an hour;"
        f" a training node ${money(per_hour(found.prices, 'training'))} more while a job runs."
    )


def show_outputs(outputs: "StackOutputs") -> None:
    """Print what the later commands start from; what the stack has not is left out."""
    shown = {name: value for name, value in outputs.model_dump().items() if value}
    shown["clusters"] = ", ".join(outputs.clusters)
    output.table("Outputs", ("name", "value"), shown.items())
