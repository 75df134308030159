"""Containers of JSON text: a record a line, or one list of records."""

from collections.abc import Iterator
from pathlib import Path
from typing import IO

from core.errors import PrerequisiteError, SettingsError
from training.data.formats.form import Row
from training.data.formats.turns import kind
from training.data.records import BOM, LONGEST_LINE, BadLine, parse


def jsonl_rows(path: Path) -> Iterator[Row]:
    """Read a record a line; empty lines are none.

    Raises:
        SettingsError: the file cannot be read at all.
    """
    try:
        with path.open("rb", buffering=1 << 20) as file:
            for number, line in _lines(file):
                if number == 1:
                    line = line.removeprefix(BOM)
                if line and not line.isspace():
                    yield _row(number, line)
    except OSError as error:
        raise SettingsError(f"{path}: {error.strerror}.") from error


def _lines(file: IO[bytes]) -> Iterator[tuple[int, bytes]]:
    number = 0
    while line := file.readline(LONGEST_LINE):
        number += 1
        rest = line
        while len(rest) == LONGEST_LINE and not rest.endswith(b"\n"):
            rest = file.readline(LONGEST_LINE)  # what is left of a line that no chat fills
        yield number, line


def _row(number: int, line: bytes) -> Row:
    try:
        return Row(number, parse(line), raw=line.strip())
    except BadLine as fault:
        return Row(number, {}, str(fault))


def list_rows(path: Path) -> Iterator[Row]:
    """Read the records of one JSON list as they come by, never the list as a whole.

    After a fault in the JSON itself nothing further can be read: its row is the last.

    Raises:
        PrerequisiteError: ijson is not installed.
        SettingsError: the file cannot be read at all.
    """
    try:
        import ijson  # type: ignore[import-untyped]
    except ImportError as error:
        raise PrerequisiteError(
            f"{path} is one JSON list, and ijson, which reads such a list piece by piece, is "
            "not installed.",
            hint='pip install "tunestack[data]"; or: jq -c ".[]" FILE > FILE.jsonl',
        ) from error

    number = 0
    try:
        with path.open("rb") as file:
            file.seek(len(BOM) if file.read(len(BOM)) == BOM else 0)
            for number, record in enumerate(ijson.items(file, "item", use_float=True), 1):
                is_record = isinstance(record, dict)
                fault = "" if is_record else f"not a JSON object but {kind(record)}"
                yield Row(number, record if is_record else {}, fault)
    except OSError as error:
        raise SettingsError(f"{path}: {error.strerror}.") from error
    # ValueError: bytes that are not UTF-8 (UnicodeDecodeError) among the rest.
    except (ijson.JSONError, ValueError) as error:
        reason = str(error).strip().split("\n")[0].strip()
        yield Row(number + 1, {}, f"the list cannot be read from here on: {reason}")
