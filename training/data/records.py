"""One line of a training file: what a chat record must be, and what counts as the same chat.

A record is `{"messages": [{"role": ..., "content": ...}, ...]}`: an optional system message
first, then user and assistant in turn, an assistant's answer last. Other keys are allowed and
ignored by the training.
"""

import hashlib
from collections import Counter
from collections.abc import Iterator
from typing import Any

import orjson

ROLES = ("system", "user", "assistant")
BOM = b"\xef\xbb\xbf"
LONGEST_LINE = 64 * 1024 * 1024
"""Bytes. A longer line is no chat, and reading it whole would fill the memory."""


class BadLine(Exception):
    """Why a line is not even a JSON object; nothing further can be said about it."""


def parse(line: bytes) -> dict[str, Any]:
    """Read a line as a JSON object.

    Raises:
        BadLine: with the reason, in a person's words.
    """
    try:
        record = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise BadLine(_reason(line, error)) from error
    if not isinstance(record, dict):
        raise BadLine(f"not a JSON object but {_kind(record)}")
    return record


def faults(record: dict[str, Any], roles: Counter[str], extras: Counter[str]) -> Iterator[str]:
    """Yield every reason why a record cannot be trained on; count its roles and unknown keys."""
    for key in record:
        if key != "messages":
            extras[key] += 1
    messages = record.get("messages")
    if messages is None:
        yield "`messages` is missing"
    elif not isinstance(messages, list):
        yield f"`messages` is {_kind(messages)}, not a list"
    elif not messages:
        yield "`messages` is empty"
    else:
        yield from _message_faults(messages, roles, extras)


def _message_faults(
    messages: list[Any], roles: Counter[str], extras: Counter[str]
) -> Iterator[str]:
    expected = "user"
    role: Any = None
    for number, message in enumerate(messages, 1):
        if not isinstance(message, dict):
            yield f"message {number} is {_kind(message)}, not an object"
            expected = ""
            continue
        role = message.get("role")
        content = message.get("content")
        if len(message) > 2:
            extras.update(f"messages[].{key}" for key in message if key not in _MESSAGE_KEYS)
        if isinstance(content, str):
            if not content or content.isspace():
                yield f"message {number} has no text"
        elif "content" not in message:
            yield f"message {number} has no `content`"
        else:
            yield f"message {number}: `content` is {_kind(content)}, not text"
        if role not in ROLES:
            yield _role_fault(number, message)
            expected = ""
            continue
        roles[role] += 1
        if role == "system":
            if number > 1:
                yield f"message {number} is a system message; only the first may be"
            continue
        if expected and role != expected:
            yield f"message {number} is from {role}; {expected} has the turn"
        expected = "assistant" if role == "user" else "user"
    if role in ROLES and role != "assistant":
        yield f"the last message is from {role}, not from assistant: nothing to learn from it"


_MESSAGE_KEYS = frozenset(("role", "content"))


def _role_fault(number: int, message: dict[str, Any]) -> str:
    if "role" not in message:
        return f"message {number} has no `role`"
    return f"message {number}: role {message['role']!r} is not one of {', '.join(ROLES)}"


def identity(record: dict[str, Any]) -> int:
    """Give 64 bits that stand for the chat: equal for equal messages.

    White space between tokens, the order of keys and everything beside `messages` do not count.
    The same on every machine and Python, as split and leak check rely on it.
    """
    canonical = orjson.dumps(record.get("messages"), option=orjson.OPT_SORT_KEYS)
    return int.from_bytes(hashlib.blake2b(canonical, digest_size=8).digest(), "little")


def _reason(line: bytes, error: orjson.JSONDecodeError) -> str:
    if line.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "UTF-16 text; save the file as UTF-8"
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError as fault:
        return f"not UTF-8: byte 0x{line[fault.start]:02x} at column {fault.start + 1}"
    if text.strip() in ("[", "{"):
        return "a record goes over several lines; JSONL has one whole record a line"
    if len(line) >= LONGEST_LINE:
        return f"longer than {LONGEST_LINE // 2**20} MiB; one record a line is needed"
    return f"not JSON: {error.msg} at column {error.colno}"


def _kind(value: Any) -> str:
    if value is None:
        return "null"
    names = {dict: "an object", list: "a list", str: "text", bool: "a boolean"}
    return names.get(type(value), "a number")
