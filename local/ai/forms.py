"""Files that come as parts of a form: read to disk as they arrive, with nothing too big taken."""

import secrets
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from starlette.concurrency import run_in_threadpool

from local.ai.records import invalid
from local.operations import Call
from local.world import World

if TYPE_CHECKING:
    from starlette.datastructures import UploadFile

AROUND = 64 << 10
"""Bytes that a form has around its file at most."""


@dataclass(frozen=True)
class Form:
    """A form with one file."""

    fields: dict[str, str]
    filename: str
    file: Path
    """A draft: whoever keeps it moves it."""


@asynccontextmanager
async def received(call: Call, name: str) -> AsyncIterator[Form]:
    """Give a request's form whose part `name` is a file; a draft that is not kept is removed.

    Raises:
        Refusal: 400, it is no form, or has no such part.
    """
    from starlette.datastructures import UploadFile
    from starlette.formparsers import MultiPartException

    try:
        form = await call.request.form(max_files=1, max_fields=16)
    except MultiPartException as error:
        raise invalid(f"The form cannot be read: {error.message}") from error
    try:
        part = form.get(name)
        if not isinstance(part, UploadFile):
            raise invalid(f"The request needs a multipart form with a file named '{name}'.")
        path = await run_in_threadpool(_draft, call.world, part)
        fields = {key: text for key, text in form.items() if isinstance(text, str)}
        try:
            yield Form(fields, part.filename or "", path)
        finally:
            path.unlink(missing_ok=True)
    finally:
        await form.close()


def draft(world: World) -> Path:
    """Give a new file's path, on the disk that holds the accounts' data."""
    folder = world.folder / "ai" / "drafts"
    folder.mkdir(parents=True, exist_ok=True)
    return folder / secrets.token_hex(16)


def declared(call: Call) -> int:
    """Give the bytes that a request says it has, less what a form has around its file."""
    text = call.headers.get("content-length", "")
    return max(0, int(text) - AROUND) if text.isdecimal() else 0


def _draft(world: World, part: "UploadFile") -> Path:
    path = draft(world)
    with path.open("wb") as target:
        shutil.copyfileobj(part.file, target, 1 << 20)
    return path
