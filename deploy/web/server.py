"""The application and its server: on 127.0.0.1 alone, until Ctrl-C or SIGTERM."""

import asyncio
import contextlib
import errno
import logging
import signal
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from core.errors import PrerequisiteError
from deploy.web.directory import Directory
from deploy.web.guard import Guard
from deploy.web.page import PAGES, Page, Votes
from deploy.web.proxy import Proxy
from deploy.web.refusals import Refused

LAST_SECONDS = 2
"""So long answers under way may go on after Ctrl-C."""


def application(
    stack: str, directory: Directory, votes: Votes, *, port: int, token: str = ""
) -> ASGIApp:
    """Make the application for the address 127.0.0.1:`port`; `token`, if any, is asked for."""
    proxy, page = Proxy(directory), Page(stack, directory, votes)

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        yield
        await proxy.upstream.close()

    app = Starlette(
        routes=[
            Route("/v1/models", proxy.models),
            Route("/v1/models/{model}", proxy.model),
            Route("/v1/chat/completions", proxy.chat_completions, methods=["POST"]),
            Route("/api/stack", page.about),
            Route("/api/votes", page.vote, methods=["POST"]),
            *(Route(address, page.file) for address in PAGES),
        ],
        exception_handlers={HTTPException: _not_there, Exception: _failed},
        lifespan=lifespan,
    )
    return Guard(app, port, token)


def listen(port: int) -> socket.socket:
    """Take a port of 127.0.0.1; 0 takes a free one.

    Raises:
        PrerequisiteError: another program has it, or this person may not.
    """
    taken = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        taken.bind(("127.0.0.1", port))
    except OSError as error:
        taken.close()
        is_taken = error.errno == errno.EADDRINUSE
        why = "another program has it" if is_taken else str(error.strerror)
        raise PrerequisiteError(
            f"The port {port} of this machine cannot be used: {why}.",
            hint="--port 0 takes a free one.",
        ) from error
    return taken


class Server(uvicorn.Server):  # type: ignore[misc]
    """uvicorn that says when it answers, and returns at a signal instead of dying by it."""

    def __init__(self, app: ASGIApp, on_ready: Callable[[], None] = lambda: None) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                log_level="error",
                access_log=False,
                server_header=False,
                date_header=False,
                lifespan="on",
                timeout_graceful_shutdown=LAST_SECONDS,
            )
        )
        self._on_ready = on_ready

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals to `run_until_stopped`."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and say so."""
        await super().startup(sockets)
        self._on_ready()


def run_until_stopped(server: Server, taken: socket.socket) -> None:
    """Serve until Ctrl-C or SIGTERM; a second one does not wait for answers under way."""

    def stop() -> None:
        server.force_exit = server.should_exit
        server.should_exit = True
        # What is cut off now is cut off on purpose: no word, no trace of it.
        logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)

    async def serve() -> None:
        loop = asyncio.get_running_loop()
        for each in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(each, stop)
        await server.serve([taken])

    asyncio.run(serve())


async def _not_there(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    code = "not_found" if error.status_code == 404 else "not_allowed"
    told = f"{request.method} {request.url.path}: {error.detail}"
    return Refused(error.status_code, code, told[:300]).response()


async def _failed(request: Request, error: Exception) -> Response:
    return Refused(500, "internal_error", "tunestack failed; its terminal says why.").response()


def addresses(taken: socket.socket, token: str = "") -> dict[str, Any]:
    """Say where the page and OpenAI's API are."""
    root = f"http://127.0.0.1:{taken.getsockname()[1]}"
    opened = f"{root}/#token={token}" if token else f"{root}/"
    return {"page": opened, "base_url": f"{root}/v1"}
