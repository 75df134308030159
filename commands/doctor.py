"""`tunestack doctor`: every rule about a stack, one line each, with what mends it."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

import click
from rich.markup import escape

from commands import output
from commands.options import json_option, stack_option
from commands.preflight import all_rules, facts_of
from commands.session import Session
from core.errors import PrerequisiteError, SettingsError, UserError
from core.recipe import Recipe
from core.rules import Finding, Status, run_rules
from core.settings import Settings

if TYPE_CHECKING:
    from core.managed_recipe import AnyManaged

COLOURS = {
    Status.OK: "green",
    Status.WARNING: "yellow",
    Status.FAILED: "red",
    Status.UNKNOWN: "dim",
    Status.SKIPPED: "dim",
}


@click.command()
@stack_option
@click.option(
    "--recipe", "-r", default="",
    help="Recipe by name, or a path.  [default: what `train` takes]",
)  # fmt: skip
@click.option(
    "--for", "operations", multiple=True, type=click.Choice(("up", "train", "deploy")),
    help="Ask only what would stop this command. May be repeated.  [default: everything]",
)  # fmt: skip
@json_option
def doctor(stack: str, recipe: str, operations: tuple[str, ...], as_json: bool) -> None:
    """Check tools, rights, quota, names and dates before it costs."""
    found = findings(Session(stack), recipe, operations)
    document = {"stack": stack, "findings": [asdict(finding) for finding in found]}
    output.show(document, as_json, lambda: _render(stack, found))
    wrong = [finding for finding in found if finding.status is Status.FAILED]
    if wrong:
        names = ", ".join(dict.fromkeys(finding.rule for finding in wrong))
        raise PrerequisiteError(f"{len(wrong)} failed: {names}.", hint="The table has each fix.")


def findings(session: Session, recipe: str = "", operations: Sequence[str] = ()) -> list[Finding]:
    """Run every rule, or those that stop one of some commands.

    What is wrong with settings or recipe is a finding like the others.
    """
    rules = [rule for rule in all_rules() if not operations or rule.stops.intersection(operations)]
    settings, about_settings = _settings(session)
    chosen, about_recipe = _recipe(recipe, session.stack)
    facts = facts_of(session, settings)
    if isinstance(chosen, Recipe):
        facts = replace(facts, recipe=chosen)
    else:
        facts = replace(facts, managed=chosen)
    return [*about_settings, *about_recipe, *run_rules(rules, facts)]


def _settings(session: Session) -> tuple[Settings, list[Finding]]:
    """Read the settings; the defaults where there are none to read."""
    try:
        return session.settings, []
    except (PrerequisiteError, SettingsError) as error:
        is_wrong = isinstance(error, SettingsError)
        fix = f"change it in Pulumi.{session.stack}.yaml" if is_wrong else error.hint
        return Settings(), _as_findings("settings", error, fix, "the rest is about the defaults")


def _recipe(name: str, stack: str) -> tuple["Recipe | AnyManaged | None", list[Finding]]:
    from commands.train.ordering import default_recipe
    from training.recipes import load_any_recipe

    try:
        return load_any_recipe(name or default_recipe(stack)), []
    except SettingsError as error:
        return None, _as_findings("recipe", error, error.hint, "nothing of it was checked")


def _as_findings(rule: str, error: UserError, fix: str, note: str) -> list[Finding]:
    lines = str(error).splitlines()
    return [Finding(Status.FAILED, f"{line} ({note})", fix, rule) for line in lines]


def _render(stack: str, found: Sequence[Finding]) -> None:
    output.table(f"Doctor of {stack}", ("rule", "", "what, and the fix"), map(_row, found))
    counted = Counter(finding.status for finding in found)
    click.echo(
        "\n" + ", ".join(f"{counted[status]} {status}" for status in Status if counted[status])
    )


def _row(finding: Finding) -> tuple[Any, ...]:
    colour = COLOURS[finding.status]
    shown = f"[{colour}]{finding.status}[/{colour}]"
    fix = f"\n→ {finding.fix}" if finding.fix else ""
    return (finding.rule, shown, escape(finding.told + fix))
