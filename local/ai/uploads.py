"""Large files in parts: an upload takes parts for two hours and becomes a file.

Limits and shapes as in 2025-04-01-preview; the words of the refusals are ours, and the data
action's path is known but not its last word.
"""

import shutil
from pathlib import Path
from typing import Any

from starlette.concurrency import run_in_threadpool

from local.ai import file_store
from local.ai.allowances import allowances
from local.ai.forms import Form, declared, draft, received
from local.ai.hosts import OPENAI_RIGHTS, on_account
from local.ai.records import find, folder, invalid, key, missing, new_id, now, store, wrong_state
from local.operations import Answer, Call, Refusal
from local.state import Document
from local.world import World

RIGHTS = f"{OPENAI_RIGHTS}/uploads"
KIND = "uploads"
PART = 64 << 20
"""Bytes of a part at most, as OpenAI's API has it."""


@on_account(
    "POST",
    "/uploads",
    data_action=f"{RIGHTS}/write",
    note="at most 9 GB; expires after two hours; the right is a guess",
)
def create_upload(call: Call, account: Document) -> Answer:
    """Begin an upload."""
    body, allowed = call.body, allowances(call.world.state)
    file_store.check_purpose(body.get("purpose"))
    size, filename = body.get("bytes"), body.get("filename")
    if not isinstance(size, int) or isinstance(size, bool) or size < 1:
        raise invalid("bytes: must be a positive number.")
    if not isinstance(filename, str) or not filename:
        raise invalid("filename: is missing.")
    file_store.check_room(call.world, account["id"], size, most=allowed.upload_bytes)
    upload = {
        "id": new_id("upload_"),
        "object": "upload",
        "bytes": size,
        "created_at": now(),
        "expires_at": now() + allowed.upload_seconds,
        "filename": filename,
        "purpose": body["purpose"],
        "status": "pending",
        "file": None,
    }
    store(call.world.state, account["id"], KIND, upload)
    return Answer(upload, 200, {"Location": f"/openai/uploads/{upload['id']}"})


@on_account(
    "POST",
    "/uploads/{upload}/parts",
    data_action=f"{RIGHTS}/write",
    raw=True,
    note="64 MB a part",
)
async def add_part(call: Call, account: Document) -> dict[str, Any]:
    """Take a part."""
    await run_in_threadpool(_open, call, account)
    if declared(call) > PART:
        raise Refusal(413, "invalidPayload", "The maximum allowed size of a part is 64 MB")
    async with received(call, "data") as form:
        return await run_in_threadpool(_part, call, account, form)


def _part(call: Call, account: Document, form: Form) -> dict[str, Any]:
    upload = _open(call, account)
    part = new_id("part_")
    form.file.replace(_folder(call.world, account, upload["id"]) / part)
    return {
        "id": part,
        "object": "upload.part",
        "created_at": now(),
        "upload_id": upload["id"],
        "azure_block_id": part.removeprefix("part_"),
    }


@on_account(
    "POST",
    "/uploads/{upload}/complete",
    data_action=f"{RIGHTS}/write",
    note="parts in the order of part_ids, whole, with the md5 where one is given",
)
def complete_upload(call: Call, account: Document) -> Document:
    """Make a file of the parts."""
    upload, world, account_id = _open(call, account), call.world, account["id"]
    place = _folder(world, account, upload["id"])
    joined = draft(world)
    try:
        _join(_parts(call.body.get("part_ids"), place), joined)
        _check_whole(upload, joined, call.body.get("md5"))
        most = allowances(world.state).upload_bytes
        file_store.check_room(world, account_id, upload["bytes"], most=most)
        file = file_store.add(world, account_id, joined, upload["filename"])
    finally:
        joined.unlink(missing_ok=True)
    return _closed(call, account, upload, "completed", file)


@on_account(
    "POST", "/uploads/{upload}/cancel", data_action=f"{RIGHTS}/write", note="its parts are dropped"
)
def cancel_upload(call: Call, account: Document) -> Document:
    """Give an upload up."""
    return _closed(call, account, _open(call, account), "cancelled", None)


def _open(call: Call, account: Document) -> Document:
    """Give the upload that is asked for; refuse one that is over, or past its time."""
    id = call.parameters["upload"]
    upload = find(call.world.state, account["id"], KIND, id)
    if upload is None:
        raise missing("upload", id)
    if upload["status"] == "pending" and upload["expires_at"] <= now():
        upload = _closed(call, account, upload, "expired", None)
    if upload["status"] != "pending":
        raise wrong_state(f"The upload '{id}' is {upload['status']}.")
    return upload


def _closed(
    call: Call, account: Document, upload: Document, status: str, file: Document | None
) -> Document:
    after = {**upload, "status": status, "file": file}
    with call.world.state.transaction():
        if call.world.state.get(key(account["id"], KIND, upload["id"])) is not None:
            store(call.world.state, account["id"], KIND, after)
    shutil.rmtree(_folder(call.world, account, upload["id"]), ignore_errors=True)
    return after


def _parts(ids: object, place: Path) -> list[Path]:
    if not isinstance(ids, list) or not ids:
        raise invalid("part_ids: must list the parts.")
    known = {path.name: path for path in place.iterdir()}
    for id in ids:
        if id not in known:
            raise invalid(f"part_ids: there is no part '{id}'.")
    if len(set(ids)) != len(ids):
        raise invalid("part_ids: a part is named twice.")
    return [known[id] for id in ids]


def _join(parts: list[Path], target: Path) -> None:
    with target.open("wb") as whole:
        for part in parts:
            with part.open("rb") as source:
                shutil.copyfileobj(source, whole, 1 << 20)


def _check_whole(upload: Document, joined: Path, md5: object) -> None:
    size = joined.stat().st_size
    if size != upload["bytes"]:
        raise invalid(f"The parts have {size} bytes; {upload['bytes']} were announced.")
    if md5 and file_store.md5_of(joined) != str(md5).lower():
        raise invalid("md5: the parts' is another.")


def _folder(world: World, account: Document, id: str) -> Path:
    return folder(world, account["id"], f"{KIND}/{id}")
