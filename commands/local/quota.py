"""`tunestack local quota`: what the rehearsal's Azure has room for."""

from typing import Any

import click

from commands.options import json_option
from commands.output import show, table
from core.home import home

location_option = click.option(
    "--location", default="*", show_default="all", help="The location that it is about."
)


@click.group()
def quota() -> None:
    """Set limits and VM sizes: list, set, withdraw, offer, clear.

    They hold at once, also while the rehearsal's Azure runs, until they are cleared.
    """


@quota.command(name="list")
@json_option
def list_quotas(as_json: bool) -> None:
    """Show every limit, those that were set by hand, and the sizes that were withdrawn."""
    from local import quota as quotas

    place = home() / "local"
    rows = [
        {"name": one.name, "words": one.words, "limit": quotas.limit(place, one.name, "*")}
        for one in quotas.all_quotas()
    ]
    set_by_hand = [vars(one) for one in quotas.settings(place)]
    gone = [{"size": size, "location": where} for size, where in quotas.withdrawn(place)]
    document = {"quotas": rows, "set": set_by_hand, "withdrawn": gone}
    show(document, as_json, lambda: _print(document))


@quota.command(name="set")
@click.argument("name")
@click.argument("limit", type=int)
@location_option
@json_option
def set_quota(name: str, limit: int, location: str, as_json: bool) -> None:
    """Set the limit of NAME, Azure's or the portal's.

    For example "Standard ESv3 Family Cluster Dedicated vCPUs" 24.
    """
    from local import quota as quotas

    made = quotas.set_limit(home() / "local", name, limit, location)
    text = f"{made.name}: {made.limit} in {_where(made.location)}."
    show(vars(made), as_json, lambda: click.echo(text))


@quota.command()
@click.argument("size")
@location_option
@json_option
def withdraw(size: str, location: str, as_json: bool) -> None:
    """Let a location no longer offer a VM size."""
    from local import quota as quotas

    found = quotas.withdraw(home() / "local", size, location)
    text = f"{found.name} is not offered in {_where(location)}."
    show({"size": found.name, "location": location}, as_json, lambda: click.echo(text))


@quota.command()
@click.argument("size")
@location_option
@json_option
def offer(size: str, location: str, as_json: bool) -> None:
    """Let a location offer a VM size again."""
    from local import quota as quotas

    found = quotas.offer(home() / "local", size, location)
    text = f"{found.name} is offered in {_where(location)}."
    show({"size": found.name, "location": location}, as_json, lambda: click.echo(text))


@quota.command()
@json_option
def clear(as_json: bool) -> None:
    """Give back what a new subscription has."""
    from local import quota as quotas

    count = quotas.clear(home() / "local")
    show({"cleared": count}, as_json, lambda: click.echo(f"Limits and sizes cleared: {count}."))


def _where(location: str) -> str:
    return "every location" if location == "*" else location


def _print(document: dict[str, Any]) -> None:
    table(
        "Limits", ("name", "portal", "limit"), [tuple(row.values()) for row in document["quotas"]]
    )
    if document["set"]:
        table(
            "Set by hand",
            ("name", "location", "limit"),
            [tuple(r.values()) for r in document["set"]],
        )
    if document["withdrawn"]:
        table(
            "Not offered", ("size", "location"), [tuple(r.values()) for r in document["withdrawn"]]
        )
