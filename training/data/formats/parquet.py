"""Parquet, a row group at a time and of that some hundred rows: here or on a web server."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from core.errors import PrerequisiteError, SettingsError
from training.data.formats.form import Row

BATCH = 256
"""Rows that are in memory as Python objects at a time."""

BUFFER = 4 * 1024 * 1024
"""Bytes read at once of a column; on a web server each is a request."""


def parquet_rows(
    opened: Any, name: str, *, start: int = 0, columns: Sequence[str] | None = None
) -> Iterator[Row]:
    """Read the rows of a Parquet file, numbered from `start` + 1.

    Columns that hold bytes (pictures, sound) are left out.

    Args:
        opened: A path, or a file object that can be sought in.
        name: What the file is called in messages.
        start: Rows that came before, in other files.
        columns: What to read of each row; all of it otherwise.

    Raises:
        PrerequisiteError: pyarrow is not installed.
        SettingsError: it is no Parquet file, or a broken one.
    """
    try:
        from pyarrow import ArrowException, parquet  # type: ignore[import-untyped]
    except ImportError as error:
        raise PrerequisiteError(
            f"{name} is a Parquet file, and pyarrow is not installed.",
            hint='pip install "tunestack[data]"; or: pip install pyarrow',
        ) from error

    number = start
    try:
        # Neither pre_buffer nor whole column chunks: a row group may be all of a large file.
        with parquet.ParquetFile(opened, pre_buffer=False, buffer_size=BUFFER) as file:
            chosen = columns or _columns(file.schema_arrow)
            for group in range(file.num_row_groups):
                for batch in file.iter_batches(BATCH, row_groups=[group], columns=chosen):
                    yield from _rows(batch, number)
                    number += batch.num_rows
    except OSError as error:
        # Arrow raises OSError for broken content, too; only the system's own has an errno.
        reason = error.strerror or _first_line(error)
        raise SettingsError(f"{name}: {reason}") from error
    except (ArrowException, ValueError) as error:  # ValueError: a column's name is not UTF-8
        message = f"{name}: not a Parquet file that can be read: {_first_line(error)}"
        raise SettingsError(message) from error


def path_rows(path: Path, *, columns: Sequence[str] | None = None) -> Iterator[Row]:
    """Read the rows of a Parquet file on this machine.

    Raises:
        PrerequisiteError: pyarrow is not installed.
        SettingsError: it cannot be read.
    """
    return parquet_rows(path, str(path), columns=columns)


def _columns(schema: Any) -> list[str]:
    return [field.name for field in schema if not _holds_bytes(field.type)]


def _holds_bytes(kind: Any) -> bool:
    from pyarrow import types

    if types.is_binary(kind) or types.is_large_binary(kind) or types.is_fixed_size_binary(kind):
        return True
    return any(_holds_bytes(kind.field(number).type) for number in range(kind.num_fields))


def _rows(batch: Any, start: int) -> Iterator[Row]:
    for number, record in enumerate(_records(batch), start + 1):
        if record is None:
            yield Row(number, {}, "text that is not UTF-8")
        else:
            yield Row(number, _without_nulls(record))


def _records(batch: Any) -> list[dict[str, Any] | None]:
    """Give the batch's rows; one that is not UTF-8 spoils itself and no other."""
    try:
        return list(batch.to_pylist())
    except UnicodeDecodeError:
        alone = batch.num_rows == 1
        parts = [] if alone else [batch.slice(row, 1) for row in range(batch.num_rows)]
        return [None] if alone else [_records(part)[0] for part in parts]


def _without_nulls(record: dict[str, Any]) -> dict[str, Any]:
    """Drop the keys that a message lacks: a table gives every message the keys of all of them."""
    return {
        key: [_present(one) for one in value] if isinstance(value, list) else value
        for key, value in record.items()
    }


def _present(one: Any) -> Any:
    if not isinstance(one, dict):
        return one
    return {key: value for key, value in one.items() if value is not None or key == "content"}


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
