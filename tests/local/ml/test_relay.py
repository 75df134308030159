"""What a caller is told when an instance refuses, breaks off, or takes too long."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import Any

import pytest
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from local.ml.relay import relay
from local.operations import Refusal
from local.runner.instances import Instance, Serving
from local.runner.process_environment import free_port

Answer = Callable[[asyncio.StreamWriter], Awaitable[None]]
WHOLE = b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\nset: x\r\n\r\nwell"
SHORT = b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nwell"


class Container:
    """A server on a port that answers every request with given bytes and closes."""

    def __init__(self, answer: bytes | None) -> None:
        self.answer, self.heads = answer, list[bytes]()

    async def __aenter__(self) -> Instance:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return Instance("d/instances/0", port=self._server.sockets[0].getsockname()[1])

    async def __aexit__(self, *_: object) -> None:
        self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.heads.append(await reader.readuntil(b"\r\n\r\n"))
        if self.answer is None:
            await reader.read()  # nothing is said until the caller goes
        writer.write(self.answer or b"")
        writer.close()


def call(*, leaves: bool = False) -> Any:
    async def receive() -> dict[str, Any]:
        if not leaves:
            await asyncio.Event().wait()
        return {"type": "http.disconnect"}

    scope = {"raw_path": b"/v1/a%2Fb", "query_string": b"x=1&y=%20"}
    request = SimpleNamespace(method="POST", scope=scope, receive=receive)
    headers = {"x-mine": "kept", "authorization": "Bearer secret"}
    return SimpleNamespace(request=request, headers=headers, path="/v1/a/b")


def ask(*instances: Instance, seconds: float = 20, leaves: bool = False) -> Awaitable[Response]:
    serving = Serving("d")
    serving.parts += instances
    settings = {"requestTimeout": f"PT{seconds}S"}
    deployment = {"name": "blue", "properties": {"requestSettings": settings}}

    async def run() -> Response:
        async with contextlib.AsyncExitStack() as held:
            return await relay(call(leaves=leaves), deployment, serving, b"{}", held)

    return run()


def test_a_refused_connection_goes_to_another_instance_and_the_request_arrives_as_it_was() -> None:
    async def body() -> None:
        container, dead = Container(WHOLE), Instance("d/instances/1", port=free_port())
        async with container as alive:
            alive.in_flight = 5  # so that the dead one is asked first
            answer = await ask(alive, dead)
        assert (answer.status_code, answer.body) == (200, b"well")
        assert (alive.in_flight, dead.in_flight) == (5, 0)
        assert container.heads[0].startswith(b"POST /v1/a%2Fb?x=1&y=%20 HTTP/1.1\r\n")
        assert b"x-mine: kept" in container.heads[0] and b"secret" not in container.heads[0]

    asyncio.run(body())


def test_no_instance_that_takes_it_is_a_503() -> None:
    with pytest.raises(Refusal, match="503 ServiceUnavailable"):
        asyncio.run(ask(Instance("d/instances/0", port=free_port())))  # type: ignore[arg-type]


@pytest.mark.parametrize("answer", [b"", SHORT])
def test_an_answer_that_breaks_off_is_a_502_and_is_not_asked_for_again(answer: bytes) -> None:
    async def body() -> None:
        container, other = Container(answer), Container(WHOLE)
        async with container as first, other as second:
            second.in_flight = 5
            with pytest.raises(Refusal, match="502 BadGateway"):
                await ask(first, second)
            assert first.in_flight == 0 and not other.heads

    asyncio.run(body())


def test_an_answer_over_its_time_is_a_408() -> None:
    async def body() -> None:
        async with Container(None) as silent:
            with pytest.raises(Refusal, match="408 RequestTimeout"):
                await ask(silent, seconds=0.2)
            assert silent.in_flight == 0

    asyncio.run(body())


def test_a_caller_who_leaves_is_waited_for_no_longer() -> None:
    async def body() -> None:
        async with Container(None) as silent:
            with pytest.raises(ClientDisconnect):
                await asyncio.wait_for(ask(silent, leaves=True), 10)  # type: ignore[arg-type]
            assert silent.in_flight == 0

    asyncio.run(body())
