"""`tunestack status`: of one stack, or with `--all` of every stack of the subscription."""

import os
from pathlib import Path
from typing import Any

import click

from commands.options import json_option, stack_option
from commands.output import say, show
from commands.session import Session
from commands.status.printing import print_all, print_stack
from commands.status.standing import everything, standing
from core.errors import SettingsError


@click.command()
@stack_option
@click.option(
    "--all",
    "is_all",
    is_flag=True,
    help="Every stack of the subscription: expired ones, idle endpoints and clusters.",
)
@click.option(
    "--html", "page", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE",
    help="Write a page: resources, runs with their losses, models, what answers, cost.",
)  # fmt: skip
@click.option("--open", "opens", is_flag=True, help="Open that page in the browser.")
@click.option(
    "--ask", "asks", is_flag=True,
    help="For the page, ask each deployment that is ready for one token, to see that it answers.",
)  # fmt: skip
@json_option
@click.pass_context
def status(
    context: click.Context,
    stack: str,
    is_all: bool,
    page: Path | None,
    opens: bool,
    asks: bool,
    as_json: bool,
) -> None:
    """Show what is there and what is running."""
    _check(is_all, page, opens=opens, asks=asks)
    if is_all:
        found = everything(Session(_where(context, stack)))
        show(found, as_json, lambda: print_all(found))
    elif page:
        shown = write_page(Session(stack), page, asks=asks)
        show(shown, as_json, lambda: click.echo(f"The page: {page}"))
        if opens:
            click.launch(page.absolute().as_uri())
    else:
        document = standing(Session(stack))
        show(document, as_json, lambda: print_stack(document))


def write_page(session: Session, file: Path, *, asks: bool) -> dict[str, Any]:
    """Write the page of a stack; give all that it shows, JSON-ready."""
    from commands.status.facts import gather
    from commands.status.page.document import render

    if not file.parent.is_dir():
        raise SettingsError(f"--html: there is no folder {file.parent}.")
    facts = gather(session, asks=asks)
    file.write_text(render(facts), encoding="utf-8")
    for part in facts["not_readable"]:
        say(f"[yellow]Not readable:[/] {part['what']}")
    return {"page": str(file.absolute()), **facts}


def _check(is_all: bool, page: Path | None, *, opens: bool, asks: bool) -> None:
    """Refuse options that do not go together.

    Raises:
        SettingsError: says which.
    """
    if is_all and page:
        raise SettingsError("--html shows one stack, --all every one: choose one of them.")
    if (opens or asks) and not page:
        raise SettingsError("--open and --ask are for the page.", hint="Add --html FILE.")


def _where(context: click.Context, stack: str) -> str:
    """Choose the Azure: the one of a stack that was named, else the signed-in subscription."""
    is_named = context.get_parameter_source("stack") is not click.core.ParameterSource.DEFAULT
    return stack if is_named or "AZURE_SUBSCRIPTION_ID" not in os.environ else ""
