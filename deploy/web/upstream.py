"""One question sent on to a deployment: what opens it, what its refusals mean, one more try."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx

from deploy.endpoint import DeploymentState
from deploy.talking.answers import FILTERED, MODEL_STATUS, container_status, is_streamed
from deploy.talking.asking import CONNECT_SECONDS, TIMEOUT_SECONDS
from deploy.web.directory import Directory
from deploy.web.documents import TooLarge, parse_object, read_limited, to_json
from deploy.web.refusals import Refused

MAX_ANSWER_BYTES = 16 * 1024 * 1024
MAX_CONNECTIONS = 128
STREAM_FIELDS = ("stream", "stream_options")


@dataclass(frozen=True)
class Answer:
    """An answer that has begun; its reader closes it."""

    deployment: DeploymentState
    response: httpx.Response
    secret: str

    @property
    def is_streamed(self) -> bool:
        """True where it comes in pieces."""
        return is_streamed(self.response)

    def without_secret(self, text: str) -> str:
        """Take the key out of a text, should a deployment repeat what it was sent."""
        return text.replace(self.secret, "(key)")


class Upstream:
    """The connection to the endpoint."""

    def __init__(self, directory: Directory) -> None:
        self.directory = directory
        timeout = httpx.Timeout(TIMEOUT_SECONDS, connect=CONNECT_SECONDS)
        limits = httpx.Limits(max_connections=MAX_CONNECTIONS)
        # The process's proxy and certificates count: the rehearsal sets them.
        self._client = httpx.AsyncClient(timeout=timeout, limits=limits, trust_env=True)
        self._refused: dict[str, tuple[str, ...]] = {}
        """By deployment: what it refuses of `STREAM_FIELDS`."""

    async def ask(self, model: str, body: dict[str, Any]) -> Answer:
        """Send a chat-completions body to what a model id stands for; the answer has begun.

        A key that was renewed is read again, a deployment that was replaced is looked up again,
        and what refuses to stream is asked for the whole answer: once each.

        Raises:
            Refused: nothing answers to the id, or what does refuses or fails.
        """
        deployment = await self.directory.find(model)
        answer = await self._send(deployment, body)
        if answer.response.status_code in (401, 403):
            await answer.response.aclose()
            answer = await self._send(deployment, body, anew=True)
        if answer.response.status_code == 404 and MODEL_STATUS not in answer.response.headers:
            await answer.response.aclose()
            await self.directory.refresh(older_than=0)
            answer = await self._send(await self.directory.find(model), body)
        if answer.response.status_code == 200:
            return answer
        refused = await _refusal(answer)
        fields = _fields_refused(refused, body)
        if not fields:
            raise refused
        answer = await self.ask(model, _without(body, fields))
        self._refused[answer.deployment.name] = fields
        return answer

    async def close(self) -> None:
        """Close every connection."""
        await self._client.aclose()

    async def _send(
        self, deployment: DeploymentState, body: dict[str, Any], *, anew: bool = False
    ) -> Answer:
        way = await self.directory.way(deployment.name, anew=anew)
        # Without a list of encodings: a compressed stream would come in blocks.
        headers = way.headers | {"Content-Type": "application/json", "Accept-Encoding": "identity"}
        kept = _without(body, self._refused.get(deployment.name, ()))
        content = _written({**kept, **way.fields})
        request = self._client.build_request("POST", way.url, content=content, headers=headers)
        try:
            return Answer(deployment, await self._client.send(request, stream=True), way.secret)
        except httpx.TimeoutException as error:
            raise Refused(
                504, "timeout", f"The endpoint did not answer in {TIMEOUT_SECONDS} s."
            ) from error
        except httpx.HTTPError as error:
            told = f"The endpoint {self.directory.state.ref.name} cannot be reached: "
            raise Refused(502, "unreachable", told + type(error).__name__) from error


async def read_completion(answer: Answer) -> dict[str, Any]:
    """Read a whole answer and close it.

    Raises:
        Refused: it is no chat completion, or broke off.
    """
    try:
        document = parse_object(await _content(answer))
        for choice in document["choices"]:
            if choice.get("finish_reason") == FILTERED:  # of such an answer nothing may be left
                choice["message"]["content"] = choice["message"].get("content") or ""
            if not isinstance(choice["message"]["content"], str):
                raise TypeError("no text")
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise Refused(
            502, "no_completion", "The endpoint's answer is no chat completion."
        ) from error
    return document


async def pieces(answer: Answer) -> AsyncIterator[bytes]:
    """Give a streamed answer's bytes as they come.

    Raises:
        Refused: the connection broke.
    """
    try:
        async for piece in answer.response.aiter_bytes():
            yield piece
    except httpx.HTTPError as error:
        raise Refused(502, "broken_off", "The endpoint broke the answer off.") from error


async def _content(answer: Answer) -> bytes:
    try:
        return await read_limited(pieces(answer), MAX_ANSWER_BYTES)
    except TooLarge as error:
        raise Refused(502, "no_completion", "The endpoint's answer is too large.") from error
    finally:
        await answer.response.aclose()


async def _refusal(answer: Answer) -> Refused:
    """Translate an error of Azure's (its own status) or of the container (424 and a header)."""
    headers = answer.response.headers
    status = container_status(answer.response)
    code, reason = _reason(await _content(answer))
    reason = answer.without_secret(reason) or answer.response.reason_phrase
    if MODEL_STATUS not in headers:
        status, code, reason = _azures_own(status, code, reason)
    if not 400 <= status < 600:
        status, code = 502, "unexpected_answer"
    if request_id := headers.get("x-ms-request-id", ""):
        reason = f"{reason} (request id {request_id[:100]})"
    wait = headers.get("Retry-After", "")
    return Refused(status, code, reason, retry_after=wait if wait.isdecimal() else "")


def _azures_own(status: int, code: str, reason: str) -> tuple[int, str, str]:
    """Say what a refusal means that no container wrote; the caller's own key is not in it."""
    if status in (401, 403):
        return 502, "no_access", f"The endpoint refused this program's key or token: {reason}"
    if status in (404, 424):
        return 502, "no_deployment", f"The endpoint has nothing that answers: {reason}"
    if status == 408:
        return 504, "timeout", f"The endpoint did not answer in time: {reason}"
    return status, code, reason


def _reason(content: bytes) -> tuple[str, str]:
    """Find code and reason: our program's shape, the inference server's, or plain text."""
    try:
        body = json.loads(content)
    except ValueError:
        return "refused", content.decode(errors="replace").strip()[:500]
    error = body.get("error", body) if isinstance(body, dict) else body
    if not isinstance(error, dict):
        return "refused", str(error)[:500]
    return str(error.get("code") or "refused")[:100], str(error.get("message") or "")[:500]


def _fields_refused(refused: Refused, body: dict[str, Any]) -> tuple[str, ...]:
    """Say what to leave out for a deployment that cannot stream, or not tell the usage."""
    if refused.status not in (400, 422) or not body.get("stream"):
        return ()
    if "stream_options" in refused.message:
        return ("stream_options",) if "stream_options" in body else ()
    return STREAM_FIELDS if "stream" in refused.message else ()


def _without(body: dict[str, Any], fields: tuple[str, ...]) -> dict[str, Any]:
    return {name: value for name, value in body.items() if name not in fields}


def _written(body: dict[str, Any]) -> bytes:
    try:
        return to_json(body)
    except ValueError as error:
        raise Refused(400, "invalid_json", f"The body is not JSON: {error}.") from error
