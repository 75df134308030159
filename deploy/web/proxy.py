"""OpenAI's chat completions in front of the stack's endpoint.

What a caller shows as API key is not read and not passed on; the endpoint's own key never leaves
this process but to the endpoint.
"""

import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import anyio
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from deploy.endpoint import DeploymentState
from deploy.web.directory import SIDES, Directory
from deploy.web.documents import TooLarge, document_response, parse_object, read_limited
from deploy.web.events import DONE, END, Broken, as_events, completed, event, read_events
from deploy.web.refusals import Refused
from deploy.web.upstream import Answer, Upstream, pieces, read_completion

MAX_BODY_BYTES = 1024 * 1024
"""As much as the scoring program takes."""
BODY_SECONDS = 30
MOST_AT_ONCE = 128


class Proxy:
    """The routes below /v1."""

    def __init__(self, directory: Directory) -> None:
        self.directory = directory
        self.upstream = Upstream(directory)
        self._started = int(time.time())
        self._under_way = 0

    async def models(self, request: Request) -> Response:
        """List the model ids that something answers to."""
        await self.directory.refresh()
        return document_response(
            {"object": "list", "data": [self._model(id) for id in self._ids()]}
        )

    async def model(self, request: Request) -> Response:
        """Show one model id."""
        asked = request.path_params["model"]
        try:
            await self.directory.find(asked)
        except Refused as refused:
            return refused.response()
        return document_response(self._model(asked))

    async def chat_completions(self, request: Request) -> Response:
        """Answer a conversation, whole or in pieces."""
        try:
            body = await read_object(request, MAX_BODY_BYTES)
            model, body = _split(body)
            with contextlib.ExitStack() as held:
                held.enter_context(self._place())
                answered = await _unless_gone(request, lambda: self._answer(model, body))
                if isinstance(answered, _Relayed):
                    answered.held = held.pop_all()
        except Refused as refused:
            return refused.response()
        return answered

    async def _answer(self, model: str, body: dict[str, Any]) -> Response:
        self.directory.refresh_soon()
        is_stream = bool(body.get("stream"))
        answer = await self.upstream.ask(model, body)
        headers = _who(answer.deployment)
        if answer.is_streamed:
            return _Relayed(_relay(answer), answer, headers)
        completion = completed(await read_completion(answer), model)
        if not is_stream:
            return document_response(completion, headers=headers)
        options = body.get("stream_options")
        with_usage = isinstance(options, dict) and bool(options.get("include_usage"))
        written = as_events(completion, with_usage=with_usage)
        return Response(b"".join(written), 200, headers, "text/event-stream")

    @contextlib.contextmanager
    def _place(self) -> Any:
        if self._under_way >= MOST_AT_ONCE:
            told = f"{MOST_AT_ONCE} questions are under way; ask again in a moment."
            raise Refused(429, "busy", told, retry_after="1")
        self._under_way += 1
        try:
            yield
        finally:
            self._under_way -= 1

    def _ids(self) -> list[str]:
        sides = [side for side in SIDES if self.directory.known(side)]
        names = [item.name for item in self.directory.state.deployments]
        return sides + [name for name in names if self.directory.known(name)]

    def _model(self, id: str) -> dict[str, Any]:
        found = self.directory.known(id)
        told = {"deployment": found.name, "model": found.model} if found else {}
        return {
            "id": id,
            "object": "model",
            "created": self._started,
            "owned_by": "tunestack",
            **told,
        }


class _Relayed(StreamingResponse):
    """A streamed answer that lets the endpoint go when it ends or its reader is gone."""

    def __init__(
        self, content: AsyncIterator[bytes], answer: Answer, headers: dict[str, str]
    ) -> None:
        super().__init__(content, 200, headers, "text/event-stream")
        self.held = contextlib.ExitStack()
        self._answer = answer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            with anyio.CancelScope(shield=True), self.held:
                await self._answer.response.aclose()


async def read_object(request: Request, limit: int) -> dict[str, Any]:
    """Read a request's body, a JSON object of at most so many bytes, sent within 30 s.

    Raises:
        Refused: it is something else.
    """
    try:
        with anyio.fail_after(BODY_SECONDS):
            raw = await read_limited(request.stream(), limit)
        return parse_object(raw)
    except TooLarge as error:
        told = f"The body is larger than {limit} bytes."
        raise Refused(413, "body_too_large", told) from error
    except TimeoutError as error:
        raise Refused(408, "slow_body", f"No body came within {BODY_SECONDS} s.") from error
    except ClientDisconnect as error:
        raise Refused(400, "broken_off", "The caller is gone.") from error
    except ValueError as error:
        raise Refused(400, "invalid_json", f"The body is no JSON object: {error}.") from error


def _split(body: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """Take the model id out of a body; all else is the scoring program's to check."""
    model = body.pop("model", None)
    if not isinstance(model, str) or not model:
        raise Refused(400, "missing_model", "Name a model; /v1/models lists them.", param="model")
    if not isinstance(body.get("messages"), list):
        raise Refused(
            400, "invalid_messages", "`messages` must be a list of messages.", param="messages"
        )
    if not isinstance(body.get("stream", False), bool | None):
        raise Refused(400, "invalid_stream", "`stream` must be true or false.", param="stream")
    return model, body


async def _unless_gone(request: Request, work: Callable[[], Awaitable[Response]]) -> Response:
    """Do the work; end it, and with it the question at the endpoint, when the caller is gone."""
    answered: list[Response | Refused] = []

    async def watch(scope: anyio.CancelScope) -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass
        scope.cancel()

    async with anyio.create_task_group() as group:
        group.start_soon(watch, group.cancel_scope)
        try:
            answered.append(await work())
        except Refused as refused:
            answered.append(refused)
        group.cancel_scope.cancel()
    if not answered:
        raise Refused(400, "broken_off", "The caller is gone.")
    if isinstance(answered[0], Refused):
        raise answered[0]
    return answered[0]


async def _relay(answer: Answer) -> AsyncIterator[bytes]:
    """Pass a stream on, event by event; one that breaks off says so and has no `[DONE]`."""
    try:
        async for data in read_events(pieces(answer)):
            if data == DONE:
                yield END
                return
            document = parse_object(data)
            if document.get("error") is not None:
                raise _failure(answer, document["error"])
            yield event(document)
        raise Refused(502, "broken_off", "The endpoint broke the answer off.")
    except (Broken, ValueError):
        nonsense = Refused(502, "no_completion", "The endpoint's stream makes no sense.")
        yield event(nonsense.document())
    except Refused as refused:
        yield event(refused.document())


def _failure(answer: Answer, error: Any) -> Refused:
    """Read a failure in mid-stream; what it says may repeat what was sent, but not the key."""
    error = error if isinstance(error, dict) else {"message": str(error)}
    reason = answer.without_secret(str(error.get("message") or "The model failed."))
    return Refused(500, str(error.get("code") or "failed")[:100], reason[:500])


def _who(deployment: DeploymentState) -> dict[str, str]:
    """Say who answers."""
    told = {"x-tunestack-deployment": deployment.name, "x-tunestack-model": deployment.model}
    return {name: value for name, value in told.items() if value.isascii() and value.isprintable()}
