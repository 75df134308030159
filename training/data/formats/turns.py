"""The pieces that forms share: text out of a record, turns out of text, one system message."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from training.data.formats.form import BadRecord

Turn = dict[str, Any]
Record = dict[str, Any]

_SPEAKERS = {"System": "system", "Human": "user", "User": "user"} | dict.fromkeys(
    ("Assistant", "AI"), "assistant"
)
_MARK = re.compile(rf"^(?:{'|'.join(_SPEAKERS)}):[ \t]?", re.MULTILINE)


def turn(role: str, content: str) -> Turn:
    """Make one message."""
    return {"role": role, "content": content}


def text(record: Mapping[str, Any], key: str) -> str:
    """Give the text under `key`; parts of text, as OpenAI's clients write them, are joined.

    Raises:
        BadRecord: there is none, or it is something else.
    """
    if key not in record:
        raise BadRecord(f"`{key}` is missing")
    value = joined(record[key])
    if not isinstance(value, str):
        raise BadRecord(f"`{key}` is {kind(value)}, not text")
    return value


def text_if_any(record: Mapping[str, Any], key: str) -> str:
    """Give the text under `key`, or nothing where the key or its value is missing.

    Raises:
        BadRecord: what is there is no text.
    """
    return "" if record.get(key) is None else text(record, key)


def joined(content: Any) -> Any:
    """Join `[{"type": "text", "text": …}, …]` to one text; anything else stays as it is."""
    if not isinstance(content, list) or not content:
        return content
    texts = [
        part["text"]
        for part in content
        if isinstance(part, dict)
        and part.get("type") == "text"
        and isinstance(part.get("text"), str)
    ]
    return "".join(texts) if len(texts) == len(content) else content


def messages(value: Any, name: str) -> list[Turn]:
    """Check that `value` is a list of messages with a role and text; give role and text alone.

    Raises:
        BadRecord: names the first message that is none.
    """
    if not isinstance(value, list):
        raise BadRecord(f"`{name}` is {kind(value)}, not a list of messages")
    turns = []
    for number, message in enumerate(value, 1):
        if not isinstance(message, dict):
            raise BadRecord(f"`{name}`: message {number} is {kind(message)}, not an object")
        content = joined(message.get("content"))
        if not isinstance(message.get("role"), str) or not isinstance(content, str):
            raise BadRecord(f"`{name}`: message {number} has no role with text")
        turns.append(turn(message["role"], content))
    return turns


def text_or_messages(record: Mapping[str, Any], key: str, role: str) -> list[Turn]:
    """Read text as one turn of `role`, or take messages as they are.

    Raises:
        BadRecord: the value is neither.
    """
    value = joined(record.get(key))
    if isinstance(value, dict):
        value = [value]
    return messages(value, key) if isinstance(value, list) else [turn(role, text(record, key))]


def transcript(value: str, *, is_open: bool) -> list[Turn]:
    r"""Take `User: …\nAssistant: …` apart into turns; nothing where the text is no transcript.

    It is one only if it begins with a speaker, the speakers take turns, and it ends where the
    answer would begin (`is_open`, a prompt) or with an answer (a whole conversation). Anything
    else is left in one piece: a text that merely mentions `User:` must not be torn apart.
    """
    marks = list(_MARK.finditer(value))
    if not marks or value[: marks[0].start()].strip():
        return []
    ends = [mark.start() for mark in marks[1:]] + [len(value)]
    turns = [
        turn(_SPEAKERS[mark[0].rstrip(" \t:")], value[mark.end() : end].strip())
        for mark, end in zip(marks, ends, strict=True)
    ]
    spoken = [one["role"] for one in turns if one["role"] != "system"]
    due = ["user", "assistant"] * (len(spoken) // 2)
    if not spoken or spoken != due or any(one["role"] == "system" for one in turns[1:]):
        return []
    if bool(turns[-1]["content"]) is is_open or not all(one["content"] for one in turns[:-1]):
        return []
    return turns[:-1] if is_open else turns


def with_system(turns: list[Turn], system: str) -> list[Turn]:
    """Put a system message first, unless there is one or no text for it."""
    has_one = bool(turns) and isinstance(turns[0], dict) and turns[0].get("role") == "system"
    return turns if not system or has_one else [turn("system", system), *turns]


def beside(record: Record, used: Iterable[str]) -> Record:
    """Give what is not part of the form: an id, a group."""
    names = frozenset(used)
    return {key: value for key, value in record.items() if key not in names}


def kind(value: Any) -> str:
    """Name the kind of a JSON value as a person would."""
    if value is None:
        return "null"
    names = {dict: "an object", list: "a list", str: "text", bool: "a boolean"}
    return names.get(type(value), "a number")
