"""`tunestack status`: of one stack, or with `--all` of every stack of the subscription."""

import os
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from commands import output, pricing
from commands.managed.standing import hosted_document, print_hosted, running_documents
from commands.options import json_option, stack_option
from commands.plan import money
from commands.session import Session

if TYPE_CHECKING:
    from core.price_list import PriceList
    from infra.standing.workloads import Workloads


@click.command()
@stack_option
@click.option(
    "--all",
    "is_all",
    is_flag=True,
    help="Every stack of the subscription: expired ones, idle endpoints and clusters.",
)
@json_option
@click.pass_context
def status(context: click.Context, stack: str, is_all: bool, as_json: bool) -> None:
    """Show what is there and what is running."""
    if is_all:
        found = everything(Session(_where(context, stack)))
        output.show(found, as_json, lambda: _render_all(found))
        return
    document = standing(Session(stack))
    output.show(document, as_json, lambda: _render(document))


def everything(session: Session) -> dict[str, Any]:
    """Find every stack of the session's subscription; no stack file is read."""
    from infra.standing.stacks import all_stacks
    from infra.standing.workloads import total

    now, cloud = datetime.now(UTC), session.cloud
    found = all_stacks(cloud.arm, cloud.subscription_id, now)
    return {
        "subscription": cloud.subscription_id,
        "is_rehearsal": session.is_rehearsal,
        "as_of": now.isoformat(timespec="seconds"),
        "stacks": [{**view.document(), "age": age(view.created, now)} for view in found],
        "per_hour": total([view.per_hour for view in found]),
    }


def age(created: str, now: datetime) -> str:
    """Write how long something has stood, as a person would say it."""
    if not created:
        return ""
    hours = (now - datetime.fromisoformat(created)).total_seconds() / 3600
    return f"{hours:.0f} h" if hours < 48 else f"{hours / 24:.0f} days"


def _where(context: click.Context, stack: str) -> str:
    """Choose the Azure: the one of a stack that was named, else the signed-in subscription."""
    is_named = context.get_parameter_source("stack") is not click.core.ParameterSource.DEFAULT
    return stack if is_named or "AZURE_SUBSCRIPTION_ID" not in os.environ else ""


def standing(session: Session) -> dict[str, Any]:
    """Ask what the stack has, what runs in it and what all of it costs an hour."""
    from infra.prices import per_hour, prices
    from infra.standing.costs import burn, vm_sizes
    from infra.standing.workloads import Workloads, workloads

    resources = session.engine.resources()
    outputs = session.engine.outputs()
    found = workloads(session.cloud.arm, outputs) if outputs else Workloads()
    listed = pricing.price_list(session, *vm_sizes(found), asks=False)
    base = per_hour(prices(session.settings, listed), "standing") if resources else 0.0
    running = burn(found, listed)
    return {
        "stack": session.stack,
        "is_up": outputs is not None,
        "resources": [asdict(item) for item in resources],
        **_running(session, found, listed),
        "per_hour": None if base is None or running is None else round(base + running, 4),
        "is_rehearsal": session.is_rehearsal,
    }


def _running(session: Session, found: "Workloads", listed: "PriceList") -> dict[str, Any]:
    from commands.endpoint.ending import told_expiry
    from infra.standing.costs import deployment_price

    return {
        "endpoints": [
            {
                **asdict(item),
                **told_expiry(session, item.name),
                "per_hour": [deployment_price(one, listed) for one in item.deployments],
            }
            for item in found.endpoints
        ],
        "hosted": [hosted_document(one) for one in found.hosted],
        "jobs": [asdict(job) for job in found.jobs],
        "tuning": running_documents(session, {job.name for job in found.jobs}),
        "nodes": found.nodes,
    }


def _render(document: dict[str, Any]) -> None:
    if not document["resources"] and not document["is_up"]:
        click.echo(f"{document['stack']}: nothing is there.")
        return
    output.table(
        f"{document['stack']}: {'up' if document['is_up'] else 'not whole; run up again'}",
        ("what", "name", ""),
        [
            (item["title"], item["name"], "gone" if item["is_there"] is False else "")
            for item in document["resources"]
        ],
    )
    click.echo()
    _render_running(document)


def _render_running(document: dict[str, Any]) -> None:
    for endpoint in document["endpoints"]:
        names = ", ".join(
            f"{item['name']} on {item['instances']} × {item['vm_size']}"
            for item in endpoint["deployments"]
        )
        click.echo(f"endpoint {endpoint['name']} ({endpoint['state']}): {names or 'no deployment'}")
        if endpoint["expiry"]:
            click.echo(f"  it {endpoint['expiry']}")
    print_hosted(document["hosted"])
    for job in (*document["jobs"], *document["tuning"]):
        click.echo(f"job {job['name']}: {job['status']}")
    where = "would cost on Azure" if document["is_rehearsal"] else "costs"
    click.echo(f"{document['nodes']} cluster nodes. It {where} {_per_hour(document)} an hour.")


def _per_hour(document: dict[str, Any]) -> str:
    amount = document["per_hour"]
    return "an unknown amount" if amount is None else f"${money(amount)}"


def _render_all(document: dict[str, Any]) -> None:
    where = "this machine" if document["is_rehearsal"] else document["subscription"]
    if not document["stacks"]:
        click.echo(f"No stack on {where}.")
        return
    columns = ("stack", "group", "engine", "age", "expires", "USD an hour", "to end it")
    output.table(f"Stacks on {where}", columns, [_row(view) for view in document["stacks"]])
    idle = [
        (item["kind"], item["name"], item["what"], _idle(item), money(item["per_hour"]),
         item["command"])
        for view in document["stacks"]
        for item in view["running"]
    ]  # fmt: skip
    if idle:
        click.echo()
        titles = ("", "name", "runs", "idle", "USD an hour", "to end it")
        output.table("What runs there", titles, idle)
    click.echo(f"\nAll together: USD {money(document['per_hour'])} an hour.")


def _row(view: dict[str, Any]) -> tuple[str, ...]:
    expires = f"{view['expires']} EXPIRED" if view["is_expired"] else view["expires"]
    groups, price = ", ".join(view["groups"]), money(view["per_hour"])
    engine, stood = view["engine"] or "?", view["age"] or "?"
    return (view["stack"], groups, engine, stood, expires or "-", price, view["command"])


def _idle(item: dict[str, Any]) -> str:
    word = {True: "idle", False: "no", None: "not known"}[item["is_idle"]]
    return f"{word}: {item['sign']}"
