"""`tunestack destroy`."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import click

from commands import output
from commands.managed.destroying import Running, cancel_jobs, clear, running_jobs
from commands.options import json_option, stack_option, yes_option
from commands.plan import money
from commands.progress import Progress
from commands.session import Session
from core.errors import UserError

if TYPE_CHECKING:
    from infra.engine import Existing
    from infra.teardown.order import Standing
    from infra.teardown.receipt import Receipt


@click.command()
@stack_option
@click.option(
    "--keep-recoverable",
    is_flag=True,
    help="Purge nothing: the deleted workspace, vault and logs can be had back for some days.",
)
@json_option
@yes_option
def destroy(stack: str, keep_recoverable: bool, as_json: bool, yes: bool) -> None:
    """Take everything down."""
    receipt = take_down(Session(stack), yes=yes, keep_recoverable=keep_recoverable)
    output.show(receipt.document(), as_json, lambda: show_receipt(receipt))
    if not receipt.is_done:
        raise UserError(unfinished(receipt), hint=way_on(receipt))


def take_down(session: Session, *, yes: bool, keep_recoverable: bool = False) -> "Receipt":
    """Show what goes, ask, take it down in order; of nothing, an empty receipt."""
    from infra.site import Site
    from infra.standing.azure_now import azure_now
    from infra.teardown import order as teardown

    site = Site(session.settings, session.cloud.subscription_id, session.stack)
    found = teardown.survey(session.engine, session.cloud, site)
    known = frozenset(job.name for one in found.workloads for job in one.jobs)
    tuning = [] if found.is_empty else running_jobs(session, known)
    if not found.is_empty:
        output.say(announcement(session.stack, found, tuning))
    if not keep_recoverable and found.kept:
        output.say(purge_announcement(found))
    if not found.is_empty or (found.kept and not keep_recoverable):
        output.confirm(f"Delete all of {session.stack}?", yes=yes)
    cancel_jobs(tuning)
    with Progress(azure_now(session.cloud.arm)) as progress:
        return teardown.take_down(
            session.engine,
            session.cloud,
            site,
            progress,
            keep_recoverable=keep_recoverable,
            clear=lambda: clear(session),
        )


def announcement(stack: str, found: "Standing", tuning: Sequence[Running] = ()) -> str:
    """Say what would be lost, and what would stay."""
    there = [item for item in found.resources if item.is_there is not False]
    lines = [
        f"{stack}: {len(there)} resources, with every model, data set and job's output in them."
    ]
    for one in found.workloads:
        lines += [f"  endpoint {item.name} answers until it is deleted" for item in one.endpoints]
        lines += [f"  {item.kind} {item.name} answers until it is deleted" for item in one.hosted]
        lines += [f"  job {job.name} is {job.status} and will be canceled" for job in one.jobs]
    lines += [f"  job {job.name} is {job.status} and will be canceled" for _, job in tuning]
    lines += [
        f"  {item['id'].rsplit('/', 1)[-1]} ({item['type']}) is not the stack's; it stays, and the"
        " group with it"
        for item in found.foreign
    ]
    return "\n".join(lines)


def purge_announcement(found: "Standing") -> str:
    """Say what of an earlier teardown would be gone for good."""
    names = ", ".join(f"{one.item.title} {one.item.name}" for one in found.kept)
    return (
        f"Deleted before and still recoverable, to be purged now: {names}; and the workspace,"
        " where Azure still keeps it."
    )


def show_receipt(receipt: "Receipt") -> None:
    """Print what is gone, what is left, what that costs and what Azure holds."""
    if receipt.is_empty:
        click.echo(f"{receipt.stack}: nothing was there.")
        return
    rows = [*_gone(receipt)]
    if rows:
        output.table(f"{receipt.stack}: gone", ("what", "name", ""), rows)
        click.echo()
    _show_remains(receipt)
    _show_held(receipt)
    for note in receipt.notes:
        click.echo(note)


def _gone(receipt: "Receipt") -> Iterator[tuple[str, str, str]]:
    """Write a row for each kind of thing that is gone, and how."""
    purged = {item.id.lower() for item in receipt.purged}
    known = {item.id.lower() for item in receipt.deleted}
    for title, items in _by_title(receipt.canceled).items():
        yield title, _names(items), "canceled"
    before = [item for item in receipt.purged if item.id.lower() not in known]
    for title, items in _by_title([*receipt.deleted, *before]).items():
        is_final = all(item.id.lower() in purged for item in items)
        yield title, _names(items), "for good" if is_final else ""


def _by_title(items: "Sequence[Existing]") -> "dict[str, list[Existing]]":
    return {
        title: [item for item in items if item.title == title]
        for title in dict.fromkeys(item.title for item in items)
    }


def _names(items: "Sequence[Existing]") -> str:
    return ", ".join(item.name for item in items) if len(items) < 4 else f"{len(items)} of them"


def _show_remains(receipt: "Receipt") -> None:
    if not receipt.remains:
        click.echo("Nothing remains. It costs $0.00 an hour.")
        return
    rows = [
        (item.title, item.name, money(item.per_hour), "" if item.is_ours else "not ours", item.id)
        for item in receipt.remains
    ]
    output.table("Still there", ("what", "name", "USD an hour", "", "id"), rows)
    cost = receipt.cost_per_hour
    known = "an unknown amount" if cost is None else f"${money(cost)}"
    click.echo(f"What the stack left costs {known} an hour.")


def _show_held(receipt: "Receipt") -> None:
    if receipt.held:
        rows = [
            (item.title, item.name, item.until or "not known", item.why) for item in receipt.held
        ]
        output.table("Held by Azure", ("what", "name", "until", "why"), rows)
        for item in receipt.held:
            click.echo(f"{item.name}: {item.release}")


def unfinished(receipt: "Receipt") -> str:
    """Say that the stack is not all gone, and what Azure refused."""
    left = sum(item.is_ours for item in receipt.remains)
    return "\n".join([f"{receipt.stack}: {left} of its resources remain.", *receipt.refused])


def way_on(receipt: "Receipt") -> str:
    """Say how to go on."""
    if receipt.refused:
        return f"tunestack destroy --stack {receipt.stack} goes on from here."
    if any(not item.is_ours for item in receipt.remains):
        return "See above: what is not the stack's keeps its group."
    first = next(item for item in receipt.remains if item.is_ours)
    return (
        f"tunestack destroy --stack {receipt.stack}; what no engine knows any more:"
        f" az resource delete --ids {first.id}"
    )
