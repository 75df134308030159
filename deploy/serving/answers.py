"""What an answer looks like: the three shapes of a whole one, and the events of a streamed one."""

import json
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from bodies import Request
from engine import Piece

LAST_EVENT = "data: [DONE]\n\n"


@dataclass(frozen=True)
class Reply:
    """What the model wrote."""

    text: str
    prompt: str
    """The conversation as the model's template renders it."""
    finish: Literal["stop", "length"]
    prompt_tokens: int
    completion_tokens: int


def answer(request: Request, replies: list[Reply], model: str) -> Any:
    """Give the JSON answer in the shape that the request has."""
    if request.shape == "chat":
        return _completion(replies[0], model)
    texts = [
        _full_text(request, index, reply) if request.sampling.full_text else reply.text
        for index, reply in enumerate(replies)
    ]
    return texts if request.shape == "texts" else {"output": texts[0]}


def events(
    pieces: Iterator[Piece], prompt_tokens: int, model: str, *, with_usage: bool
) -> Iterator[str]:
    """Give OpenAI's server-sent events of a chat completion, without the one that says the end."""
    head = _head("chat.completion.chunk", model)
    usage = {"usage": None} if with_usage else {}
    yield event({**head, **_choice({"role": "assistant", "content": ""}), **usage})
    piece = Piece("", 0)
    for piece in pieces:
        if piece.text:
            yield event({**head, **_choice({"content": piece.text}), **usage})
    yield event({**head, **_choice({}, piece.finish), **usage})
    if with_usage:
        yield event({**head, "choices": [], "usage": _usage(prompt_tokens, piece.tokens)})


def event(document: Any) -> str:
    """Write one server-sent event."""
    return f"data: {json.dumps(document)}\n\n"


def _choice(delta: dict[str, str], finish: str = "") -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": delta, "finish_reason": finish or None}]}


def _completion(reply: Reply, model: str) -> dict[str, Any]:
    return {
        **_head("chat.completion", model),
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": reply.text},
                "finish_reason": reply.finish,
            }
        ],
        "usage": _usage(reply.prompt_tokens, reply.completion_tokens),
    }


def _head(kind: str, model: str) -> dict[str, Any]:
    return {
        "id": f"chatcmpl-{uuid.uuid4().hex}",
        "object": kind,
        "created": int(time.time()),
        "model": model,
    }


def _usage(prompt_tokens: int, completion_tokens: int) -> dict[str, int]:
    return {
        "prompt_tokens": prompt_tokens,
        "completion_tokens": completion_tokens,
        "total_tokens": prompt_tokens + completion_tokens,
    }


def _full_text(request: Request, index: int, reply: Reply) -> str:
    if request.shape == "texts":
        return f"{request.conversations[index][0]['content']}\n{reply.text}"
    return f"{reply.prompt}{reply.text}"
