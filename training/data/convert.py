"""Write a source of any form as the JSONL that is trained on, a record at a time."""

import tempfile
from collections import Counter
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import IO

import orjson

from core.errors import SettingsError
from training.data.formats import Source, SourceLine
from training.data.publishing import publish
from training.data.records import faults, kind_of


@dataclass
class Conversion:
    """What became of a source's records."""

    target: Path
    rows: int = 0
    """Records written."""
    left_out: list[tuple[int, str]] = field(default_factory=list)
    """Line (or place) and reason of each record that was not."""
    is_written: bool = False


def convert(
    source: Source,
    target: Path,
    *,
    limit: int | None = None,
    skip_bad: bool = False,
    force: bool = False,
) -> Conversion:
    """Write the records of `source` that can be trained on to `target`, whole or not at all.

    Where a record cannot, and `skip_bad` is not given, nothing is written.

    Raises:
        SettingsError: no record is left, the target holds something else and `force` is not
            given, or it is the source itself.
        PrerequisiteError: the hub stopped answering.
    """
    if target.resolve() == Path(source.name).resolve():
        raise SettingsError(
            f"{target} would be overwritten by its own conversion.", hint="Choose another --to."
        )
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=".convert-") as work:
            return _convert(source, Path(work) / target.name, target, limit, skip_bad, force)
    except OSError as error:
        raise SettingsError(f"{target}: cannot write there: {error.strerror}.") from error


def _convert(
    source: Source, work: Path, target: Path, limit: int | None, skip_bad: bool, force: bool
) -> Conversion:
    made = Conversion(target)
    with work.open("wb", buffering=1 << 20) as file:
        for line in islice(source.lines(), limit):
            _write(line, file, made)
    if made.left_out and not skip_bad:
        return made
    if not made.rows:
        raise SettingsError(f"{source.name}: there is no record to write.")
    publish({work: target}, force=force, otherwise="choose another --to")
    made.is_written = True
    return made


def _write(line: SourceLine, file: IO[bytes], made: Conversion) -> None:
    reasons = [line.fault] if line.fault else _reasons(line.content)
    if reasons:
        made.left_out.append((line.number, "; ".join(reasons)))
        return
    file.write(line.content + b"\n")
    made.rows += 1


def _reasons(content: bytes) -> list[str]:
    record = orjson.loads(content)
    return [str(fault) for fault in faults(record, Counter(), Counter(), kind_of(record))]
