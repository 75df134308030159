"""From one request's bytes to one response; knows no web server.

Whatever a request holds, the answer is a status with a reason: never a 200 with an error text,
never a trace. What fails once an answer is being streamed is its last event.
"""

import itertools
import json
import logging
import time
from collections.abc import Callable, Iterator
from typing import Any

from answers import LAST_EVENT, Reply, answer, event, events
from bodies import Request, parse
from chat_model import ChatModel, Writing
from engine import Piece
from sampling import Refused

SECONDS = 150
"""For a whole request; Azure ends it at 180 at the latest."""

log = logging.getLogger("azmlinfsrv.tunestack")

Response = tuple[int, str | Iterator[str], dict[str, str]]
"""Status, body or its parts, headers."""
JSON = {"Content-Type": "application/json"}
STREAM = {
    "Content-Type": "text/event-stream",
    "Cache-Control": "no-cache",
    "X-Accel-Buffering": "no",  # a proxy of Azure's in between shall not collect it
}


def respond(
    model: ChatModel, method: str, raw: bytes, is_gone: Callable[[], bool] = lambda: False
) -> Response:
    """Answer one request; `is_gone` says whether its client has left meanwhile."""
    deadline = time.monotonic() + SECONDS
    try:
        if method != "POST":
            raise Refused("method_not_allowed", "Send a POST.", status=405)
        request = parse(raw)
        if request.is_streamed:
            return 200, _stream(model, request, deadline), STREAM
        return 200, _json(_whole(model, request, deadline, is_gone)), JSON
    except Refused as refused:
        return refusal(refused)
    except Exception:
        log.exception("scoring failed")
        return refusal(_failed())


def refusal(refused: Refused) -> Response:
    """Answer with a reason."""
    headers = dict(JSON)
    if refused.retry_after:
        headers["Retry-After"] = str(refused.retry_after)
    if refused.status == 405:
        headers["Allow"] = "POST"
    return refused.status, _json(_error(refused)), headers


def _whole(model: ChatModel, request: Request, deadline: float, is_gone: Callable[[], bool]) -> Any:
    writings: list[Writing] = []
    try:
        # One by one: those in line already are given up where a later one is refused.
        writings.extend(
            model.write(messages, request.sampling, deadline) for messages in request.conversations
        )
        replies = [_reply(writing, is_gone) for writing in writings]
    finally:
        for writing in writings:
            writing.close()
    return answer(request, replies, model.name)


def _reply(writing: Writing, is_gone: Callable[[], bool]) -> Reply:
    texts = []
    piece = Piece("", 0)
    asked = time.monotonic()
    for piece in writing.pieces:
        texts.append(piece.text)
        if time.monotonic() - asked > 1:
            asked = time.monotonic()
            if is_gone():
                raise Refused("client_gone", "The client has left.", status=408)
    finish = "length" if piece.finish == "length" else "stop"
    return Reply("".join(texts), writing.prompt, finish, writing.prompt_tokens, piece.tokens)


def _stream(model: ChatModel, request: Request, deadline: float) -> Iterator[str]:
    """Begin an answer; what is wrong with it shows before the first event, as a rule."""
    writing = model.write(request.conversations[0], request.sampling, deadline)
    try:
        first = next(iter(writing.pieces))
    except BaseException:
        writing.close()
        raise
    return _events(model, request, writing, first)


def _events(model: ChatModel, request: Request, writing: Writing, first: Piece) -> Iterator[str]:
    pieces = itertools.chain([first], writing.pieces)
    try:
        yield from events(pieces, writing.prompt_tokens, model.name, with_usage=request.with_usage)
        yield LAST_EVENT
    except Refused as refused:
        yield event(_error(refused))
    except Exception:
        log.exception("scoring failed in the middle of an answer")
        yield event(_error(_failed()))
    finally:
        writing.close()


def _failed() -> Refused:
    return Refused("internal_error", "Scoring failed; the container's log says why.", status=500)


def _error(refused: Refused) -> dict[str, Any]:
    return {"error": {"code": refused.code, "message": refused.message}}


def _json(document: Any) -> str:
    # ASCII only: a refused field's name may hold what UTF-8 cannot.
    return json.dumps(document)
