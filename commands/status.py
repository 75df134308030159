"""`tunestack status`."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from commands import output
from commands.options import json_option, stack_option
from commands.plan import money
from commands.session import Session

if TYPE_CHECKING:
    from infra.workloads import Workloads


@click.command()
@stack_option
@json_option
def status(stack: str, as_json: bool) -> None:
    """Show what is there and what is running."""
    document = standing(Session(stack))
    output.show(document, as_json, lambda: _render(document))


def standing(session: Session) -> dict[str, Any]:
    """Ask what the stack has, what runs in it and what all of it costs an hour."""
    from infra.prices import per_hour, prices
    from infra.workloads import Workloads, workloads

    resources = session.engine.resources()
    outputs = session.engine.outputs()
    found = workloads(session.cloud.arm, outputs) if outputs else Workloads()
    base = per_hour(prices(session.settings), "standing") if resources else 0.0
    running = found.per_hour
    return {
        "stack": session.stack,
        "is_up": outputs is not None,
        "resources": [asdict(item) for item in resources],
        **_running(found),
        "per_hour": None if base is None or running is None else round(base + running, 4),
        "is_rehearsal": session.is_rehearsal,
    }


def _running(found: "Workloads") -> dict[str, Any]:
    return {
        "endpoints": [
            {**asdict(item), "per_hour": [deployment.per_hour for deployment in item.deployments]}
            for item in found.endpoints
        ],
        "jobs": [asdict(job) for job in found.jobs],
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
    for job in document["jobs"]:
        click.echo(f"job {job['name']}: {job['status']}")
    where = "would cost on Azure" if document["is_rehearsal"] else "costs"
    click.echo(
        f"{document['nodes']} cluster nodes. It {where} ${money(document['per_hour'])} an hour."
    )
