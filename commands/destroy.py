"""`tunestack destroy`."""

from typing import TYPE_CHECKING

import click

from commands import output
from commands.options import json_option, stack_option, yes_option
from commands.progress import Progress
from commands.session import Session

if TYPE_CHECKING:
    from infra.engine import Receipt
    from infra.workloads import Workloads


@click.command()
@stack_option
@json_option
@yes_option
def destroy(stack: str, as_json: bool, yes: bool) -> None:
    """Take everything down."""
    receipt = take_down(Session(stack), yes=yes)
    output.show(receipt.document(), as_json, lambda: show_receipt(stack, receipt))


def take_down(session: Session, *, yes: bool) -> "Receipt":
    """Show what goes, ask, end what runs, delete what `up` made; of nothing, an empty receipt."""
    from infra.workloads import Workloads, clear, workloads

    arm, outputs = session.cloud.arm, session.engine.outputs()
    found = workloads(arm, outputs) if outputs else Workloads()
    there = session.engine.resources()
    if there:
        output.say(announcement(session.stack, len(there), found))
        output.confirm(f"Delete all of {session.stack}?", yes=yes)
    if outputs and not found.is_empty:
        clear(arm, outputs, found, lambda text: output.say(f"  {text}"))
    return session.engine.destroy(Progress())


def announcement(stack: str, count: int, found: "Workloads") -> str:
    """Say what would be lost."""
    lines = [f"{stack}: {count} resources, with every model, data set and job's output in them."]
    lines += [
        f"  endpoint {endpoint.name} answers until it is deleted" for endpoint in found.endpoints
    ]
    lines += [f"  job {job.name} is {job.status} and will be canceled" for job in found.jobs]
    return "\n".join(lines)


def show_receipt(stack: str, receipt: "Receipt") -> None:
    """Print what was deleted and what is left."""
    if not receipt.deleted and not receipt.remains:
        click.echo(f"{stack}: nothing was there.")
        return
    click.echo(f"{stack}: {len(receipt.deleted)} resources deleted.")
    if receipt.remains:
        rows = [(item.title, item.name, item.id) for item in receipt.remains]
        output.table("Still there", ("what", "name", "id"), rows)
    else:
        click.echo("Nothing remains.")
    for note in receipt.notes:
        click.echo(note)
