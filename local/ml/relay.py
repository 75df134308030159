"""From a deployment's instance to the caller: a whole answer at once, any other piece by piece.

What a container sends without a length (server-sent events, any chunked body) is passed on as it
comes. `requestTimeout` bounds the whole answer: 408 before its first byte, a broken connection
after it. Microsoft calls it the time that the model's execution may take and says nothing of
streams, so where Azure cuts one is not known. When the caller leaves, the container's connection
is closed at once.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import anyio
import httpx
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from local.operations import Call, Refusal
from local.runner.durations import seconds
from local.runner.instances import Instance, Serving
from local.state import Document

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

log = logging.getLogger("local.requests")
OWN_HEADERS = frozenset(
    ("authorization", "host", "connection", "content-length", "transfer-encoding", "keep-alive",
     "proxy-authorization", "te", "trailer", "upgrade", "azureml-model-deployment")
)  # fmt: skip
PATIENCE = 5
"""Seconds that a connection which breaks off gets for what was sent before."""


async def relay(
    call: Call,
    deployment: Document,
    serving: Serving,
    content: bytes,
    held: contextlib.AsyncExitStack,
) -> Response:
    """Ask an instance and answer with what it answers.

    What `held` holds is given back when the answer is whole, or has been passed on.

    Raises:
        Refusal: 503, no instance takes the request; 408; 502, its process broke the connection.
        ClientDisconnect: the caller left.
    """
    timeout = deployment["properties"]["requestSettings"]["requestTimeout"]
    deadline = anyio.current_time() + seconds(timeout)
    with anyio.CancelScope(deadline=deadline) as time:
        async with _while_caller_waits(call.request.receive):
            answer = await _ask(call, deployment, serving, content, held)
            if "content-length" in answer.headers:
                return Response(await _whole(answer), *_head(deployment, answer))
            return Streamed(answer, deployment, deadline, held.pop_all())
    if time.cancelled_caught:
        raise Refusal(408, "RequestTimeout", f"No answer within {timeout}.")
    raise ClientDisconnect


def not_ready(deployment: Document) -> Refusal:
    """Make the answer for a deployment none of whose instances takes a request."""
    text = f"The deployment {deployment['name']} is not ready: no instance takes requests."
    return Refusal(503, "ServiceUnavailable", text)


class Streamed(Response):
    """An answer that is passed on as it comes; `aclose` it where it is not sent after all."""

    def __init__(
        self,
        answer: httpx.Response,
        deployment: Document,
        deadline: float,
        held: contextlib.AsyncExitStack,
    ) -> None:
        status, headers = _head(deployment, answer)
        super().__init__(None, status, headers)
        del self.headers["content-length"]
        self._answer, self._deadline, self._held = answer, deadline, held

    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        """Send what comes until it ends, breaks off, takes too long, or the caller leaves."""
        try:
            async with _while_caller_waits(receive):
                with anyio.CancelScope(deadline=self._deadline) as time:
                    if await self._pass_on(send):
                        return
                reason = "too late" if time.cancelled_caught else "broken off"
                log.info("%s: the stream was cut: %s", scope["path"], reason)
                await _break_off(scope)
        finally:
            await self.aclose()

    async def aclose(self) -> None:
        """Close the container's connection and count the request as done."""
        with anyio.CancelScope(shield=True):
            await self._held.aclose()

    async def _pass_on(self, send: "Send") -> bool:
        """Pass everything on; False where the container broke off."""
        await send(
            {
                "type": "http.response.start",
                "status": self.status_code,
                "headers": self.raw_headers,
            }
        )
        try:
            async for piece in self._answer.aiter_raw():
                await send({"type": "http.response.body", "body": piece, "more_body": True})
        except httpx.TransportError:
            return False
        await send({"type": "http.response.body", "body": b"", "more_body": False})
        return True


async def _ask(
    call: Call,
    deployment: Document,
    serving: Serving,
    content: bytes,
    held: contextlib.AsyncExitStack,
) -> httpx.Response:
    """Ask the instance with the fewest requests; one that refuses the connection is passed over."""
    tried: list[Instance] = []
    client = httpx.AsyncClient(trust_env=False, verify=False, timeout=None)
    await held.enter_async_context(client)
    while (instance := serving.take(tried)) is not None:
        tried.append(instance)
        with contextlib.ExitStack() as taken:
            taken.callback(serving.give_back, instance)
            try:
                answer = await client.send(_request(call, instance.port, content), stream=True)
            except httpx.ConnectError:
                continue
            except httpx.TransportError as error:
                raise _broken(error) from error
            held.callback(taken.pop_all().close)
            held.push_async_callback(answer.aclose)
            return answer
    raise not_ready(deployment)


def _request(call: Call, port: int, content: bytes) -> httpx.Request:
    scope = call.request.scope
    target = scope["raw_path"] + (b"?" + scope["query_string"] if scope["query_string"] else b"")
    headers = [(name, value) for name, value in call.headers.items() if name not in OWN_HEADERS]
    return httpx.Request(
        call.request.method,
        httpx.URL(scheme="http", host="127.0.0.1", port=port, raw_path=target),
        headers=[*headers, ("connection", "close")],
        content=content,
    )


async def _whole(answer: httpx.Response) -> bytes:
    try:
        return b"".join([piece async for piece in answer.aiter_raw()])
    except httpx.TransportError as error:
        raise _broken(error) from error


def _broken(error: Exception) -> Refusal:
    text = str(error) or type(error).__name__
    return Refusal(502, "BadGateway", f"The deployment's process broke the connection: {text}")


def _head(deployment: Document, answer: httpx.Response) -> tuple[int, dict[str, str]]:
    """Give status and headers of an answer; Microsoft's table makes every error a 424."""
    headers = {
        name: value
        for name, value in answer.headers.items()
        if name.lower() not in (*OWN_HEADERS, "server", "date")
    }
    headers["azureml-model-deployment"] = deployment["name"]
    if answer.is_success:
        return answer.status_code, headers
    headers["ms-azureml-model-error-statuscode"] = str(answer.status_code)
    headers["ms-azureml-model-error-reason"] = "model_error"
    return 424, headers


@contextlib.asynccontextmanager
async def _while_caller_waits(receive: "Receive") -> AsyncIterator[None]:
    """Do what is inside unless the caller leaves: then it is cancelled."""
    with anyio.CancelScope() as scope:
        watch = asyncio.create_task(_cancel_when_gone(receive, scope))
        try:
            yield
        finally:
            watch.cancel()


async def _cancel_when_gone(receive: "Receive", scope: anyio.CancelScope) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    scope.cancel()


async def _break_off(scope: "Scope") -> None:
    """Close the caller's connection in the middle, which tells that the answer is not whole."""
    transport = scope["state"]["transport"]
    transport.close()
    await anyio.sleep(PATIENCE)  # until the caller is gone, which cancels this
    transport.abort()
