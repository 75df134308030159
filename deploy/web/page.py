"""The page: its files, what it shows of the stack, and the votes that it sends."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

import anyio.to_thread
from starlette.requests import Request
from starlette.responses import Response

from core.errors import UserError
from deploy.endpoint import DeploymentState
from deploy.web.directory import SIDES, Directory
from deploy.web.documents import document_response
from deploy.web.proxy import read_object
from deploy.web.refusals import Refused

MAX_VOTE_BYTES = 4 * 1024 * 1024
"""Two answers with the conversation before each."""

PAGES = {
    "/": ("index.html", "text/html"),
    "/page.css": ("page.css", "text/css"),
    "/page.js": ("page.js", "text/javascript"),
    "/answer.js": ("answer.js", "text/javascript"),
    "/completions.js": ("completions.js", "text/javascript"),
    "/icon.svg": ("icon.svg", "image/svg+xml"),
}
"""By address: the file and its type."""


@dataclass(frozen=True)
class Votes:
    """Where votes go."""

    file: str
    count: Callable[[], int]
    record: Callable[[dict[str, Any]], None]
    """Checks a vote and keeps it; raises `UserError` where it is none, `OSError` where it fails."""


class Page:
    """The routes of the page."""

    def __init__(self, stack: str, directory: Directory, votes: Votes) -> None:
        self.stack = stack
        self.directory = directory
        self.votes = votes
        self._writing = anyio.Lock()
        self._files = {
            address: (files("deploy.web").joinpath(name).read_bytes(), kind)
            for address, (name, kind) in PAGES.items()
        }

    async def file(self, request: Request) -> Response:
        """Give a file of the page."""
        content, kind = self._files[request.url.path]
        return Response(content, media_type=kind)

    async def about(self, request: Request) -> Response:
        """Say what is deployed, what is missing and how many votes there are."""
        await self.directory.refresh()
        sides = {side: _told(self.directory.known(side)) for side in SIDES}
        return document_response(
            {
                "stack": self.stack,
                "endpoint": self.directory.state.ref.name,
                "sides": sides,
                "base_command": self.directory.base_command,
                "votes": self._votes(),
            }
        )

    async def vote(self, request: Request) -> Response:
        """Keep a vote."""
        try:
            fields = await read_object(request, MAX_VOTE_BYTES)
            await self._record(fields)
        except Refused as refused:
            return refused.response()
        return document_response(self._votes(), 201)

    async def _record(self, fields: dict[str, Any]) -> None:
        where = {"stack": self.stack, "endpoint": self.directory.state.ref.name}
        try:
            async with self._writing:
                await anyio.to_thread.run_sync(self.votes.record, {**fields, **where})
        except UserError as error:
            raise Refused(400, "invalid_vote", str(error)) from error
        except OSError as error:
            told = f"The vote could not be written to {self.votes.file}: {error.strerror}."
            raise Refused(507, "not_written", told) from error

    def _votes(self) -> dict[str, Any]:
        return {"file": self.votes.file, "count": self.votes.count()}


def _told(deployment: DeploymentState | None) -> dict[str, Any] | None:
    if deployment is None:
        return None
    names = ("name", "model", "vm_size", "instances", "runtime", "traffic")
    return {name: getattr(deployment, name) for name in names}
