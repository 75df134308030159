"""Open a source of training data and read it as canonical lines, in one pass."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from core.errors import SettingsError
from training.data.formats.container import file_container
from training.data.formats.csv_table import csv_rows
from training.data.formats.form import (
    PREFERENCES,
    SAMPLE,
    BadRecord,
    Container,
    Format,
    Row,
    SourceLine,
)
from training.data.formats.hub import PREFIX, open_hub
from training.data.formats.json_text import jsonl_rows, list_rows
from training.data.formats.parquet import path_rows
from training.data.formats.recognition import Columns, Make, maker, recognise, require_columns
from training.data.formats.turns import Record, with_system

if TYPE_CHECKING:
    import httpx

_READERS: dict[Container, Callable[[Path], Iterator[Row]]] = {
    "jsonl": jsonl_rows,
    "json": list_rows,
    "csv": csv_rows,
    "parquet": path_rows,
}


@dataclass
class Source:
    """An opened source; its lines can be read once."""

    name: str
    """The source as it should be named to read the very same records again."""
    format: Format
    revision: str = ""
    """The commit that is read, of a data set on the hub."""
    notes: tuple[str, ...] = ()
    """What a person should know: a choice that was made for them."""
    _rows: Iterator[Row] = field(default_factory=lambda: iter(()), repr=False)
    _make: Make = field(default=dict, repr=False)
    _system: str = ""

    def lines(self) -> Iterator[SourceLine]:
        """Read on, record by record."""
        return (_line(row, self._make, self._system) for row in self._rows)


def open_source(
    source: Path | str,
    *,
    format: str = "auto",
    columns: Columns | None = None,
    system: str = "",
    client: "httpx.Client | None" = None,
) -> Source:
    """Open a file, or a hub data set (`hub:owner/name[@revision][:[config/]split]`).

    Args:
        source: The path or the name.
        format: One of `FORMATS`, or `auto` to tell it from the first records.
        columns: Which column holds which role; makes the format `columns`.
        system: A system message for the records that have none.
        client: How the hub is asked; one is made otherwise.

    Raises:
        SettingsError: it cannot be read, or is of no form that is known.
        PrerequisiteError: what reads it is not installed, or the hub does not answer.
    """
    chosen = columns or {}
    name = "columns" if chosen and format == "auto" else format
    if chosen and name != "columns":
        raise SettingsError(f"columns and format {name} exclude each other.")
    if name != "auto":
        maker(name, chosen)  # refused before anything is read
    opened, container, rows = _open(source, client)
    sample = list(islice(rows, SAMPLE))
    what = "line" if container in ("jsonl", "csv") else "record"
    reason = "its columns were named" if chosen else "it was named"
    if name == "auto":
        name, reason = recognise(str(source), sample, what)
    elif chosen:
        require_columns(str(source), chosen, sample)
    is_preference = name in PREFERENCES or "chosen" in chosen
    opened.format = Format(name, container, reason, is_preference)
    opened._rows, opened._make, opened._system = chain(sample, rows), maker(name, chosen), system
    return opened


def source_of(name: str, rows: Iterator[Row], form: str, container: Container) -> Source:
    """Make a source of rows that come from elsewhere, of a form that is known."""
    known = Format(form, container, "it was named", form in PREFERENCES)
    return Source(name, known, _rows=rows, _make=maker(form, {}))


def detect(path: Path | str, *, client: "httpx.Client | None" = None) -> Format:
    """Tell what a source is from its name and first records.

    Raises:
        SettingsError: it cannot be read, or several forms fit; names `--format`.
        PrerequisiteError: what reads it is not installed, or the hub does not answer.
    """
    return open_source(path, client=client).format


def read(
    source: Path | str,
    *,
    format: str = "auto",
    columns: Columns | None = None,
    system: str = "",
    client: "httpx.Client | None" = None,
) -> Iterator[SourceLine]:
    """Read a source as canonical lines; as `open_source`, for whom the lines are enough.

    Raises:
        SettingsError: it cannot be read, or is of no form that is known.
        PrerequisiteError: what reads it is not installed, or the hub does not answer.
    """
    opened = open_source(source, format=format, columns=columns, system=system, client=client)
    return opened.lines()


def _open(
    source: Path | str, client: "httpx.Client | None"
) -> tuple[Source, Container, Iterator[Row]]:
    unknown = Format("", "hub", "")
    if str(source).startswith(PREFIX):
        found = open_hub(str(source), client)
        opened = Source(found.pinned, unknown, found.revision, found.notes)
        return opened, "hub", found.rows()
    path = Path(source)
    container = file_container(path)
    return Source(str(path), unknown), container, _READERS[container](path)


def _line(row: Row, make: Make, system: str) -> SourceLine:
    if row.fault:
        return SourceLine(row.number, b"", row.fault)
    try:
        made = _with_system(make(row.record), system)
        if row.raw and (made is row.record or made == row.record):
            return SourceLine(row.number, row.raw)
        return SourceLine(row.number, orjson.dumps(made, default=_plain))
    except BadRecord as error:
        return SourceLine(row.number, b"", str(error))
    except TypeError as error:  # a lone surrogate, a number beyond 64 bits, nested too deep
        return SourceLine(row.number, b"", f"cannot be written as JSON: {error}")


def _with_system(made: Record, system: str) -> Record:
    key = "messages" if "messages" in made else "prompt"
    turns = with_system(made[key], system)
    return made if turns is made[key] else {**made, key: turns}


def _plain(value: Any) -> Any:
    if isinstance(value, bytes | Mapping):
        raise TypeError(f"{type(value).__name__} beside the text")
    return str(value)
