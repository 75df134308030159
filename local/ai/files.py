"""Files of an account: upload, import from storage, read, list, delete."""

import dataclasses
import shutil
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from starlette.concurrency import run_in_threadpool
from starlette.responses import FileResponse

from local.access import ANONYMOUS, Principal
from local.ai import file_store
from local.ai.forms import Form, declared, draft, received
from local.ai.hosts import OPENAI_RIGHTS, on_account
from local.ai.records import invalid
from local.operations import Answer, Call, Refusal
from local.state import Document
from local.storage.blobs import find_blob
from local.storage.rights import check_blob_right

RIGHTS = f"{OPENAI_RIGHTS}/files"
BLOB_SUFFIX = ".blob.core.windows.net"


@on_account(
    "POST",
    "/files",
    data_action=f"{RIGHTS}/write",
    raw=True,
    note="purpose fine-tune; 512 MB a file, 100 files, 1 GB in all; expires_after of 14 to 30 days",
)
async def create_file(call: Call, account: Document) -> Answer:
    """Take a file from a multipart form."""
    await run_in_threadpool(file_store.check_room, call.world, account["id"], declared(call))
    async with received(call, "file") as form:
        return created(await run_in_threadpool(_kept, call, account, form))


def _kept(call: Call, account: Document, form: Form) -> Document:
    file_store.check_purpose(form.fields.get("purpose"))
    seconds = file_store.check_expiry(
        form.fields.get("expires_after[anchor]"), form.fields.get("expires_after[seconds]")
    )
    file_store.check_room(call.world, account["id"], form.file.stat().st_size)
    return file_store.add(call.world, account["id"], form.file, form.filename, seconds=seconds)


@on_account(
    "POST",
    "/files/import",
    data_action=f"{RIGHTS}/import/action",
    note="a blob's address, read with a signature in it or as the account's own identity; at once,"
    " where Azure may take a while and say `fileImportFailed` at the file; the right is a guess",
)
def import_file(call: Call, account: Document) -> Answer:
    """Take a file from a blob."""
    body = call.body
    file_store.check_purpose(body.get("purpose"))
    filename, url = str(body.get("filename") or ""), str(body.get("content_url") or "")
    if not filename:
        raise invalid("filename: is missing.")
    return created(_imported(call, account, filename, url))


def _imported(call: Call, account: Document, filename: str, url: str) -> Document:
    parts = urlsplit(url)
    host, path = parts.hostname or "", unquote(parts.path).lstrip("/")
    container, _, name = path.partition("/")
    if not (host.endswith(BLOB_SUFFIX) and container and name):
        raise invalid("content_url: must be the address of a blob.")
    asked = dataclasses.replace(
        call,
        principal=identity_of(account),
        parameters={"account": host.removesuffix(BLOB_SUFFIX)},
        query=dict(parse_qsl(parts.query)),
        headers={},
    )
    try:
        _, storage = check_blob_right(asked, container, "read")
        blob = find_blob(call.world, storage["name"], container, name)
    except Refusal as refused:
        raise _import_failed(refused.status, refused.message) from refused
    if blob is None:
        raise _import_failed(404, "The specified blob does not exist.")
    file_store.check_room(call.world, account["id"], blob.size)
    path_of_draft = draft(call.world)
    shutil.copyfile(blob.file, path_of_draft)
    return file_store.add(call.world, account["id"], path_of_draft, filename)


def identity_of(account: Document) -> Principal:
    """Give the principal as which an account reads storage; anonymous where it has none."""
    identity = account.get("identity") or {}
    if identity.get("principalId"):
        return Principal("ServicePrincipal", identity["principalId"], account["name"])
    for assigned in (identity.get("userAssignedIdentities") or {}).values():
        return Principal("ServicePrincipal", assigned["principalId"], account["name"])
    return ANONYMOUS


def _import_failed(status: int, reason: str) -> Refusal:
    return Refusal(status, "fileImportFailed", f"Import of the file failed: {reason}")


@on_account(
    "GET",
    "/files",
    data_action=f"{RIGHTS}/read",
    note="one page with all, newest first; `purpose`; no limit or after, as in 2024-10-21",
)
def list_files(call: Call, account: Document) -> dict[str, Any]:
    """List the files.

    Without `has_more` the client would ask for a next page for ever.
    """
    found = file_store.listed(call.world, account["id"], call.query.get("purpose", ""))
    return {"object": "list", "data": found, "has_more": False}


@on_account(
    "GET",
    "/files/{file}",
    data_action=f"{RIGHTS}/read",
    note="pending, running, processed or error: a step per look",
)
def get_file(call: Call, account: Document) -> Document:
    """Read a file's record."""
    return file_store.read(call.world, account["id"], call.parameters["file"])


@on_account("GET", "/files/{file}/content", data_action=f"{RIGHTS}/read", note="as it was sent")
def get_content(call: Call, account: Document) -> FileResponse:
    """Read a file's bytes."""
    record = file_store.read(call.world, account["id"], call.parameters["file"])
    path = file_store.content(call.world, account["id"], record["id"])
    return FileResponse(path, media_type="application/octet-stream")


@on_account(
    "DELETE",
    "/files/{file}",
    data_action=f"{RIGHTS}/delete",
    note="also one that a job was trained on",
)
def delete_file(call: Call, account: Document) -> dict[str, Any]:
    """Delete a file."""
    record = file_store.read(call.world, account["id"], call.parameters["file"])
    file_store.drop(call.world, account["id"], record["id"])
    return {"object": "file", "deleted": True, "id": record["id"]}


def created(record: Document) -> Answer:
    """Answer with a new file."""
    return Answer(record, 201, {"Location": f"/openai/files/{record['id']}"})
