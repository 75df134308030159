"""`tunestack local rights`: what the rehearsal's person may do."""

import click

from commands.options import json_option
from commands.output import show, table
from core.home import home


@click.group()
def rights() -> None:
    """Set what the rehearsal's person may do: list, set.

    At the start they own the subscription.
    """


@rights.command(name="list")
@json_option
def list_rights(as_json: bool) -> None:
    """Show the person's roles."""
    from local.rights import roles

    rows = roles(home() / "local")
    document = [{"role": role, "scope": scope} for role, scope in rows]
    show(document, as_json, lambda: table("The person's roles", ("role", "scope"), rows))


@rights.command(name="set")
@click.argument("roles", nargs=-1)
@click.option("--group", default="", help="On this resource group, not on the subscription.")
@json_option
def set_rights(roles: tuple[str, ...], group: str, as_json: bool) -> None:
    """Give the person ROLES there and no others, e.g. Contributor."""
    from local.rights import set_roles

    names = set_roles(home() / "local", list(roles), group)
    where = f"the group {group}" if group else "the subscription"
    text = f"The person is {', '.join(names) or 'nothing'} on {where}."
    document = {"roles": names, "group": group}
    show(document, as_json, lambda: click.echo(text))
