"""`tunestack cost`: what a stack has cost so far, computed from run times; no bill."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from commands import output, pricing
from commands.managed.standing import tuning_items
from commands.options import json_option, stack_option
from commands.session import Session

if TYPE_CHECKING:
    from core.refs import StackOutputs
    from infra.site import Site
    from infra.standing.costs import Costs


@click.command()
@stack_option
@click.option(
    "--billed",
    "is_billed",
    is_flag=True,
    help="Also ask Azure Cost Management what this month's bill says; it is about a day behind.",
)
@json_option
def cost(stack: str, is_billed: bool, as_json: bool) -> None:
    """Show what the stack has cost so far, and what it costs an hour now."""
    session = Session(stack)
    found = spent(session)
    document = {
        "stack": stack,
        "is_rehearsal": session.is_rehearsal,
        "as_of": datetime.now(UTC).isoformat(timespec="seconds"),
        **found.document(),
        "billed": billed(session) if is_billed else None,
    }
    output.show(document, as_json, lambda: _render(document))


def spent(session: Session) -> "Costs":
    """Add up what the stack has cost, by today's prices."""
    from infra.prices import prices
    from infra.site import Site
    from infra.standing.costs import costs, vm_sizes
    from infra.standing.run_times import ran
    from infra.standing.workloads import Workloads, identities, workloads

    resources, outputs = session.engine.resources(), session.engine.outputs()
    if not resources and outputs is None:
        return costs((), None, (), Workloads(), pricing.price_list(session), datetime.now(UTC))
    arm, site = session.cloud.arm, Site(session.settings, _subscription(session), session.stack)
    found = workloads(arm, outputs) if outputs else Workloads()
    owners: frozenset[str] = frozenset()
    if site.settings.adopt_workspace:
        found, owners = found.of(site), frozenset(id.lower() for id in identities(site))
    jobs = ran(arm, found.workspace, owners) if outputs else ()
    listed = pricing.price_list(session, *vm_sizes(found))
    since = _since(session, site, outputs)
    found_costs = costs(
        prices(session.settings, listed), since, jobs, found, listed, datetime.now(UTC)
    )
    return replace(found_costs, items=(*found_costs.items, *tuning_items(session)))


def standing_since(session: Session) -> datetime | None:
    """Say since when the stack stands; None where nothing of it tells."""
    from infra.site import Site

    site = Site(session.settings, _subscription(session), session.stack)
    return _since(session, site, session.engine.outputs())


def billed(session: Session) -> dict[str, Any]:
    """Ask what the bill of this month says of the stack's group.

    Raises:
        CloudError: Azure refused; the rehearsal's Azure has no bill to ask for.
    """
    from infra.site import Site
    from infra.standing.costs import billed as asked

    site = Site(session.settings, _subscription(session), session.stack)
    amount, currency = asked(session.cloud.arm, site.group_id)
    return {"amount": amount, "currency": currency, "period": "month to date"}


def _subscription(session: Session) -> str:
    return session.cloud.subscription_id


def _since(session: Session, site: "Site", outputs: "StackOutputs | None") -> datetime | None:
    """Say since when the stack stands, by the oldest of its own resources that tell."""
    from infra.standing.costs import born
    from infra.standing.workloads import workspace_id

    if outputs is None:
        return None
    workspace = workspace_id(outputs)
    ids = [f"{workspace}/computes/{outputs.cluster}"]
    if not site.settings.adopt_workspace:
        registry = f"Microsoft.ContainerRegistry/registries/{outputs.container_registry}"
        ids += [workspace, f"{site.group_id}/providers/{registry}"]
    return born(session.cloud.arm, ids)


def _render(document: dict[str, Any]) -> None:
    if not document["items"]:
        click.echo(f"{document['stack']}: nothing is there that has cost anything.")
    else:
        output.table(
            f"So far {document['stack']} {_verb(document)}",
            ("", "name", "what", "hours", "USD", "expected"),
            [_row(item) for item in document["items"]],
        )
        click.echo(f"\nTogether: ${document['usd']:,.2f}, of what is known.")
    now = pricing.dollars(document["per_hour"])
    click.echo(f"Now it {'would cost' if document['is_rehearsal'] else 'costs'} {now} an hour.")
    if document["unknown"]:
        click.echo(f"Not known: {', '.join(document['unknown'])}.")
    if document["billed"]:
        bill = document["billed"]
        click.echo(f"Azure's bill, month to date: {bill['amount']:,.2f} {bill['currency']}.")
    click.echo(
        "Computed from list prices and run times: this is no bill. Not seen:"
        f" {document['not_seen']}."
    )


def _verb(document: dict[str, Any]) -> str:
    return "would have cost on Azure" if document["is_rehearsal"] else "has cost"


def _row(item: dict[str, Any]) -> tuple[str, ...]:
    hours = "?" if item["hours"] is None else f"{item['hours']:.2f}"
    usd = "?" if item["usd"] is None else f"{item['usd']:.2f}"
    expected = "" if item["estimate"] is None else f"{item['estimate']:.2f}"
    parts = [] if item["kind"] == "standing" else item["what"].split(", ")
    what = ", ".join(output.shortened(part) for part in parts)
    return (item["kind"], item["name"], what, hours, usd, expected)
