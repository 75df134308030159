"""Forms that hold whole conversations: chat (`messages`) and ShareGPT (`conversations`)."""

from training.data.formats.form import BadRecord
from training.data.formats.turns import (
    Record,
    Turn,
    beside,
    joined,
    kind,
    text,
    text_if_any,
    turn,
    with_system,
)

SHAREGPT_KEYS = ("conversations", "conversation")
_ROLES = {
    "human": "user",
    "user": "user",
    "gpt": "assistant",
    "chatgpt": "assistant",
    "bard": "assistant",
    "bing": "assistant",
    "model": "assistant",
    "assistant": "assistant",
    "system": "system",
}
"""Who speaks in ShareGPT files, as they have been published."""


def chat(record: Record) -> Record:
    """Take a chat as it is; the very same object where nothing had to change.

    What is wrong with its messages is left for the check to say.

    Raises:
        BadRecord: `messages` is missing or no list.
    """
    found = record.get("messages")
    if not isinstance(found, list):
        missing = "messages" not in record
        raise BadRecord(
            "`messages` is missing" if missing else f"`messages` is {kind(found)}, not a list"
        )
    plain = [_plain(message) for message in found]
    if all(new is old for new, old in zip(plain, found, strict=True)):
        return record
    return record | {"messages": plain}


def _plain(message: object) -> object:
    if not isinstance(message, dict):
        return message
    content = joined(message.get("content"))
    return message if content is message.get("content") else message | {"content": content}


def sharegpt(record: Record) -> Record:
    """Make `{"from": "human", "value": …}` turns into messages; a `system` key goes first.

    Raises:
        BadRecord: a turn has no text, or is from somebody that a chat does not know.
    """
    key = next((key for key in SHAREGPT_KEYS if key in record), SHAREGPT_KEYS[0])
    turns = record.get(key)
    if not isinstance(turns, list):
        raise BadRecord(f"`{key}` is {kind(turns)}, not a list")
    made = [_message(number, one) for number, one in enumerate(turns, 1)]
    made = with_system(made, text_if_any(record, "system"))
    return {"messages": made, **beside(record, (key, "system", "messages"))}


def _message(number: int, one: object) -> Turn:
    if not isinstance(one, dict):
        raise BadRecord(f"turn {number} is {kind(one)}, not an object")
    speaker = one.get("from", one.get("role"))
    role = _ROLES.get(speaker.lower()) if isinstance(speaker, str) else None
    if role is None:
        raise BadRecord(f"turn {number} is from {speaker!r}; known are {', '.join(_ROLES)}")
    try:
        return turn(role, text(one, "value" if "value" in one else "content"))
    except BadRecord as error:
        raise BadRecord(f"turn {number}: {error}") from error
