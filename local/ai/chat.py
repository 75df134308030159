"""Chat with a deployment: its process answers, in Azure's envelope and under its limits.

In front of the process: rights, the deployment's state, its rate limits, the prompt's filter.
Behind it: the completion's filter and annotations, of a stream piece by piece. What a stream has
passed on before a phrase was complete is not taken back. Only text is filtered.
"""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import anyio

from local.ai import limits
from local.ai.filters import Outcome, judge, policy_filters
from local.ai.hosts import OPENAI_RIGHTS, not_found, on_account
from local.arm import ai_deployment_life as life
from local.customers import is_closed
from local.models import base_of
from local.operations import Call, Refusal
from local.state import Document
from local.tuning import serving

if TYPE_CHECKING:
    from starlette.responses import Response

RIGHT = f"{OPENAI_RIGHTS}/deployments/chat/completions/action"
NAMED = "POST /openai/deployments/{deployment-id}/chat/completions"
NOTE = (
    "a real process answers; 429 by the capacity's tokens and requests a minute; content filters by"
    " a list of phrases that stands for Azure's classifiers: outcomes and shapes, not judgement"
)
USAGE = {"include_usage": True}
FILTERED = (
    "The response was filtered due to the prompt triggering Azure OpenAI's content management"
    " policy. Please modify your prompt and retry. To learn more about our content filtering"
    " policies please read our documentation: https://go.microsoft.com/fwlink/?linkid=2198766"
)


@on_account("POST", "/chat/completions", data_action=RIGHT, named=NAMED, note=f"v1; {NOTE}")
async def complete(call: Call, account: Document) -> "Response":
    """Answer a conversation by the deployment that `model` names."""
    if not call.parameters["ai_base"].lower().endswith("/v1"):
        raise not_found()
    model = call.body.get("model")
    if not isinstance(model, str) or not model:
        raise _invalid("you must provide a model parameter", "model")
    return await _answer(call, account, model)


@on_account(
    "POST", "/deployments/{deployment}/chat/completions", data_action=RIGHT, named=NAMED, note=NOTE
)
async def complete_by_path(call: Call, account: Document) -> "Response":
    """Answer a conversation by the deployment that the path names."""
    return await _answer(call, account, call.parameters["deployment"])


@dataclass(frozen=True)
class _Asked:
    """A request that was let in."""

    deployment: Document
    filters: list[Document]
    prompt: Outcome
    ticket: limits.Ticket
    wants_usage: bool

    @property
    def model(self) -> str:
        """What the answer calls the model."""
        named = self.deployment["properties"]["model"]
        model, is_tuned = base_of(named["name"])
        is_plain = is_tuned or model is None or model.format != "OpenAI"
        return str(named["name"]) if is_plain else f"{model.name}-{model.version}"  # type: ignore[union-attr]

    def prompt_results(self) -> list[dict[str, Any]]:
        """Give what the filters noted on the prompt."""
        return [{"prompt_index": 0, "content_filter_results": self.prompt.results}]


async def _answer(call: Call, account: Document, name: str) -> "Response":
    asked = await anyio.to_thread.run_sync(_admit, call, account, name)
    body = {**call.body, "model": asked.model}
    if body.get("stream"):
        options = body.get("stream_options")
        body["stream_options"] = {**(options if isinstance(options, dict) else {}), **USAGE}
    answer = await serving.ask(
        call, asked.deployment["id"], body, lambda pieces: _events(asked, pieces)
    )
    if answer.status_code >= 400:
        limits.settle(asked.ticket, 0)
        raise _failed(answer)
    if not body.get("stream"):
        answer = _whole(asked, answer)
    for header, value in asked.ticket.headers.items():
        answer.headers[header] = value
    answer.headers["x-ms-region"] = str(account["location"])
    return answer


def _admit(call: Call, account: Document, name: str) -> _Asked:
    """Look at all that may refuse a request before a model sees it."""
    deployment = _deployment(call, account, name)
    messages = call.body.get("messages")
    if not isinstance(messages, list) or not messages:
        raise _invalid("'messages' is a required property", "messages")
    filters = policy_filters(
        call.world.state, account["id"], deployment["properties"]["raiPolicyName"]
    )
    ticket = limits.admit(call, account, deployment)
    life.used(call.world.state, deployment["id"])
    prompt = judge(filters, "Prompt", _said(messages), _said(messages, "user"))
    if prompt.is_blocked:
        limits.settle(ticket, limits.estimate({"messages": messages}))
        raise _blocked(prompt)
    options = call.body.get("stream_options")
    wants_usage = isinstance(options, dict) and options.get("include_usage") is True
    return _Asked(deployment, filters, prompt, ticket, wants_usage)


def _deployment(call: Call, account: Document, name: str) -> Document:
    """Find a deployment that answers; ARM's word for what is not ready yet is not awaited here."""
    found = call.world.state.get(f"{account['id']}/deployments/{name}")
    if found is None or found["properties"]["provisioningState"] != "Succeeded":
        raise Refusal(
            404,
            "DeploymentNotFound",
            "The API deployment for this resource does not exist. If you created the deployment"
            " within the last 5 minutes, please wait a moment and try again.",
        )
    model, is_tuned = base_of(found["properties"]["model"]["name"])
    if model is not None and not is_tuned and is_closed(call.world.state, model):
        raise Refusal(410, "ModelDeprecated", f"The model '{model.name}' has been retired.")
    if not serving.is_ready(call.world, found["id"]):
        raise Refusal(
            400, "DeploymentNotReady", f"The deployment '{found['name']}' is not ready yet."
        )
    return found


