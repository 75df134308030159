"""Blobs as plain files: what a name may be, what a blob's properties are, how one is written.

The file is the truth: a job that writes into the folder has made a blob. What a file cannot say
(metadata, content type) is kept in the state, and counts as long as the file is the one that was
uploaded. Names that a file system cannot hold beside each other (`a` and `a/b`) are refused.
"""

import hashlib
import os
import secrets
import shutil
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from local.operations import Refusal
from local.storage.containers import container_folder
from local.storage.refusals import blob_not_found, container_not_found
from local.world import World

KIND = "blob"
CHUNK = 1 << 20


@dataclass(frozen=True)
class Blob:
    """A blob that is there."""

    name: str
    file: Path
    size: int
    etag: str
    modified: datetime
    content_type: str = "application/octet-stream"
    headers: dict[str, str] = field(default_factory=dict)
    """Content headers that the uploader gave, e.g. Content-Encoding."""
    metadata: dict[str, str] = field(default_factory=dict)


def blob_file(world: World, account: str, container: str, name: str) -> Path:
    """Give the file of a blob.

    Raises:
        Refusal: 400, the name cannot be a file's, or leads out of the container.
    """
    parts = name.split("/")
    if len(name) > 1024 or not all(_is_segment(part) for part in parts):
        raise Refusal(
            400,
            "InvalidUri",
            "The requested URI does not represent any resource on the server"
            f" (the local Azure keeps blobs as files, and {name!r} cannot be one).",
        )
    return container_folder(world, account, container).joinpath(*parts)


def find_blob(world: World, account: str, container: str, name: str) -> Blob | None:
    """Find a blob; None where there is none."""
    if name.endswith("/"):
        return None  # azure-ai-ml asks for a folder as if it were a blob
    file = blob_file(world, account, container, name)
    try:
        if not file.is_file():
            return None
        return _blob(world, account, container, name, file)
    except FileNotFoundError:
        return None


def list_blobs(world: World, account: str, container: str, prefix: str) -> Iterator[Blob]:
    """Go through a container's blobs in the order of their names."""
    folder = container_folder(world, account, container)
    for name in sorted(_names(folder, prefix)):
        blob = find_blob(world, account, container, name)
        if blob is not None:
            yield blob


def _names(folder: Path, prefix: str) -> Iterator[str]:
    folders = prefix.split("/")[:-1]
    if not all(_is_segment(part) for part in folders):
        return
    for root, _, files in os.walk(folder.joinpath(*folders)):
        for file in files:
            name = (Path(root) / file).relative_to(folder).as_posix()
            if name.startswith(prefix):
                yield name


def delete_blob(world: World, account: str, container: str, name: str) -> bool:
    """Delete a blob, and the folders that it leaves empty; False where there is none."""
    file = blob_file(world, account, container, name)
    if not file.is_file():
        return False
    file.unlink()
    world.state.delete(_key(account, container, name))
    top = container_folder(world, account, container)
    for folder in file.parents:
        if folder == top or any(folder.iterdir()):
            break
        folder.rmdir()
    return True


def describe(
    world: World,
    account: str,
    container: str,
    name: str,
    *,
    metadata: dict[str, str] | None = None,
    headers: dict[str, str] | None = None,
) -> Blob:
    """Store a blob's metadata or content headers beside what is there, and give the blob."""
    blob = find_blob(world, account, container, name)
    if blob is None:
        raise blob_not_found()
    merged = {"Content-Type": blob.content_type, **blob.headers} if headers is None else headers
    world.state.put(
        _key(account, container, name),
        KIND,
        {
            "etag": blob.etag,
            "headers": merged,
            "metadata": blob.metadata if metadata is None else metadata,
        },
    )
    return _blob(world, account, container, name, blob.file)


def staging(world: World) -> Path:
    """Give a new file's path for an upload, on the disk that holds the blobs."""
    folder = world.folder / "uploads"
    folder.mkdir(parents=True, exist_ok=True)
    return folder / secrets.token_hex(16)


