"""What an evaluation reads and writes: cases, and lines of answers that outlive a kill.

    answers/SIDE/00001.jsonl …

Each file is written at once and never touched again, since a mounted blob store may not append.
SIDE is the side's name, quoted as in a URL.
"""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from conversations import Conversation, few, lines, turns_of
from failure import JobError


@dataclass(frozen=True)
class Case:
    """A conversation whose last turn is to be answered."""

    id: str
    messages: Conversation
    reference: str
    sides: tuple[str, ...]
    """Who is asked; empty: everybody."""

    def is_for(self, side: str) -> bool:
        """Tell whether a side is asked."""
        return not self.sides or side in self.sides


def read_cases(path: Path, system_message: str) -> list[Case]:
    """Read cases; those that bring no system turn begin as every training conversation did.

    Raises:
        JobError: the file cannot be read, or lines are bad; all of them named.
    """
    cases, findings = [], []
    for number, line in lines(path):
        try:
            cases.append(_case(json.loads(line), system_message))
        except (ValueError, KeyError, TypeError) as error:
            findings.append(f"line {number}: {error}")
    if findings:
        raise JobError(f"{path.name} has {len(findings)} bad lines: {few(findings)}")
    return cases


def _case(record: dict[str, Any], system_message: str) -> Case:
    messages = turns_of(record["messages"])
    if not messages:
        raise ValueError("no message")
    if system_message and not any(turn["role"] == "system" for turn in messages):
        messages = [{"role": "system", "content": system_message}, *messages]
    asked = tuple(record.get("sides") or ())
    return Case(str(record["id"]), messages, str(record.get("reference") or ""), asked)


class Answered:
    """The lines that a side has given so far."""

    def __init__(self, folder: Path, side: str) -> None:
        self._folder = folder / quote(side, safe="")
        self._files = sorted(self._folder.glob("*.jsonl"))

    def cases(self) -> set[str]:
        """Give the ids of the cases that have a whole line."""
        return {
            line["case"]
            for file in self._files
            for text in file.read_bytes().split(b"\n")  # not by all that Unicode calls a line's end
            if (line := _whole(text))
        }

    def add(self, found: list[dict[str, Any]]) -> None:
        """Write lines through to the store."""
        self._folder.mkdir(parents=True, exist_ok=True)
        last = max((int(file.stem) for file in self._files), default=0)
        file = self._folder / f"{last + 1:05}.jsonl"
        with file.open("w", encoding="utf-8", newline="\n") as stream:
            stream.writelines(json.dumps(line, ensure_ascii=False) + "\n" for line in found)
            stream.flush()
            os.fsync(stream.fileno())
        self._files.append(file)


def _whole(text: bytes) -> dict[str, Any] | None:
    try:
        line = json.loads(text)
    except ValueError:
        return None
    return line if isinstance(line, dict) and "case" in line else None
