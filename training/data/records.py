"""One line of a training file: what a record must be, and what counts as the same record.

A chat is `{"messages": [{"role": ..., "content": ...}, ...]}`: an optional system message
first, then user and assistant in turn, an assistant's answer last. A preference is `{"prompt":
[...], "chosen": [...], "rejected": [...]}`: a chat that waits for an answer, a better and a worse
one. Other keys are allowed and ignored by the training.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import blake2b
from operator import itemgetter
from typing import Any

import orjson

from training.data.findings import Kind

ROLES = ("system", "user", "assistant")
PAIR = ("prompt", "chosen", "rejected")
BOM = b"\xef\xbb\xbf"
LONGEST_LINE = 64 * 1024 * 1024
"""Bytes. A longer line is no chat, and reading it whole would fill the memory."""


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a record cannot be trained on, and the rule that says so."""

    rule: str
    reason: str

    def __str__(self) -> str:
        return self.reason


class BadLine(Exception):
    """Why a line is not even a JSON object; nothing further can be said about it."""

    def __init__(self, rule: str, reason: str) -> None:
        super().__init__(reason)
        self.rule = rule


def parse(line: bytes) -> dict[str, Any]:
    """Read a line as a JSON object.

    Raises:
        BadLine: with the reason, in a person's words.
    """
    try:
        record = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise _bad_line(line, error) from error
    if not isinstance(record, dict):
        raise BadLine("json.object", f"not a JSON object but {_kind(record)}")
    return record


def kind_of(record: dict[str, Any]) -> Kind:
    """Say what a record is meant to be; a chat where nothing speaks for a preference."""
    pair = "messages" not in record and ("chosen" in record or "rejected" in record)
    return "preference" if pair else "chat"


_ROLE = itemgetter("role")
Shape = tuple[str | None, ...]
"""The keys of a chat, None, and the roles of its messages in their order."""
MOST_SHAPES = 4096
"""Shapes that are remembered; files have few."""


def is_plain(record: Any, shapes: dict[Shape, int]) -> bool:
    """Say whether a chat has a shape that was found good before, and text alone; if so count it.

    The quick way for the common record: what it does not know is left to `faults`.
    """
    try:
        messages = record["messages"]
        for message in messages:
            content = message["content"]
            if type(content) is not str or not content or content.isspace() or len(message) > 2:
                return False
        shapes[(*record, None, *map(_ROLE, messages))] += 1
    except (KeyError, TypeError):
        return False
    return True


def remember_shape(record: dict[str, Any], shapes: dict[Shape, int]) -> None:
    """Note the shape of a chat without a fault, so that the next one like it is plain."""
    if len(shapes) < MOST_SHAPES and "messages" in record:
        shapes.setdefault((*record, None, *map(_ROLE, record["messages"])), 0)


def count_shapes(shapes: dict[Shape, int], roles: Counter[str], extras: Counter[str]) -> None:
    """Add what the counted shapes hold to the counts of roles and of unknown keys."""
    for shape, count in shapes.items():
        parted = shape.index(None)
        for key in shape[:parted]:
            if count and key is not None and key != "messages":
                extras[key] += count
        for role in shape[parted + 1 :]:
            if count and role:
                roles[role] += count


def faults(
    record: dict[str, Any], roles: Counter[str], extras: Counter[str], kind: Kind = "chat"
) -> Iterator[Fault]:
    """Yield every reason why a record cannot be trained on; count its roles and unknown keys."""
    known = PAIR if kind == "preference" else ("messages",)
    for key in record:
        if key not in known:
            extras[key] += 1
    if kind == "preference":
        yield from _pair_faults(record, roles, extras)
        return
    messages = record.get("messages")
    if messages is None:
        yield Fault("messages.missing", "`messages` is missing")
    elif not isinstance(messages, list):
        yield Fault("messages.type", f"`messages` is {_kind(messages)}, not a list")
    elif not messages:
        yield Fault("messages.empty", "`messages` is empty")
    else:
        yield from _message_faults(messages, roles, extras)


def _pair_faults(
    record: dict[str, Any], roles: Counter[str], extras: Counter[str]
) -> Iterator[Fault]:
    is_whole = True
    for part in PAIR:
        messages = record.get(part)
        if messages is None or not isinstance(messages, list) or not messages:
            is_whole = False
            what = "missing" if messages is None else "empty" if messages == [] else ""
            yield Fault("pair.type", f"`{part}` is {what or _kind(messages) + ', not a list'}")
    if not is_whole:
        return
    prompt, chosen, rejected = (record[part] for part in PAIR)
    last = prompt[-1]
    if isinstance(last, dict) and last.get("role") != "user":
        yield Fault("pair.prompt", f"`prompt` ends with {last.get('role')!r}, not with the user")
    yield from _message_faults([*prompt, *chosen], roles, extras, (len(prompt), "chosen"))
    worse = _message_faults([*prompt, *rejected], Counter(), Counter(), (len(prompt), "rejected"))
    # What is wrong with the prompt was said already.
    yield from (fault for fault in worse if not fault.reason.startswith("message "))
    if chosen == rejected:
        yield Fault("pair.same", "`chosen` and `rejected` are the same")


