"""Files whose records are not written as the training reads them: which form they have."""

from collections.abc import Iterator
from pathlib import Path

from core.errors import SettingsError
from training.data.formats import Source, open_source
from training.data.records import BOM, LONGEST_LINE, PAIR, BadLine, parse


def other_form(path: Path) -> Source | None:
    """Open a file that is of another known form than JSONL of chats or preferences.

    Gives None where the training reads it as it is, and where nobody knows what it is: its check
    then says what is wrong with it.

    Raises:
        SettingsError: the file cannot be read.
        PrerequisiteError: it takes a package that is not installed.
    """
    if _is_ours(path):
        return None
    try:
        source = open_source(path)
    except SettingsError:
        return None
    is_ours = source.format.name == "chat" and source.format.container == "jsonl"
    return None if is_ours else source


def source_lines(source: Source) -> Iterator[tuple[int, bytes, str]]:
    """Give a source's records as `check_file` takes them."""
    return ((line.number, line.content, line.fault) for line in source.lines())


def _is_ours(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            first = file.readline(LONGEST_LINE)
    except OSError as error:
        raise SettingsError(f"{path}: {error.strerror}.") from error
    try:
        record = parse(first.removeprefix(BOM))
    except BadLine:
        return False
    is_pair = all(isinstance(record.get(part), list) for part in PAIR)
    return isinstance(record.get("messages"), list) or is_pair
