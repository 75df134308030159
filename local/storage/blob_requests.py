"""The blob service's requests about block blobs."""

import base64
from pathlib import Path
from xml.etree import ElementTree

from starlette.responses import Response, StreamingResponse

from local.operations import BLOB, Call, Refusal, operation
from local.storage.blobs import (
    Blob,
    block_file_name,
    block_folder,
    delete_blob,
    describe,
    find_blob,
    join_blocks,
    publish,
    read_range,
    receive,
    staging,
)
from local.storage.conditions import byte_range, check_conditions
from local.storage.containers import find_container, http_date
from local.storage.refusals import blob_not_found, not_played
from local.storage.rights import BLOB_ACTION, check_blob_right

META = "x-ms-meta-"
CONTENT = {
    "x-ms-blob-content-type": "Content-Type",
    "x-ms-blob-content-encoding": "Content-Encoding",
    "x-ms-blob-content-language": "Content-Language",
    "x-ms-blob-content-disposition": "Content-Disposition",
    "x-ms-blob-cache-control": "Cache-Control",
    "x-ms-blob-content-md5": "Content-MD5",
}


@operation(
    "PUT",
    "/{container}/{name:path}",
    host=BLOB,
    data_action=f"{BLOB_ACTION}write",
    raw=True,
    note="Put Blob, Put Block, Put Block List, metadata, properties; no copies, no append blobs",
)
async def put_blob(call: Call) -> Response:
    """Write a blob, a block, a block list, or what describes a blob."""
    kind = call.query.get("comp", "")
    if kind not in _WRITERS or "x-ms-copy-source" in call.headers:
        raise not_played(call)
    account_id, account = check_blob_right(call, call.parameters["container"], "write")
    find_container(call.world, account_id, call.parameters["container"])
    response: Response = await _WRITERS[kind](call, account["name"])
    return response


@operation(
    "GET",
    "/{container}/{name:path}",
    host=BLOB,
    data_action=f"{BLOB_ACTION}read",
    raw=True,
    note="whole or one range, If-Match; snapshots and versions are not played",
)
def get_blob(call: Call) -> Response:
    """Read a blob or a part of it."""
    if call.query.get("comp") not in (None, "metadata"):
        raise not_played(call)
    blob = _existing(call)
    asked = byte_range(call.headers, blob.size)
    first, length = asked or (0, blob.size)
    headers = _headers(blob) | {"Content-Length": str(length)}
    if asked:
        headers["Content-Range"] = f"bytes {first}-{first + length - 1}/{blob.size}"
    return StreamingResponse(
        read_range(blob.file, first, length),
        status_code=206 if asked else 200,
        headers=headers,
        media_type=None,
    )


@operation(
    "HEAD", "/{container}/{name:path}", host=BLOB, data_action=f"{BLOB_ACTION}read", raw=True
)
def head_blob(call: Call) -> Response:
    """Read a blob's properties."""
    blob = _existing(call)
    return Response(status_code=200, headers=_headers(blob) | {"Content-Length": str(blob.size)})


@operation(
    "DELETE", "/{container}/{name:path}", host=BLOB, data_action=f"{BLOB_ACTION}delete", raw=True
)
def remove_blob(call: Call) -> Response:
    """Delete a blob."""
    container, name = call.parameters["container"], call.parameters["name"]
    account_id, account = check_blob_right(call, container, "delete")
    find_container(call.world, account_id, call.parameters["container"])
    check_conditions(call.headers, find_blob(call.world, account["name"], container, name))
    if not delete_blob(call.world, account["name"], container, name):
        raise blob_not_found()
    return Response(status_code=202, headers={"x-ms-delete-type-permanent": "true"})


async def _write_blob(call: Call, account: str) -> Response:
    if call.headers.get("x-ms-blob-type", "BlockBlob") != "BlockBlob":
        raise not_played(call)
    check_conditions(call.headers, _current(call, account))
    draft = staging(call.world)
    await _receive(call, draft)
    return _publish(call, account, draft)


