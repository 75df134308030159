"""A table of text (CSV, TSV): quoted line ends, byte order mark and delimiter are seen to."""

import csv
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import orjson

from core.errors import SettingsError
from training.data.formats.conversations import SHAREGPT_KEYS
from training.data.formats.form import Row
from training.data.records import BOM

LONGEST_CELL = 8 * 1024 * 1024
"""Characters. Without a limit a quote that is never closed would read the file into memory."""

_DELIMITERS = (",", ";", "\t", "|")
_QUOTED = re.compile(r'"(?:[^"]|"")*"?')
_LISTS = ("messages", *SHAREGPT_KEYS)
"""Columns whose cells hold JSON: a conversation does not fit into a cell otherwise."""


def csv_rows(path: Path) -> Iterator[Row]:
    """Read the records under the header line, each with the line that it begins on.

    Raises:
        SettingsError: no UTF-8 text, a header that names a column twice, or unreadable.
    """
    try:
        with path.open("rb", buffering=1 << 20) as file:
            yield from _rows(path, file)
    except OSError as error:
        raise SettingsError(f"{path}: {error.strerror}.") from error


def _rows(path: Path, file: IO[bytes]) -> Iterator[Row]:
    first = file.readline(LONGEST_CELL)
    if first.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise SettingsError(f"{path}: UTF-16 text.", hint="Save the file as CSV UTF-8.")
    file.seek(0)
    delimiter = "\t" if path.suffix.lower() == ".tsv" else _delimiter(_text(first))
    csv.field_size_limit(LONGEST_CELL)
    reader = csv.reader(_lines(file), delimiter=delimiter, strict=True)
    header: list[str] = []
    while True:
        start = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield Row(start, {}, f"not CSV: {error}")
            continue
        if not header:
            header = _header(path, cells)
        elif cells:
            yield _row(start, header, cells)


def _lines(file: IO[bytes]) -> Iterator[str]:
    """Decode line by line: bytes that are not UTF-8 spoil their own record and no other."""
    while line := file.readline(LONGEST_CELL):
        yield _text(line)


def _text(line: bytes) -> str:
    return line.removeprefix(BOM).decode("utf-8", "surrogateescape")


def _delimiter(header: str) -> str:
    """Choose what occurs most in the header, outside quotes; a comma where nothing does."""
    counts = Counter(_QUOTED.sub("", header))
    return max(_DELIMITERS, key=lambda one: counts[one])


def _header(path: Path, cells: list[str]) -> list[str]:
    names = [cell.strip() for cell in cells]
    twice = [name for name, count in Counter(names).items() if name and count > 1]
    if twice:
        raise SettingsError(f"{path}: the header names {', '.join(map(repr, twice))} twice.")
    return names


def _row(number: int, header: list[str], cells: list[str]) -> Row:
    if len(cells) != len(header):
        return Row(number, {}, f"{len(cells)} cells under {len(header)} columns")
    try:
        "".join(cells).encode()
    except UnicodeEncodeError:
        return Row(number, {}, "not UTF-8; save the file as CSV UTF-8")
    # A column without a name is the row number that a data frame was written with.
    record = {name: cell for name, cell in zip(header, cells, strict=True) if name}
    try:
        return Row(number, {name: _value(name, cell) for name, cell in record.items()})
    except orjson.JSONDecodeError as error:
        return Row(number, {}, f"a conversation's cell is not JSON: {error.msg}")


def _value(name: str, cell: str) -> Any:
    return orjson.loads(cell) if name in _LISTS else cell
