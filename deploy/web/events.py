"""Server-sent events as chat completions use them: read from an endpoint, written for a caller."""

import time
import uuid
from collections.abc import AsyncIterator
from typing import Any

from deploy.talking.answers import MAX_EVENT_BYTES
from deploy.web.documents import to_json

DONE = b"[DONE]"


class Broken(Exception):
    """The stream is none that chat completions use."""


async def read_events(pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Give the data of each event, `[DONE]` included; what follows that is left unread.

    Raises:
        Broken: an event is larger than any answer.
    """
    rest = b""
    data: list[bytes] = []
    async for piece in pieces:
        # Split at the newline alone: a text may hold other marks that count as line ends.
        *lines, rest = (rest + piece).split(b"\n")
        for line in lines:
            line = line.removesuffix(b"\r")
            if line.startswith(b"data:"):
                data.append(line[5:].removeprefix(b" "))
            elif not line and data:
                yield b"\n".join(data)
                if data == [DONE]:
                    return
                data = []
        if len(rest) + sum(map(len, data)) > MAX_EVENT_BYTES:
            raise Broken("an event is too large")
    if data and not rest:
        yield b"\n".join(data)


def event(document: Any) -> bytes:
    """Write one event."""
    return b"data: " + to_json(document) + b"\n\n"


END = b"data: " + DONE + b"\n\n"


def completed(completion: dict[str, Any], model: str) -> dict[str, Any]:
    """Fill in what clients count on and a plain scoring program leaves out."""
    return {
        "id": f"chatcmpl-{uuid.uuid4().hex}",
        "object": "chat.completion",
        "created": int(time.time()),
        "model": model,
        **completion,
    }


def as_events(completion: dict[str, Any], *, with_usage: bool) -> list[bytes]:
    """Write a whole answer as the stream that it would have been: one piece, and its end."""
    common = {name: completion[name] for name in ("id", "created", "model")}
    common["object"] = "chat.completion.chunk"
    written = []
    for choice in completion["choices"]:
        index = choice.get("index", 0)
        delta = {"role": "assistant", "content": choice["message"]["content"]}
        ends = choice.get("finish_reason") or "stop"
        for given, finish in ((delta, None), ({}, ends)):
            told = {"index": index, "delta": given, "finish_reason": finish}
            written.append(event({**common, "choices": [told]}))
    if with_usage and completion.get("usage"):
        written.append(event({**common, "choices": [], "usage": completion["usage"]}))
    return [*written, END]