async def receive(stream: AsyncIterator[bytes], target: Path) -> str:
    """Write a request's body to a file as it comes; give its MD5 in base64 form's bytes."""
    digest = hashlib.md5(usedforsecurity=False)
    with target.open("wb") as file:
        async for chunk in stream:
            digest.update(chunk)
            file.write(chunk)
    return digest.hexdigest()


def publish(world: World, draft: Path, account: str, container: str, name: str) -> None:
    """Make an uploaded file the blob, in one step.

    Raises:
        Refusal: 409, a blob's name is a folder of another's.
    """
    file = blob_file(world, account, container, name)
    if not container_folder(world, account, container).is_dir():
        draft.unlink(missing_ok=True)
        raise container_not_found()
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        draft.replace(file)
    except (FileExistsError, IsADirectoryError, NotADirectoryError) as error:
        draft.unlink(missing_ok=True)
        raise Refusal(
            409,
            "ResourceTypeMismatch",
            f"'{name}' cannot be beside a blob whose name is a part of it (the local Azure keeps"
            " blobs as files).",
        ) from error


def block_folder(world: World, account: str, container: str, name: str) -> Path:
    """Give the folder of the blocks that were put and not yet listed."""
    key = hashlib.sha256(f"{account}/{container}/{name}".encode()).hexdigest()
    return world.folder / "uploads" / f"blocks-{key}"


def join_blocks(world: World, blocks: Path, ids: list[str]) -> Path:
    """Write blocks one after the other into a file.

    Raises:
        Refusal: 400, a block was never put.
    """
    draft = staging(world)
    files = [blocks / block_file_name(id) for id in ids]
    if not all(file.is_file() for file in files):
        raise Refusal(400, "InvalidBlockList", "The specified block list is invalid.")
    with draft.open("wb") as target:
        for file in files:
            _append(file, target)
    shutil.rmtree(blocks, ignore_errors=True)
    return draft


def block_file_name(id: str) -> str:
    """Give the file name of a block id, which is any base64 text.

    Raises:
        Refusal: 400, there is none, or it is too long.
    """
    if not 0 < len(id) <= 88:
        raise Refusal(400, "InvalidQueryParameterValue", f"'{id[:100]}' is not a block id.")
    return id.encode().hex()


def read_range(file: Path, start: int, length: int) -> Iterator[bytes]:
    """Read a part of a file in pieces."""
    with file.open("rb") as source:
        source.seek(start)
        while length > 0:
            piece = source.read(min(CHUNK, length))
            if not piece:
                return
            length -= len(piece)
            yield piece


def _is_segment(part: str) -> bool:
    """Say whether a part of a blob's name can be a file's or folder's name."""
    is_clean = part not in ("", ".", "..") and all(ord(character) >= 32 for character in part)
    return is_clean and len(part.encode()) <= 255


def _append(file: Path, target: BinaryIO) -> None:
    with file.open("rb") as source:
        shutil.copyfileobj(source, target, CHUNK)


def _blob(world: World, account: str, container: str, name: str, file: Path) -> Blob:
    status = file.stat()
    etag = f'"0x{status.st_mtime_ns:X}{status.st_size:X}"'
    kept = world.state.get(_key(account, container, name)) or {}
    known = kept if kept.get("etag") == etag else {"headers": {}, "metadata": {}}
    headers = dict(known["headers"])
    return Blob(
        name,
        file,
        status.st_size,
        etag,
        datetime.fromtimestamp(status.st_mtime, UTC),
        headers.pop("Content-Type", "application/octet-stream"),
        headers,
        known["metadata"],
    )


def _key(account: str, container: str, name: str) -> str:
    # The state compares ids without case; blob names have it.
    return f"blob:/{account.lower()}/{container}/{hashlib.sha256(name.encode()).hexdigest()}"
