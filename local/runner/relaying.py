"""From a server process to the caller: a whole answer at once, any other piece by piece.

What a container sends without a length (server-sent events, any chunked body) is passed on as it
comes. A deadline bounds the whole answer. When the caller leaves, the container's connection is
closed at once.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable, Mapping
from typing import TYPE_CHECKING

import anyio
import httpx
from starlette.responses import Response

from local.operations import Refusal
from local.runner.instances import Instance, Serving

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

log = logging.getLogger("local.requests")
PATIENCE = 5
"""Seconds that a connection which breaks off gets for what was sent before."""

Through = Callable[[AsyncIterator[bytes]], AsyncIterator[bytes]]
"""Makes of an answer's pieces those that are passed on."""


class Streamed(Response):
    """An answer that is passed on as it comes; `aclose` it where it is not sent after all."""

    def __init__(
        self,
        answer: httpx.Response,
        head: tuple[int, Mapping[str, str]],
        deadline: float,
        held: contextlib.AsyncExitStack,
        through: Through | None = None,
    ) -> None:
        """`held` is given back when the answer has been passed on, or is closed."""
        status, headers = head
        super().__init__(None, status, dict(headers))
        del self.headers["content-length"]
        self._answer, self._deadline, self._held = answer, deadline, held
        self._through = through

    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        """Send what comes until it ends, breaks off, takes too long, or the caller leaves."""
        try:
            async with while_caller_waits(receive):
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
        pieces = self._answer.aiter_raw()
        try:
            async for piece in self._through(pieces) if self._through else pieces:
                await send({"type": "http.response.body", "body": piece, "more_body": True})
        except httpx.TransportError:
            return False
        await send({"type": "http.response.body", "body": b"", "more_body": False})
        return True


async def ask_instance(
    serving: Serving, request: Callable[[int], httpx.Request], held: contextlib.AsyncExitStack
) -> httpx.Response | None:
    """Ask the instance with the fewest requests; one that refuses the connection is passed over.

    `request` makes the request for an instance's port. None: no instance takes it.

    Raises:
        Refusal: 502, the process broke the connection.
    """
    tried: list[Instance] = []
    client = httpx.AsyncClient(trust_env=False, verify=False, timeout=None)
    await held.enter_async_context(client)
    while (instance := serving.take(tried)) is not None:
        tried.append(instance)
        with contextlib.ExitStack() as taken:
            taken.callback(serving.give_back, instance)
            try:
                answer = await client.send(request(instance.port), stream=True)
            except httpx.ConnectError:
                continue
            except httpx.TransportError as error:
                raise _broken(error) from error
            held.callback(taken.pop_all().close)
            held.push_async_callback(answer.aclose)
            return answer
    return None


async def whole(answer: httpx.Response) -> bytes:
    """Read an answer to its end.

    Raises:
        Refusal: 502, the process broke the connection.
    """
    try:
        return b"".join([piece async for piece in answer.aiter_raw()])
    except httpx.TransportError as error:
        raise _broken(error) from error


def _broken(error: Exception) -> Refusal:
    text = str(error) or type(error).__name__
    return Refusal(502, "BadGateway", f"The deployment's process broke the connection: {text}")


@contextlib.asynccontextmanager
async def while_caller_waits(receive: "Receive") -> AsyncIterator[None]:
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
