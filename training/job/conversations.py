"""A file of conversations, read line by line: nothing of it stays in memory.

Standard library only: the preview of the command line reads through this very module.
"""

import hashlib
import itertools
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from failure import JobError

Conversation = list[dict[str, str]]

BOM = b"\xef\xbb\xbf"
ROLES = ("system", "user", "assistant")


@dataclass(frozen=True)
class Conversations:
    """A file whose lines are all known to be good; each pass reads it again."""

    path: Path
    rows: int
    sha256: str
    system_message: str
    """The one that every conversation begins with; empty where they differ."""

    def __len__(self) -> int:
        return self.rows

    def items(self) -> Iterator[tuple[int, Conversation]]:
        """Go through the conversations with their line numbers."""
        return ((number, _known_good(line)) for number, line in lines(self.path))

    def values(self) -> Iterator[Conversation]:
        """Go through the conversations."""
        return (talk for _, talk in self.items())

    def first(self, count: int) -> list[Conversation]:
        """Read the first `count` conversations."""
        return list(itertools.islice(self.values(), count))

    @property
    def texts(self) -> Iterator[str]:
        """Everything that is said, turn by turn."""
        return (turn["content"] for talk in self.values() for turn in talk)


def read_conversations(path: Path) -> Conversations:
    """Check every line of a JSONL file of conversations.

    An empty system turn is dropped: an endpoint is never sent one, and templates render it
    differently.

    Raises:
        JobError: the file cannot be read or is empty; or lines are bad, all of them named.
    """
    nothing = (
        "no conversation; `tunestack data split` makes a training and a validation file of one"
    )
    return Conversations(path, *examined(path, lambda line: conversation(line)[0], nothing))


def examined(
    path: Path, opening: Callable[[bytes], dict[str, str]], nothing: str
) -> tuple[int, str, str]:
    """Check every line and hash it on the way; give rows, hash and the shared system message.

    `opening` gives a line's first turn, or says as a ValueError what is wrong with it; `nothing`
    is what an empty file holds. What all lines begin with is kept: an endpoint puts it before
    those that bring no system message, so that a tuned model is asked as it was trained.

    Raises:
        JobError: the file cannot be read or is empty; or lines are bad, all of them named.
    """
    digest = hashlib.sha256()
    findings: list[str] = []
    openings: set[str] = set()
    rows = 0
    for number, line in lines(path, digest):
        try:
            first = opening(line)
        except ValueError as error:
            findings.append(f"line {number}: {error}")
            continue
        rows += 1
        if len(openings) < 2:
            openings.add(first["content"] if first["role"] == "system" else "")
    if findings:
        raise JobError(f"{path.name} has {len(findings)} bad lines: {few(findings)}")
    if not rows:
        raise JobError(f"{path.name} holds {nothing}")
    return rows, digest.hexdigest(), openings.pop() if len(openings) == 1 else ""


def lines(path: Path, digest: Any = None) -> Iterator[tuple[int, bytes]]:
    """Read the lines that hold something, with their numbers; all bytes go into `digest`.

    Raises:
        JobError: the file cannot be read.
    """
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                if digest is not None:
                    digest.update(line)
                if number == 1:
                    line = line.removeprefix(BOM)
                if line.strip():
                    yield number, line
    except OSError as error:
        raise JobError(f"{path} cannot be read: {error}") from error


def conversation(line: bytes) -> Conversation:
    """Take the messages out of a line.

    Raises:
        ValueError: it holds no conversation that ends with an answer; says why.
    """
    try:
        record = json.loads(line)
    except UnicodeDecodeError as error:
        raise ValueError(f"not UTF-8 at byte {error.start + 1}") from error
    turns = record.get("messages") if isinstance(record, dict) else None
    if not isinstance(turns, list) or not turns:
        raise ValueError("no list of `messages`")
    kept = turns_of(turns)
    if not kept or kept[-1]["role"] != "assistant":
        raise ValueError("the last message is not the assistant's")
    return kept


def _known_good(line: bytes) -> Conversation:
    """Take the messages out of a line that was looked at before."""
    turns: Conversation = json.loads(line)["messages"]
    is_plain = all(len(turn) == 2 and not _is_empty_system(turn) for turn in turns)
    return turns if is_plain else turns_of(turns)


def turns_of(messages: list[Any]) -> Conversation:
    """Take roles and texts, without empty system turns; ValueError says what is no message."""
    for turn in messages:
        if not isinstance(turn, dict) or not isinstance(turn.get("content"), str):
            raise ValueError("a message without text")
        if turn.get("role") not in ROLES:
            raise ValueError(f"a message with the role {turn.get('role')!r}")
    return [
        {"role": t["role"], "content": t["content"]} for t in messages if not _is_empty_system(t)
    ]


def _is_empty_system(turn: dict[str, str]) -> bool:
    return turn["role"] == "system" and not turn["content"].strip()


def few(findings: list[str], limit: int = 20) -> str:
    """Name the first findings, and count the rest."""
    rest = len(findings) - limit
    return ", ".join(findings[:limit]) + (f" and {rest} more" if rest > 0 else "")
