"""`tunestack data check`: every finding of the files that a model is to be trained with."""

from itertools import groupby
from pathlib import Path
from typing import Any

import click
from rich.markup import escape

from commands.data.lengths import RULE as LENGTH
from commands.data.lengths import add_lengths
from commands.options import json_option
from commands.output import say, show, table
from core.errors import SettingsError, check_all
from core.managed_recipe import AnyManaged
from core.recipe import Recipe
from training.data.check import (
    FEWEST,
    Finding,
    Measure,
    Report,
    check_file,
    leaks,
    require_good,
    require_kind,
)
from training.data.other_forms import other_form, source_lines
from training.data.rules import EVERY, RULES, choose
from training.managed import data as managed_data
from training.recipes import load_any_recipe

SHOWN = 3
"""Findings of a rule that are printed; `--json` has them all."""
WEIGHT = {"error": 0, "warning": 1, "note": 2}


@click.command(name="check")
@click.argument(
    "files", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="FILE [VALIDATION]…"
)
@click.option(
    "--rules", multiple=True, metavar="RULE,…",
    help="Look at these alone, beside the form of the records: near, secrets …",
)  # fmt: skip
@click.option("--skip", multiple=True, metavar="RULE,…", help="Leave these out: personal …")
@click.option(
    "--recipe", "-r", "name", default="",
    help="Recipe whose base model, objective and route the files are checked for.",
)  # fmt: skip
@click.option("--strict", is_flag=True, help="Leave with 2 on warnings, too.")
@json_option
def check_command(
    files: tuple[Path, ...],
    rules: tuple[str, ...],
    skip: tuple[str, ...],
    name: str,
    strict: bool,
    as_json: bool,
) -> None:
    """Check files line by line; further files are taken as validation data of the first.

    Looks at the form of every record, copies, leaks between the files, personal data, secrets,
    refusals and control tokens. Other forms (CSV, Alpaca …) are read as `data convert` does.
    With a recipe of a managed route also at what its service takes: number, size, tools, pictures.

    Leaves with 2 where a file cannot be trained on.
    """
    chosen = choose(rules, skip)
    recipe = load_any_recipe(name) if name else None
    reports = check_files(files, rules=chosen, recipe=recipe)
    if isinstance(recipe, Recipe) and LENGTH in chosen:
        add_lengths(reports, recipe)
    show([report.document() for report in reports], as_json, lambda: print_reports(reports))
    if recipe:
        require_kind(recipe.objective, *reports)
    _refuse(reports, strict)


def _refuse(reports: list[Report], strict: bool) -> None:
    counts = [(r.path, len(r.errors) + (len(r.warnings) if strict else 0)) for r in reports]
    named = ", ".join(f"{path} ({count})" for path, count in counts if count)
    if named:
        raise SettingsError(f"Not fit for training: {named}.")


def check_files(
    files: tuple[Path, ...],
    *,
    rules: frozenset[str] = EVERY,
    recipe: Recipe | AnyManaged | None = None,
    measure: Measure | None = None,
) -> list[Report]:
    """Check a training file and its validation files, leaks between them included.

    Raises:
        SettingsError: names every file that cannot be read.
    """
    reports: list[Report] = []

    def check(number: int, file: Path) -> None:
        if recipe is None or isinstance(recipe, Recipe):
            report = _check(file, not number, rules, recipe, measure)
        else:
            report = managed_data.findings(recipe, file, is_training=not number, rules=rules)
        reports.append(report)

    check_all(*(lambda pair=pair: check(*pair) for pair in enumerate(files)))
    for validation in reports[1:]:
        found = leaks(reports[0], validation)
        validation.findings += [finding for finding in found if finding.rule in rules]
        validation.findings.sort(key=lambda finding: finding.line)
    return reports


def _check(
    file: Path,
    is_training: bool,
    rules: frozenset[str],
    recipe: Recipe | None,
    measure: Measure | None,
) -> Report:
    """Check a file as the own-GPU route reads it."""
    source = other_form(file)
    report = check_file(
        file,
        fewest=FEWEST if is_training else 1,
        rules=rules,
        base=recipe.base.id if recipe else "",
        measure=measure,
        lines=source_lines(source) if source else None,
    )
    report.form = str(source.format) if source else ""
    return report


def checked_pair(
    train: Path,
    validation: Path,
    recipe: Recipe | None = None,
    *,
    measure: Measure | None = None,
) -> tuple[Report, Report]:
    """Check both files of a training; tell warnings, refuse errors, all at once.

    Raises:
        SettingsError: names every faulty line of both files, and a file of another form than
            the training reads or of the other kind than the recipe learns from.
    """
    reports = check_files((train, validation), recipe=recipe, measure=measure)
    for report in reports:
        if report.form:
            raise SettingsError(
                f"{report.path} is {report.form}; the training reads JSONL of chats.",
                hint=f"tunestack data convert {report.path}",
            )
    require_good(*reports)
    if recipe:
        require_kind(recipe.objective, *reports)
    for report in reports:
        _say_some(report.path, report.warnings)
    return reports[0], reports[1]


def _say_some(path: Path, findings: list[Finding]) -> None:
    for finding in findings[:3]:
        say(f"[yellow]{escape(f'{path}: {finding}')}[/yellow]")
    if len(findings) > 3:
        more = len(findings) - 3
        say(f"[yellow]{escape(str(path))}: and {more} more; tunestack data check shows them[/]")


def print_reports(reports: list[Report]) -> None:
    """Print the counts of each file, then what was found, rule by rule."""
    summary(*reports)
    for report in reports:
        if report.form:
            say(f"[dim]{escape(f'{report.path} was read as {report.form}')}[/dim]")
        rows = [_rule_row(rule, list(found)) for rule, found in _by_rule(report.findings)]
        if rows:
            columns = ["kind", "rule", "found", "what, and what to do"]
            table(f"\n{escape(str(report.path))}", columns, rows)


def _by_rule(findings: list[Finding]) -> Any:
    ordered = sorted(findings, key=lambda found: (WEIGHT[found.severity], found.rule, found.line))
    return groupby(ordered, key=lambda found: found.rule)


def _rule_row(rule: str, found: list[Finding]) -> tuple[Any, ...]:
    told = [escape(str(finding)) for finding in found[:SHOWN]]
    if len(found) > SHOWN:
        told.append(f"and {len(found) - SHOWN} more; all of them: --json")
    told.append(f"→ {escape(RULES[rule].fix)}")
    return found[0].severity, rule, len(found), "\n".join(told)


def summary(*reports: Report) -> None:
    """Print one line of counts for each file."""
    table(
        "",
        ["file", "records", "user", "assistant", "system", "duplicates", "errors", "warnings"],
        [
            (
                escape(str(report.path)),
                report.rows,
                *(report.roles[role] for role in ("user", "assistant", "system")),
                report.duplicates,
                len(report.errors),
                len(report.warnings),
            )
            for report in reports
        ],
    )
