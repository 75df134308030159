"""From an uploaded file to what the job program reads: every line checked, then rewritten.

The rules are Azure's published ones; the words are ours, since Azure's for chats are not known.
What one knows of and does not play (tools, images) is refused here rather than trained wrongly.
The `weight` of an answer is checked and not heeded: the job learns every answer of a chat.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from local.ai.file_store import records_of

ROLES = ("system", "developer", "user", "assistant")
MOST_NAMED = 5
CHARACTERS = 4
"""In a token, about: for the limit of tokens alone."""

Message = dict[str, str]


class Unusable(Exception):
    """Why a file cannot be trained on."""


@dataclass(frozen=True)
class Prepared:
    """A file that can be trained on."""

    rows: int
    tokens: int
    """Estimated."""


def prepare(source: Path, target: Path, method: str) -> Prepared:
    """Rewrite a file for the job program.

    Raises:
        Unusable: lines are no examples for the method; names the first of them.
    """
    convert: Callable[[Any], dict[str, Any]] = _pair if method == "dpo" else _chat
    findings: list[str] = []
    rows = characters = 0
    with target.open("w", encoding="utf-8") as file:
        for number, record in _lines(source):
            try:
                text = json.dumps(convert(record), ensure_ascii=False)
            except Unusable as reason:
                findings.append(f"line {number}: {reason}")
                continue
            rows, characters = rows + 1, characters + len(text)
            file.write(f"{text}\n")
    if findings:
        raise Unusable(_few(findings))
    return Prepared(rows, max(1, characters // CHARACTERS))


def _lines(source: Path) -> Iterator[tuple[int, Any]]:
    try:
        yield from records_of(source)
    except (ValueError, OSError) as error:
        raise Unusable(str(error)) from error


def _few(findings: list[str]) -> str:
    rest = len(findings) - MOST_NAMED
    return "; ".join(findings[:MOST_NAMED]) + (f"; and {rest} more lines" if rest > 0 else "")


def _chat(record: Any) -> dict[str, Any]:
    if not isinstance(record, dict):
        raise Unusable("is no JSON object")
    if record.get("tools") or record.get("functions"):
        raise Unusable("tools are not played here")
    messages = _messages(record.get("messages"), "messages")
    roles = [message["role"] for message in messages]
    if "user" not in roles or roles[-1] != "assistant":
        raise Unusable("needs a user's message and ends with the assistant's")
    return {"messages": messages}


def _pair(record: Any) -> dict[str, Any]:
    if not isinstance(record, dict) or not isinstance(record.get("input"), dict):
        raise Unusable("needs `input` with `messages`")
    if record["input"].get("tools"):
        raise Unusable("tools are not played here")
    prompt = _messages(record["input"].get("messages"), "input.messages")
    if prompt[-1]["role"] != "user":
        raise Unusable("the last of `input.messages` is not the user's")
    chosen, rejected = (
        _answer(record.get(name), name) for name in ("preferred_output", "non_preferred_output")
    )
    if chosen == rejected:
        raise Unusable("both outputs are the same")
    return {"prompt": prompt, "chosen": chosen, "rejected": rejected}


def _answer(given: Any, name: str) -> list[Message]:
    messages = _messages(given, name)
    if [message["role"] for message in messages] != ["assistant"]:
        raise Unusable(f"`{name}` is not one message of the assistant's")
    return messages


def _messages(given: Any, name: str) -> list[Message]:
    if not isinstance(given, list) or not given:
        raise Unusable(f"needs a list `{name}`")
    return [_message(one) for one in given]


def _message(given: Any) -> Message:
    if not isinstance(given, dict) or given.get("role") not in ROLES:
        role = given.get("role") if isinstance(given, dict) else given
        raise Unusable(f"a message with the role {role!r}")
    if given.get("tool_calls"):
        raise Unusable("tool calls are not played here")
    role = "system" if given["role"] == "developer" else given["role"]
    if "weight" in given and (role != "assistant" or given["weight"] not in (0, 1)):
        raise Unusable("a weight is 0 or 1, at messages of the assistant's")
    return {"role": role, "content": _content(given.get("content"))}


def _content(given: Any) -> str:
    if isinstance(given, list):
        given = "".join(_part(part) for part in given)
    if not isinstance(given, str) or not given.strip():
        raise Unusable("a message without text")
    return given


def _part(part: Any) -> str:
    if not isinstance(part, dict) or part.get("type") != "text":
        raise Unusable("images are not played here")
    return str(part.get("text") or "")
