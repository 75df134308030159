"""`tunestack recipe`: list, show and check recipes, before anything is sent."""

from typing import Any

import click

from commands.options import json_option, stack_option
from commands.output import show, table
from commands.session import Session
from core.errors import SettingsError
from core.managed_recipe import AnyManaged
from core.recipe import Recipe
from training.recipe_check import Verdict, check_recipe
from training.recipes import load_any_recipe, recipe_names

set_option = click.option(
    "--set", "overrides", multiple=True, metavar="PATH=VALUE",
    help="Change a part of the recipe: training.epochs=2. Can be repeated.",
)  # fmt: skip


@click.group()
def recipe() -> None:
    """List, show and check recipes."""


@recipe.command(name="list")
@json_option
def list_recipes(as_json: bool) -> None:
    """List the recipes that come with the program."""
    found = [load_any_recipe(name) for name in recipe_names()]
    rows = [
        (one.name, one.route, method_of(one), one.objective, one.base.id, one.description)
        for one in found
    ]
    keys = ("name", "route", "method", "objective", "base", "description")
    document = [dict(zip(keys, row, strict=True)) for row in rows]
    show(document, as_json, lambda: table("", keys, rows))


@recipe.command(name="show")
@click.argument("name")
@set_option
@json_option
def show_recipe(name: str, overrides: tuple[str, ...], as_json: bool) -> None:
    """Show a recipe whole, what it leaves to defaults included."""
    document = load_any_recipe(name, overrides).model_dump(mode="json")
    show(document, as_json, lambda: click.echo(_yaml(document)))


@recipe.command()
@click.argument("names", nargs=-1, metavar="[NAME|PATH]...")
@set_option
@stack_option
@json_option
def check(names: tuple[str, ...], overrides: tuple[str, ...], stack: str, as_json: bool) -> None:
    """Check recipes whole: keys, contradictions, base model, template, memory on the stack's size.

    Of a managed route: keys, contradictions, and until when Azure tunes the model. Without a name,
    all that come with the program. Leaves with 2 where one has an error.
    """
    session = Session(stack)
    # The rehearsal trains on this machine, whatever size its cluster is said to have.
    size = "" if session.is_rehearsal else session.settings.cluster_vm_size
    found = [check_recipe(name, overrides, size) for name in names or recipe_names()]
    document = [one.document() for one in found]
    show(document, as_json, lambda: _print(found))
    wrong = [one.name for one in found if not one.is_good]
    if wrong:
        raise SettingsError(f"Not fit for training: {', '.join(wrong)}.", hint="Nothing was sent.")


def method_of(recipe: Recipe | AnyManaged) -> str:
    """Name how a recipe tunes; a managed service does not say."""
    return getattr(recipe, "method", "the service's")


def _print(found: list[Verdict]) -> None:
    rows = [
        (one.name, finding.severity, finding.told, finding.fix)
        for one in found
        for finding in one.findings
    ]
    table("", ("recipe", "", "finding", "fix"), rows)


def _yaml(document: dict[str, Any]) -> str:
    import yaml

    return yaml.safe_dump(document, sort_keys=False, allow_unicode=True).rstrip()
