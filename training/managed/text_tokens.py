"""How many tokens an example has, estimated: the services' own tokenizers are not at hand.

One token for four bytes of UTF-8. For English prose OpenAI names four characters; the bytes do
the same service for scripts whose letters take two or three of them and more of a token each.
To that come the marks around each message and example (OpenAI's cookbook counts three each).
"""

from typing import Any

import orjson

BYTES_A_TOKEN = 4
MESSAGE_TOKENS, EXAMPLE_TOKENS = 3, 3
PICTURE_TOKENS, SMALL_PICTURE_TOKENS = 765, 85
"""A picture of 1024 pixels a side, and any at low detail, as OpenAI's vision guide reckons."""

LISTS = ("messages", "prompt", "chosen", "rejected", "preferred_output", "non_preferred_output")
"""Where a record has messages; Azure's pairs keep the prompt's below `input`."""


def example_tokens(record: dict[str, Any]) -> int:
    """Estimate the tokens of a chat or a pair of answers, in our form or Azure's."""
    asked = record.get("input")
    whole = {**record, **asked} if isinstance(asked, dict) else record
    messages = [message for name in LISTS for message in _messages(whole.get(name))]
    tools = whole.get("tools")
    text = sum(_message_bytes(message) for message in messages)
    text += len(orjson.dumps(tools)) if tools else 0
    pictures = sum(_pictures(message.get("content")) for message in messages)
    marks = MESSAGE_TOKENS * len(messages) + EXAMPLE_TOKENS
    return -(-text // BYTES_A_TOKEN) + pictures + marks


def _messages(value: Any) -> list[dict[str, Any]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _message_bytes(message: dict[str, Any]) -> int:
    content, calls = message.get("content"), message.get("tool_calls")
    said = _bytes(content) if isinstance(content, str) else 0
    if isinstance(content, list):
        said += sum(_bytes(part.get("text")) for part in content if isinstance(part, dict))
    return said + (len(orjson.dumps(calls)) if calls else 0)


def _bytes(text: Any) -> int:
    return len(text.encode("utf-8", "replace")) if isinstance(text, str) else 0


def _pictures(content: Any) -> int:
    if not isinstance(content, list):
        return 0
    found = [one.get("image_url") for one in content if isinstance(one, dict)]
    return sum(_picture(url) for url in found if url)


def _picture(url: Any) -> int:
    is_small = isinstance(url, dict) and url.get("detail") == "low"
    return SMALL_PICTURE_TOKENS if is_small else PICTURE_TOKENS
