"""Conversations kept as training data: a line `{"messages": [...]}` each, behind what is there."""

import json
from pathlib import Path
from typing import Any

from core.errors import SettingsError

END_BYTES = 1 << 20


def check_target(path: Path) -> None:
    """Make sure that a conversation can be put behind what is in a file.

    Raises:
        SettingsError: it is a folder, its folder is missing, or it holds something else.
    """
    if path.is_dir():
        raise SettingsError(f"{path} is a folder.", hint="Name a file: --save chats.jsonl")
    if not path.parent.is_dir():
        raise SettingsError(f"There is no folder {path.parent}.")
    if not path.exists():
        return
    try:
        last = _last_line(path)
    except OSError as error:
        raise SettingsError(f"{path} cannot be read: {error.strerror}") from error
    if last and not _is_record(last):
        raise SettingsError(
            f"{path} holds something else than conversations; it is left as it is.",
            hint="Name another file.",
        )


def append(path: Path, records: list[dict[str, Any]]) -> None:
    """Put conversations behind what is in a file; it is made where there is none.

    Raises:
        SettingsError: as `check_target`, or it cannot be written.
    """
    check_target(path)
    lines = "".join(f"{json.dumps(record, ensure_ascii=False)}\n" for record in records)
    # A lone surrogate of a model's answer is written as JSON's escape: UTF-8 has none for it.
    lines = "".join(f"\\u{ord(mark):04x}" if _is_half(mark) else mark for mark in lines)
    start = "\n" if path.exists() and _lacks_end(path) else ""
    try:
        with path.open("a", encoding="utf-8", newline="") as file:
            file.write(start + lines)
    except OSError as error:
        raise SettingsError(f"{path} cannot be written: {error.strerror}") from error


def _last_line(path: Path) -> bytes:
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - END_BYTES))
        return file.read().rstrip().rpartition(b"\n")[2]


def _is_record(line: bytes) -> bool:
    try:
        return isinstance(json.loads(line)["messages"], list)
    except (ValueError, LookupError, TypeError):
        return False


def _lacks_end(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - 1))
        return file.read() not in (b"", b"\n")


def _is_half(mark: str) -> bool:
    return "\ud800" <= mark <= "\udfff"
