"""`tunestack data`: get, check and split training data. Nothing here talks to Azure."""

from pathlib import Path
from typing import Any

import click
from rich.markup import escape

from commands.options import json_option
from commands.output import say, show, table
from core.errors import SettingsError
from training.data.check import FEWEST, Finding, Report, check_file, leaks, require_good
from training.data.get import SOURCES, get_data
from training.data.split import split_file

SHOWN = 20
"""Findings of a file that are printed; `--json` has them all."""


@click.group()
def data() -> None:
    """Get, check and split training data."""


@data.command()
@click.argument("name", type=click.Choice(list(SOURCES)), metavar="NAME")
@click.option(
    "--folder", type=click.Path(path_type=Path), default=Path("data"), show_default=True,
    help="Where <NAME>/train.jsonl and validation.jsonl are written.",
)  # fmt: skip
@click.option("--seed", default=0, show_default=True, help="Decides which chats are validation.")
@click.option("--force", is_flag=True, help="Overwrite files that were changed here.")
@json_option
def get(name: str, folder: Path, seed: int, force: bool, as_json: bool) -> None:
    r"""Bring a data set here.

    \b
    sample     this project's own travel chats, with one hard rule; needs no network
    travel     the GPT-4 tutorial's file
    ultrachat  the own-GPU tutorial's one percent of UltraChat 200k
    """
    fetched = get_data(name, folder, seed=seed, force=force)
    train = check_file(fetched.train)
    validation = check_file(fetched.validation, fewest=1)
    for note in fetched.notes:
        say(note)
    document = {
        "name": name,
        "origin": fetched.origin,
        "notes": list(fetched.notes),
        "train": train.document(),
        "validation": validation.document(),
    }
    show(document, as_json, lambda: _summary(train, validation))


@data.command()
@click.argument(
    "files", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="FILE [VALIDATION]…"
)
@json_option
def check(files: tuple[Path, ...], as_json: bool) -> None:
    """Check files line by line; further files are taken as validation data of the first.

    Leaves with 2 where a file cannot be trained on.
    """
    reports = check_files(files)
    show([report.document() for report in reports], as_json, lambda: _print_reports(reports))
    faulty = [report for report in reports if not report.is_good]
    if faulty:
        named = ", ".join(f"{report.path} ({len(report.errors)})" for report in faulty)
        raise SettingsError(f"Not fit for training: {named}.")


@data.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--folder", type=click.Path(path_type=Path), default=None,
    help="Where train.jsonl and validation.jsonl go.  [default: data/<name of the file>]",
)  # fmt: skip
@click.option("--share", default=0.2, show_default=True, help="Part that goes to validation.")
@click.option("--seed", default=0, show_default=True, help="Another seed, another choice of chats.")
@json_option
def split(file: Path, folder: Path | None, share: float, seed: int, as_json: bool) -> None:
    """Split a file into training and validation; equal chats stay on one side."""
    made = split_file(file, folder or Path("data") / file.stem, share=share, seed=seed)
    document = {
        "train": {"path": str(made.train), "rows": made.train_rows},
        "validation": {"path": str(made.validation), "rows": made.validation_rows},
    }
    rows = [(part["path"], part["rows"]) for part in document.values()]
    show(document, as_json, lambda: table("", ["file", "chats"], rows))


def check_files(files: tuple[Path, ...]) -> list[Report]:
    """Check a training file and its validation files, leaks between them included.

    Raises:
        SettingsError: names every file that cannot be read.
    """
    reports, unreadable = [], []
    for number, file in enumerate(files):
        try:
            reports.append(check_file(file, fewest=1 if number else FEWEST))
        except SettingsError as error:
            unreadable.append(str(error))
    if unreadable:
        raise SettingsError("\n".join(unreadable))
    for validation in reports[1:]:
        validation.findings += leaks(reports[0], validation)
    return reports


def checked_pair(train: Path, validation: Path) -> tuple[Report, Report]:
    """Check both files of a training; tell warnings, refuse errors, all at once.

    Raises:
        SettingsError: names every faulty line of both files.
    """
    reports = check_files((train, validation))
    require_good(*reports)
    for report in reports:
        warnings = [finding for finding in report.findings if finding.severity == "warning"]
        _say_some(report.path, warnings)
    return reports[0], reports[1]


def _say_some(path: Path, findings: list[Finding]) -> None:
    for finding in findings[:3]:
        say(f"[yellow]{escape(f'{path}: {finding}')}[/yellow]")
    if len(findings) > 3:
        more = len(findings) - 3
        say(f"[yellow]{escape(str(path))}: and {more} more; tunestack data check shows them[/]")


def _print_reports(reports: list[Report]) -> None:
    _summary(*reports)
    for report in reports:
        rows: list[tuple[Any, ...]] = [
            (finding.line or "file", finding.severity, escape(finding.reason))
            for finding in report.findings[:SHOWN]
        ]
        left = len(report.findings) - SHOWN
        if left > 0:
            rows.append(("", "", f"and {left} more; all of them: --json"))
        if rows:
            table(f"\n{escape(str(report.path))}", ["line", "kind", "what"], rows)


def _summary(*reports: Report) -> None:
    table(
        "",
        ["file", "chats", "user", "assistant", "system", "duplicates", "errors"],
        [
            (
                escape(str(report.path)),
                report.rows,
                *(report.roles[role] for role in ("user", "assistant", "system")),
                report.duplicates,
                len(report.errors),
            )
            for report in reports
        ],
    )