def _whole(asked: _Asked, answer: "Response") -> "Response":
    """Put Azure's envelope around a whole answer, and withhold what the filters block."""
    from starlette.responses import JSONResponse

    body: dict[str, Any] = json.loads(bytes(answer.body))
    limits.settle(asked.ticket, int((body.get("usage") or {}).get("total_tokens") or 0))
    for choice in body["choices"]:
        message = choice["message"]
        found = judge(asked.filters, "Completion", str(message.get("content") or ""))
        choice["content_filter_results"] = found.results
        if found.is_blocked:
            choice["finish_reason"] = "content_filter"
            message.pop("content", None)
    body |= {"model": asked.model, "prompt_filter_results": asked.prompt_results()}
    return JSONResponse(body)


async def _events(asked: _Asked, pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Pass a stream on in Azure's envelope: first what was noted on the prompt, without a choice.

    A stream that is blocked ends with the reason; what the process still sends is read to its end,
    for what it used.
    """
    head = {"choices": [], "created": 0, "id": "", "model": "", "object": ""}
    yield _event(head | {"prompt_filter_results": asked.prompt_results()})
    said = _Said()
    async for data in _data(pieces):
        if data == "[DONE]":
            continue
        chunk: dict[str, Any] = json.loads(data)
        usage = chunk.get("usage")
        if usage:
            limits.settle(asked.ticket, int(usage.get("total_tokens") or 0))
        if "error" in chunk or _passes(asked, chunk, said):
            yield _event(chunk)
    yield b"data: [DONE]\n\n"


@dataclass
class _Said:
    """What the choices of a stream have said so far."""

    texts: dict[int, str] = field(default_factory=dict)
    blocked: set[int] = field(default_factory=set)


def _passes(asked: _Asked, chunk: dict[str, Any], said: _Said) -> bool:
    """Annotate a chunk; False where nothing of it is to be passed on."""
    chunk["model"] = asked.model
    if not chunk.get("choices"):
        return asked.wants_usage
    chunk["choices"] = [one for one in chunk["choices"] if one["index"] not in said.blocked]
    for choice in chunk["choices"]:
        _annotate(asked, choice, said)
    return bool(chunk["choices"])


def _annotate(asked: _Asked, choice: dict[str, Any], said: _Said) -> None:
    """Note on a piece what its choice has said with it; end the choice where that is blocked."""
    index, piece = choice["index"], str((choice.get("delta") or {}).get("content") or "")
    said.texts[index] = said.texts.get(index, "") + piece
    found = judge(asked.filters, "Completion", said.texts[index])
    choice["content_filter_results"] = found.results if piece else {}
    if found.is_blocked:
        said.blocked.add(index)
        choice |= {"delta": {}, "finish_reason": "content_filter"}


async def _data(pieces: AsyncIterator[bytes]) -> AsyncIterator[str]:
    """Give the data of server-sent events, however they were cut."""
    rest = b""
    async for piece in pieces:
        *lines, rest = (rest + piece).split(b"\n")
        for line in lines:
            if line.startswith(b"data:"):
                yield line.removeprefix(b"data:").strip().decode()


def _event(data: dict[str, Any]) -> bytes:
    return f"data: {json.dumps(data, ensure_ascii=False)}\n\n".encode()


def _said(messages: list[Any], role: str = "") -> str:
    rows = [one for one in messages if isinstance(one, dict) and role in ("", one.get("role"))]
    return "\n".join(_text(one.get("content")) for one in rows)


def _text(content: Any) -> str:
    """Give the text of a message, whose content may come in parts."""
    parts = content if isinstance(content, list) else [{"text": content}]
    return "\n".join(str(one.get("text") or "") for one in parts if isinstance(one, dict))


def _blocked(prompt: Outcome) -> Refusal:
    refusal = Refusal(400, "content_filter", FILTERED)
    inner = {"code": "ResponsibleAIPolicyViolation", "content_filter_result": prompt.results}
    refusal.more = {"type": None, "param": "prompt", "status": 400, "innererror": inner}
    return refusal


def _invalid(message: str, parameter: str) -> Refusal:
    refusal = Refusal(400, "invalid_request_error", message)
    refusal.more = {"type": "invalid_request_error", "param": parameter}
    return refusal


def _failed(answer: "Response") -> Refusal:
    """Tell what the process refused or broke at; what it calls wrong is a wrong request."""
    try:
        error = json.loads(bytes(answer.body))["error"]
        code, message = str(error["code"]), str(error["message"])
    except (ValueError, KeyError, TypeError):
        code, message = "InternalServerError", "The server had an error processing your request."
    is_wrong = 400 <= answer.status_code < 500 and answer.status_code != 429
    return Refusal(400 if is_wrong else answer.status_code, code, message)
