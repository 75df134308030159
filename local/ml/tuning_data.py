"""Conversations as a serverless tuning job reads them: JSONL, checked line by line.

Microsoft's pages ask for `messages` of role and content and for files under 512 MB; further keys
are in its own samples and are left out here. What Azure says of a bad line is not known: the words
are ours, and name the line.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

MOST_BYTES = 512 << 20
MOST_TOLD = 10
"""Bad lines that are named; the rest is counted."""
ROLES = ("system", "user", "assistant")
BOM = "\ufeff"


class BadData(Exception):
    """A file that cannot be trained on; the message names its lines."""


def copy_conversations(source: Path, target: Path) -> int:
    """Check a file and write its conversations, without a byte order mark; give how many.

    Raises:
        BadData: it holds nothing, is too big, or has lines that are no conversations.
    """
    if source.is_dir():
        raise BadData(f"{source.name} is a folder; one JSONL file is needed.")
    if source.stat().st_size >= MOST_BYTES:
        raise BadData(f"{source.name} is larger than {MOST_BYTES >> 20} MB.")
    findings, rows = [], 0
    with target.open("w", encoding="utf-8") as copy:
        for number, line in _lines(source):
            try:
                copy.write(json.dumps({"messages": _messages(line)}, ensure_ascii=False) + "\n")
                rows += 1
            except ValueError as error:
                findings.append(f"line {number}: {error}")
    if not findings and not rows:
        findings.append("it holds no conversation")
    if findings:
        raise BadData(f"{source.name} cannot be trained on: {_told(findings)}.")
    return rows


def _told(findings: list[str]) -> str:
    left = len(findings) - MOST_TOLD
    return "; ".join(findings[:MOST_TOLD]) + (f"; and {left} more lines" if left > 0 else "")


def _lines(source: Path) -> Iterator[tuple[int, bytes]]:
    with source.open("rb") as file:
        for number, line in enumerate(file, start=1):
            if line.strip():
                yield number, line


def _messages(line: bytes) -> list[dict[str, str]]:
    """Read one line's conversation.

    Raises:
        ValueError: it is none; says why.
    """
    try:
        record = json.loads(line.decode("utf-8").removeprefix(BOM))
    except UnicodeDecodeError as error:
        raise ValueError("it is not UTF-8") from error
    except ValueError as error:
        raise ValueError(f"it is not JSON ({error})") from error
    messages = record.get("messages") if isinstance(record, dict) else None
    if not isinstance(messages, list) or not messages:
        raise ValueError("it has no list of messages")
    read = [_message(message, place) for place, message in enumerate(messages)]
    if read[-1]["role"] != "assistant":
        raise ValueError("its last message is not the assistant's")
    if not any(one["role"] == "user" for one in read):
        raise ValueError("it has no message of a user")
    return read


def _message(message: Any, place: int) -> dict[str, str]:
    role = message.get("role") if isinstance(message, dict) else None
    content = message.get("content") if isinstance(message, dict) else None
    if role not in ROLES:
        raise ValueError(f"messages[{place}] has the role {role!r}: one of {', '.join(ROLES)}")
    if not isinstance(content, str) or not content.strip():
        raise ValueError(f"messages[{place}] has no text as its content")
    return {"role": role, "content": content}
