"""`tunestack local name`: names that somebody else at Azure has."""

import click

from commands.options import json_option
from commands.output import show, table
from core.home import home


@click.group()
def name() -> None:
    """Let somebody else at Azure have a name: take, free, list."""


@name.command()
@click.argument("type")
@click.argument("name")
@json_option
def take(type: str, name: str, as_json: bool) -> None:
    """Give NAME away; TYPE is storageAccounts, registries, vaults or accounts."""
    from local import names

    found = names.take(home() / "local", type, name)
    text = f"Somebody else has the name {name} ({found})."
    show({"type": found, "name": name}, as_json, lambda: click.echo(text))


@name.command()
@click.argument("type")
@click.argument("name")
@json_option
def free(type: str, name: str, as_json: bool) -> None:
    """Let nobody else have NAME any more."""
    from local import names

    names.free(home() / "local", type, name)
    show({"freed": name}, as_json, lambda: click.echo(f"The name {name} is free."))


@name.command(name="list")
@json_option
def list_names(as_json: bool) -> None:
    """Show the names that somebody else has."""
    from local import names

    rows = names.taken(home() / "local")
    document = [{"type": type, "name": name} for type, name in rows]
    show(document, as_json, lambda: table("Names that are taken", ("type", "name"), rows))
