"""Chat with a serverless endpoint: its process answers, behind limits and content safety.

Content safety, where it is on, has Azure's default: hate, self-harm, sexual and violent text of
medium severity in question or answer is blocked; `local.ai.filters` judges. The answer to a blocked
question is in the wrapped form of the two that Microsoft's reference shows. A stream's pieces are
passed on until what they make together is blocked.
"""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import anyio

from local.ai.filters import HARMS, Outcome, Side, judge
from local.ml.serverless import model_of, shown
from local.ml.serverless_limits import Taken, admit, settle
from local.ml.serverless_models import Served
from local.ml.serverless_requests import body_for_model, check_caller, endpoint_at
from local.operations import MODELS, Answer, Call, Refusal, operation
from local.state import Document
from local.tuning import serving

if TYPE_CHECKING:
    from starlette.responses import Response

NOTE = (
    "a real process answers; keys in three headers, Entra tokens where the mode has it; 422 for"
    " what the model does not follow; 200,000 tokens and 1,000 requests a minute; content safety"
    " by a list of phrases: outcomes and shapes, not judgement"
)
SAFETY = tuple(
    {"name": harm, "source": side, "severityThreshold": "Medium", "blocking": True, "enabled": True}
    for harm in HARMS
    for side in ("Prompt", "Completion")
)


@operation("POST", "/v1/chat/completions", host=MODELS, anonymous=True, note=f"OpenAI's; {NOTE}")
async def complete_v1(call: Call) -> "Response | Answer":
    """Answer a conversation in OpenAI's form."""
    return await _answer(call, is_openai=True)


@operation("POST", "/chat/completions", host=MODELS, anonymous=True, note=NOTE)
async def complete(call: Call) -> "Response | Answer":
    """Answer a conversation in the form of Azure's model inference API."""
    return await _answer(call, is_openai=False)


@operation(
    "GET", "/info", host=MODELS, anonymous=True, note="the base model's name, also of a tuned one"
)
def info(call: Call) -> dict[str, str]:
    """Say which model answers."""
    endpoint = _opened(call)
    model = _served(call, endpoint)
    return {
        "model_name": model.name,
        "model_type": "chat_completion",
        "model_provider_name": model.publisher,
    }


@dataclass
class _Asked:
    """A request that was let in."""

    endpoint: Document
    model: str
    body: dict[str, Any]
    taken: Taken
    wants_usage: bool
    said: dict[int, str] = field(default_factory=dict)
    """What the choices of a stream have said so far."""
    blocked: set[int] = field(default_factory=set)

    def judge(self, side: Side, text: str) -> Outcome:
        """Say what content safety finds."""
        return _judged(self.endpoint, side, text)


async def _answer(call: Call, *, is_openai: bool) -> "Response | Answer":
    asked = await anyio.to_thread.run_sync(lambda: _admitted(call, is_openai=is_openai))
    if isinstance(asked, Answer):
        return asked
    answer = await serving.ask(
        call, asked.endpoint["id"], asked.body, lambda pieces: _events(asked, pieces)
    )
    if answer.status_code >= 400:
        settle(asked.taken, 0)
    elif not asked.body.get("stream"):
        return _whole(asked, answer)
    return answer


def _admitted(call: Call, *, is_openai: bool) -> _Asked | Answer:
    """Look at all that may refuse a request before the model sees it."""
    endpoint = _opened(call)
    body = body_for_model(call, is_openai=is_openai)
    if isinstance(body, Answer):
        return body
    taken = admit(call, endpoint)
    found = _judged(endpoint, "Prompt", _text_of(body["messages"]))
    if found.is_blocked:
        raise _blocked(found)
    options = body.get("stream_options") or {}
    if body.get("stream"):
        body["stream_options"] = {**options, "include_usage": True}
    wants_usage = options.get("include_usage") is True
    return _Asked(endpoint, _served(call, endpoint).name, body, taken, wants_usage)