async def _write_block(call: Call, account: str) -> Response:
    folder = block_folder(call.world, account, *_place(call))
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / block_file_name(call.query.get("blockid", ""))
    draft = staging(call.world)
    digest = await _receive(call, draft)
    draft.replace(target)
    return Response(
        status_code=201, headers={"Content-MD5": digest, "x-ms-request-server-encrypted": "true"}
    )


async def _write_block_list(call: Call, account: str) -> Response:
    check_conditions(call.headers, _current(call, account))
    try:
        blocks = ElementTree.fromstring(await call.request.body())
    except ElementTree.ParseError as error:
        raise Refusal(400, "InvalidXmlDocument", "The XML is not well-formed.") from error
    if any(block.tag == "Committed" for block in blocks):
        raise Refusal(400, "InvalidBlockList", "Committed blocks are not kept by the local Azure.")
    folder = block_folder(call.world, account, *_place(call))
    return _publish(call, account, join_blocks(call.world, folder, [b.text or "" for b in blocks]))


async def _write_metadata(call: Call, account: str) -> Response:
    check_conditions(call.headers, _current(call, account))
    blob = describe(call.world, account, *_place(call), metadata=_metadata(call))
    return Response(status_code=200, headers=_tag(blob))


async def _write_properties(call: Call, account: str) -> Response:
    check_conditions(call.headers, _current(call, account))
    blob = describe(call.world, account, *_place(call), headers=_content(call))
    return Response(status_code=200, headers=_tag(blob))


_WRITERS = {
    "": _write_blob,
    "block": _write_block,
    "blocklist": _write_block_list,
    "metadata": _write_metadata,
    "properties": _write_properties,
}


def _publish(call: Call, account: str, draft: Path) -> Response:
    place = _place(call)
    publish(call.world, draft, account, *place)
    blob = describe(call.world, account, *place, metadata=_metadata(call), headers=_content(call))
    # Content-MD5 must not be here: the SDK takes it for the checksum of the request's own body.
    return Response(status_code=201, headers=_tag(blob) | {"x-ms-request-server-encrypted": "true"})


async def _receive(call: Call, draft: Path) -> str:
    try:
        digest = base64.b64encode(bytes.fromhex(await receive(call.request.stream(), draft)))
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
    wanted = call.headers.get("content-md5")
    if wanted and wanted != digest.decode():
        draft.unlink(missing_ok=True)
        raise Refusal(
            400, "Md5Mismatch", "The MD5 value specified in the request did not match the content."
        )
    return digest.decode()


def _existing(call: Call) -> Blob:
    container, name = _place(call)
    account_id, account = check_blob_right(call, container, "read")
    find_container(call.world, account_id, call.parameters["container"])
    blob = find_blob(call.world, account["name"], container, name)
    if blob is None:
        raise blob_not_found()
    check_conditions(call.headers, blob, is_read=True)
    return blob


def _current(call: Call, account: str) -> Blob | None:
    return find_blob(call.world, account, *_place(call))


def _place(call: Call) -> tuple[str, str]:
    return call.parameters["container"], call.parameters["name"]


def _metadata(call: Call) -> dict[str, str]:
    return {
        name.removeprefix(META): value
        for name, value in call.headers.items()
        if name.startswith(META)
    }


def _content(call: Call) -> dict[str, str]:
    return {CONTENT[name]: value for name, value in call.headers.items() if name in CONTENT}


def _tag(blob: Blob) -> dict[str, str]:
    return {"ETag": blob.etag, "Last-Modified": http_date(blob.modified)}


def _headers(blob: Blob) -> dict[str, str]:
    return {
        **_tag(blob),
        **blob.headers,
        **{f"{META}{name}": value for name, value in blob.metadata.items()},
        "Content-Type": blob.content_type,
        "Accept-Ranges": "bytes",
        "x-ms-blob-type": "BlockBlob",
        "x-ms-creation-time": http_date(blob.modified),
        "x-ms-lease-status": "unlocked",
        "x-ms-lease-state": "available",
        "x-ms-server-encrypted": "true",
    }
