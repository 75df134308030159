"""What `tunestack status` prints for a person at a terminal."""

from typing import Any

import click

from commands import output
from commands.managed.standing import print_hosted
from commands.plan import money


def print_stack(document: dict[str, Any]) -> None:
    """Print one stack: its resources, and what runs in it."""
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
    _print_running(document)


def print_all(document: dict[str, Any]) -> None:
    """Print every stack of a subscription, and what of them is idle."""
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


def _print_running(document: dict[str, Any]) -> None:
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


def _row(view: dict[str, Any]) -> tuple[str, ...]:
    expires = f"{view['expires']} EXPIRED" if view["is_expired"] else view["expires"]
    groups, price = ", ".join(view["groups"]), money(view["per_hour"])
    engine, stood = view["engine"] or "?", view["age"] or "?"
    return (view["stack"], groups, engine, stood, expires or "-", price, view["command"])


def _idle(item: dict[str, Any]) -> str:
    word = {True: "idle", False: "no", None: "not known"}[item["is_idle"]]
    return f"{word}: {item['sign']}"