def _opened(call: Call) -> Document:
    """Give the endpoint at the request's address, to a caller that may ask it.

    Raises:
        Refusal: 401, 403, 404; 403 also where its subscription is gone.
    """
    host, region = call.parameters["endpoint_host"].lower(), call.parameters["region"].lower()
    endpoint = endpoint_at(call.world.state, host, region)
    check_caller(call, endpoint)
    state = shown(call.world.state, endpoint)["properties"]["endpointState"]
    if state != "Online":
        # How Azure answers for an endpoint that it calls unhealthy is not known.
        raise Refusal(403, "EndpointNotOnline", f"The endpoint {endpoint['name']} is {state}.")
    return endpoint


def _served(call: Call, endpoint: Document) -> Served:
    model = model_of(call.world.state, endpoint)
    if model is None:
        raise Refusal(404, "NotFound", f"The model of {endpoint['name']} is gone.")
    return model


def _judged(endpoint: Document, side: Side, text: str) -> Outcome:
    is_on = endpoint["properties"]["contentSafety"]["contentSafetyStatus"] == "Enabled"
    return judge(SAFETY if is_on else (), side, text)


def _blocked(found: Outcome) -> Refusal:
    refusal = Refusal(400, "content_filter", "The response was filtered")
    inner = {"code": "ResponsibleAIPolicyViolation", "content_filter_result": found.results}
    refusal.more = {"status": 400, "param": "messages", "type": None, "innererror": inner}
    return refusal


def _whole(asked: _Asked, answer: "Response") -> "Response":
    from starlette.responses import JSONResponse

    body: dict[str, Any] = json.loads(bytes(answer.body))
    settle(asked.taken, int((body.get("usage") or {}).get("total_tokens") or 0))
    for choice in body["choices"]:
        message = choice["message"]
        if asked.judge("Completion", str(message.get("content") or "")).is_blocked:
            choice["finish_reason"] = "content_filter"
            message["content"] = ""
    return JSONResponse(body | {"model": asked.model})


async def _events(asked: _Asked, pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Pass a stream on, judged; what comes after a block is read for what it used."""
    rest = b""
    async for piece in pieces:
        *lines, rest = (rest + piece).split(b"\n")
        for line in lines:
            if line.startswith(b"data:") and (event := _event(asked, line[5:].strip())):
                yield event


def _event(asked: _Asked, data: bytes) -> bytes:
    """Give an event as it is passed on; empty where nothing of it is."""
    if data == b"[DONE]":
        return b"data: [DONE]\n\n"
    chunk: dict[str, Any] = json.loads(data)
    if usage := chunk.get("usage"):
        settle(asked.taken, int(usage.get("total_tokens") or 0))
    if "error" not in chunk:
        chunk["model"] = asked.model
        if not asked.wants_usage:
            chunk.pop("usage", None)
        if not (_judge_chunk(asked, chunk) if chunk.get("choices") else asked.wants_usage):
            return b""
    return f"data: {json.dumps(chunk, ensure_ascii=False)}\n\n".encode()


def _judge_chunk(asked: _Asked, chunk: dict[str, Any]) -> bool:
    """End the choices that are blocked with this chunk; False where nothing of it is left."""
    chunk["choices"] = [one for one in chunk["choices"] if one["index"] not in asked.blocked]
    for choice in chunk["choices"]:
        index, piece = choice["index"], str((choice.get("delta") or {}).get("content") or "")
        asked.said[index] = asked.said.get(index, "") + piece
        if asked.judge("Completion", asked.said[index]).is_blocked:
            asked.blocked.add(index)
            choice |= {"delta": {}, "finish_reason": "content_filter"}
    return bool(chunk["choices"])


def _text_of(messages: list[Any]) -> str:
    """Give all that a conversation says, whose messages may come in parts."""
    told: list[str] = []
    for message in messages:
        content = message.get("content") if isinstance(message, dict) else None
        parts = content if isinstance(content, list) else [{"text": content}]
        told += [str(part.get("text") or "") for part in parts if isinstance(part, dict)]
    return "\n".join(told)