def _message_faults(
    messages: list[Any],
    roles: Counter[str],
    extras: Counter[str],
    parts: tuple[int, str] = (0, ""),
) -> Iterator[Fault]:
    """Yield the faults of a row of messages.

    `parts`: how many come first, and the word that the ones after them are called by.
    """
    expected = "user"
    role: Any = None
    for number, message in enumerate(messages, 1):
        name = _name(number, parts)
        if not isinstance(message, dict):
            yield Fault("messages.type", f"{name} is {_kind(message)}, not an object")
            expected = role = ""
            continue
        role = message.get("role")
        if len(message) > 2:
            extras.update(f"messages[].{key}" for key in message if key not in _MESSAGE_KEYS)
        yield from _content_faults(name, message)
        if not isinstance(role, str) or role not in ROLES:
            yield _role_fault(name, message)
            expected = ""
            continue
        roles[role] += 1
        if role == "system":
            if number > 1:
                yield Fault("roles.system", f"{name} is a system message; only the first may be")
            continue
        if expected and role != expected:
            yield Fault("roles.order", f"{name} is from {role}; {expected} has the turn")
        expected = "assistant" if role == "user" else "user"
    if role in ROLES and role != "assistant":
        last = f"the last {parts[1]} message".replace("  ", " ")
        reason = f"{last} is from {role}, not from assistant: nothing to learn from it"
        yield Fault("roles.last", reason)


def _name(number: int, parts: tuple[int, str]) -> str:
    before, word = parts
    return f"{word} message {number - before}" if word and number > before else f"message {number}"


def _content_faults(name: str, message: dict[str, Any]) -> Iterator[Fault]:
    content = message.get("content")
    if isinstance(content, str):
        if not content or content.isspace():
            is_system = message.get("role") == "system"
            rule = "system.empty" if is_system else "content.empty"
            yield Fault(rule, f"{name}{', the system message,' * is_system} has no text")
    elif "content" not in message:
        yield Fault("content.missing", f"{name} has no `content`")
    else:
        yield Fault("content.type", f"{name}: `content` is {_kind(content)}, not text")


_MESSAGE_KEYS = frozenset(("role", "content"))


def _role_fault(name: str, message: dict[str, Any]) -> Fault:
    if "role" not in message:
        return Fault("roles.missing", f"{name} has no `role`")
    told = repr(message["role"])
    shown = told if len(told) <= 40 else f"{told[:40]}…"
    return Fault("roles.unknown", f"{name}: role {shown} is not one of {', '.join(ROLES)}")


def identity(record: dict[str, Any]) -> int:
    """Give 64 bits that stand for the record: equal for equal messages.

    White space between tokens, the order of keys and everything beside the messages do not count.
    The same on every machine and Python, as split and leak check rely on it.
    """
    told = record.get("messages")
    if told is None and "chosen" in record:
        told = [record.get(part) for part in PAIR]
    content = orjson.dumps(told, option=orjson.OPT_SORT_KEYS)
    return int.from_bytes(blake2b(content, digest_size=8).digest(), "little")


def stable_hash(content: bytes) -> int:
    """Give 64 bits for some bytes, the same everywhere and always."""
    return int.from_bytes(blake2b(content, digest_size=8).digest(), "little")


def _bad_line(line: bytes, error: orjson.JSONDecodeError) -> BadLine:
    if line.startswith((b"\xff\xfe", b"\xfe\xff")):
        return BadLine("json.encoding", "UTF-16 text; save the file as UTF-8")
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError as fault:
        place = f"byte 0x{line[fault.start]:02x} at column {fault.start + 1}"
        return BadLine("json.encoding", f"not UTF-8: {place}")
    if text.strip() in ("[", "{"):
        reason = "a record goes over several lines; JSONL has one whole record a line"
        return BadLine("json.syntax", reason)
    if len(line) >= LONGEST_LINE:
        reason = f"longer than {LONGEST_LINE // 2**20} MiB; one record a line is needed"
        return BadLine("json.length", reason)
    return BadLine("json.syntax", f"not JSON: {error.msg} at column {error.colno}")


def _kind(value: Any) -> str:
    if value is None:
        return "null"
    names = {dict: "an object", list: "a list", str: "text", bool: "a boolean"}
    return names.get(type(value), "a number")
