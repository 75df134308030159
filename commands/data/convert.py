"""`tunestack data convert`: training data of any usual form, written as the one we train on."""

import re
from pathlib import Path
from typing import Any

import click
from rich.markup import escape

from commands.options import json_option
from commands.output import say, show, table
from core.errors import SettingsError
from training.data.check import check_file
from training.data.convert import Conversion, convert
from training.data.formats import FORMATS, Source, open_source
from training.data.formats.hub import PREFIX

SHOWN = 20
"""Records left out that are printed; `--json` has them all."""


@click.command(name="convert")
@click.argument("source")
@click.option(
    "--to", "target", type=click.Path(path_type=Path), default=None,
    help="The JSONL file to write.  [default: data/<name of the source>.jsonl]",
)  # fmt: skip
@click.option(
    "--format", "form", type=click.Choice(("auto", *FORMATS)), default="auto", show_default=True,
    help="What a record looks like; auto tells it from the first records.",
)  # fmt: skip
@click.option(
    "--columns", "chosen", multiple=True, metavar="ROLE=COLUMN,…",
    help="Which column is what: user=…,assistant=…,system=… or user=…,chosen=…,rejected=…",
)  # fmt: skip
@click.option("--system", default="", help="System message for the records that have none.")
@click.option("--limit", type=click.IntRange(min=1), help="Read only so many records.")
@click.option("--skip-bad", is_flag=True, help="Leave out what cannot be trained on.")
@click.option("--force", is_flag=True, help="Overwrite a file that was changed here.")
@json_option
def convert_command(
    source: str,
    target: Path | None,
    form: str,
    chosen: tuple[str, ...],
    system: str,
    limit: int | None,
    skip_bad: bool,
    force: bool,
    as_json: bool,
) -> None:
    """Write chats or preferences of any usual form as JSONL, and check what was written.

    SOURCE is a JSONL, JSON, CSV, TSV or Parquet file, or a data set on the hub:
    hub:OWNER/NAME[@REVISION][:[CONFIG/]SPLIT].

    Leaves with 2, nothing written, where a record cannot be trained on and --skip-bad is not given.
    """
    opened = open_source(source, format=form, columns=_columns(chosen), system=system)
    say(f"[dim]{escape(f'{opened.name}: {opened.format}')}[/dim]")
    for note in opened.notes:
        say(escape(note))
    made = convert(opened, target or _target(source), limit=limit, skip_bad=skip_bad, force=force)
    document = _document(source, opened, made)
    show(document, as_json, lambda: _print(document))
    if not made.is_written:
        count = len(made.left_out)
        raise SettingsError(
            f"{source}: {count} of {count + made.rows} records cannot be trained on; "
            "nothing was written.",
            hint="Mend them, or add --skip-bad to leave them out.",
        )
    if not document["check"]["is_good"]:
        raise SettingsError(f"Not fit for training: {made.target}.")


def _columns(chosen: tuple[str, ...]) -> dict[str, str]:
    pairs = [pair.partition("=") for part in chosen for pair in part.split(",") if pair.strip()]
    if not all(role.strip() and name for role, _, name in pairs):
        raise SettingsError(
            f"columns: {','.join(chosen)!r} is not ROLE=COLUMN,ROLE=COLUMN.",
            hint="--columns user=question,assistant=answer",
        )
    return {role.strip(): name for role, _, name in pairs}


def _target(source: str) -> Path:
    """Name the file after the source: `faq.csv` → data/faq.jsonl, `hub:a/b:train` → b-train."""
    if source.startswith(PREFIX):
        name = source.removeprefix(PREFIX).partition("/")[2]
        repository, _, split = name.partition(":")
        parts = (repository.partition("@")[0], *split.split("/"))
        stem = "-".join(re.sub(r"[^\w.-]", "_", part) for part in parts if part)
    else:
        stem = Path(source).stem
    return Path("data") / f"{stem or 'data'}.jsonl"


def _document(source: str, opened: Source, made: Conversion) -> dict[str, Any]:
    return {
        "source": source,
        "read": opened.name,
        "revision": opened.revision,
        "format": opened.format.name,
        "container": opened.format.container,
        "reason": opened.format.reason,
        "notes": list(opened.notes),
        "to": str(made.target),
        "is_written": made.is_written,
        "rows": made.rows,
        "left_out": [{"line": line, "reason": reason} for line, reason in made.left_out],
        "check": check_file(made.target).document() if made.is_written else None,
    }


def _print(document: dict[str, Any]) -> None:
    left_out = document["left_out"]
    written = document["to"] if document["is_written"] else "(nothing written)"
    columns = ["source", "form", "to", "records", "left out", "duplicates", "findings"]
    check = document["check"] or {"duplicates": "", "findings": ()}
    shape = f"{document['format']} in {document['container']}"
    findings = len(check["findings"])
    row = (document["read"], shape, written, document["rows"], len(left_out),
           check["duplicates"], findings)  # fmt: skip
    table("", columns, [tuple(escape(str(cell)) for cell in row)])
    if left_out:
        rows = [(one["line"], escape(one["reason"])) for one in left_out[:SHOWN]]
        more = len(left_out) - SHOWN
        table("\nLeft out", ["line", "why"], rows + [("", f"and {more} more; --json")] * (more > 0))
    if findings:
        say(f"[dim]findings: {findings}; tunestack data check {escape(document['to'])}[/dim]")
