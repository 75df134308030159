"""From one request's bytes to one response; knows no web server.

Whatever a request holds, the answer is a status with a reason: never a 200 with an error text,
never a trace.
"""

import json
import logging
import time
from typing import Any, Protocol

from bodies import Message, Reply, answer, parse
from sampling import Refused, Sampling

SECONDS = 150
"""For a whole request; Azure ends it at 180 at the latest."""

log = logging.getLogger("azmlinfsrv.tunestack")


class Model(Protocol):
    """What can answer a conversation."""

    name: str

    def reply(self, messages: tuple[Message, ...], sampling: Sampling, deadline: float, /) -> Reply:
        """Answer it before `deadline` (monotonic seconds), or raise `Refused`."""
        ...


Response = tuple[int, str, dict[str, str]]
"""Status, JSON text, headers."""


def respond(model: Model, method: str, raw: bytes) -> Response:
    """Answer one request."""
    try:
        if method != "POST":
            raise Refused("method_not_allowed", "Send a POST.", status=405)
        return 200, _json(_score(model, raw)), {}
    except Refused as refused:
        return _refusal(refused)
    except Exception:
        log.exception("scoring failed")
        return _refusal(
            Refused("internal_error", "Scoring failed; the container's log says why.", status=500)
        )


def _score(model: Model, raw: bytes) -> Any:
    deadline = time.monotonic() + SECONDS
    request = parse(raw)
    replies = [
        model.reply(messages, request.sampling, deadline) for messages in request.conversations
    ]
    return answer(request, replies, model.name)


def _refusal(refused: Refused) -> Response:
    headers = {"Retry-After": str(refused.retry_after)} if refused.retry_after else {}
    if refused.status == 405:
        headers["Allow"] = "POST"
    document = {"error": {"code": refused.code, "message": refused.message}}
    return refused.status, _json(document), headers


def _json(document: Any) -> str:
    # ASCII only: a refused field's name may hold what UTF-8 cannot.
    return json.dumps(document)
