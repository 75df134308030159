"""An account's files: kept as they came, looked at once, then `processed` or not.

A file takes a step whenever somebody looks at it: pending, running, processed or error. Being
processed says that it is JSONL; whether a model can learn from it, the job finds out.
"""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from local.ai.allowances import allowances
from local.ai.records import all_of, find, folder, invalid, key, missing, new_id, now, store
from local.operations import Refusal
from local.state import Document, State
from local.world import World

KIND = "files"
TRAINING, RESULTS = "fine-tune", "fine-tune-results"
BOM = b"\xef\xbb\xbf"
SOONEST, LATEST = 1209600, 2592000
"""Seconds after which a file may be had deleted: 14 to 30 days."""


def content(world: World, account_id: str, id: str) -> Path:
    """Give the path of a file's bytes."""
    return folder(world, account_id, KIND) / id


def check_purpose(purpose: object) -> None:
    """Refuse what a file cannot be for.

    Raises:
        Refusal: 400; only tuning files are played.
    """
    if purpose != TRAINING:
        raise invalid(f"purpose: '{purpose}' is not played here; '{TRAINING}' is.")


def check_expiry(anchor: object, seconds: object) -> int | None:
    """Give the seconds after which a file goes; None: never.

    Raises:
        Refusal: 400, not between 14 and 30 days after its creation.
    """
    if anchor is None and seconds is None:
        return None
    text = str(seconds)
    if anchor != "created_at" or not text.isdecimal() or not SOONEST <= int(text) <= LATEST:
        raise invalid(
            "expires_after: the anchor must be 'created_at' and the seconds a number from"
            f" {SOONEST} to {LATEST}."
        )
    return int(text)


def check_room(world: World, account_id: str, size: int, *, most: int | None = None) -> None:
    """Refuse a file for which there is no room.

    Raises:
        Refusal: 413, it is too big; 400, the account holds too many files or bytes.
    """
    allowed = allowances(world.state)
    limit = allowed.file_bytes if most is None else most
    if size > limit:
        # The status is not known; the words are those of the documentation.
        raise Refusal(
            413, "invalidPayload", f"The maximum allowed size is {limit / (1 << 20):g} MB"
        )
    files = all_of(world.state, account_id, KIND)
    if len(files) >= allowed.files:
        raise _over(f"{allowed.files} files")
    if sum(one["bytes"] for one in files) + size > allowed.total_bytes:
        raise _over(f"{allowed.total_bytes / (1 << 20):g} MB in all files together")


def _over(what: str) -> Refusal:
    return Refusal(400, "quotaExceeded", f"The resource may hold {what}; delete some files first.")


def add(
    world: World,
    account_id: str,
    draft: Path,
    filename: str,
    *,
    purpose: str = TRAINING,
    seconds: int | None = None,
) -> Document:
    """Take a file over into the account; `draft` is moved."""
    record: Document = {
        "id": new_id("file-"),
        "object": "file",
        "bytes": draft.stat().st_size,
        "created_at": now(),
        "filename": filename,
        "purpose": purpose,
        "status": "processed" if purpose == RESULTS else "pending",
    }
    if seconds is not None:
        record["expires_at"] = record["created_at"] + seconds
    draft.replace(content(world, account_id, record["id"]))
    store(world.state, account_id, KIND, record)
    return record


def drop(world: World, account_id: str, id: str) -> None:
    """Delete a file."""
    world.state.delete(key(account_id, KIND, id))
    content(world, account_id, id).unlink(missing_ok=True)


def read(world: World, account_id: str, id: str) -> Document:
    """Read a file, which comes a step further.

    Raises:
        Refusal: 404, there is none.
    """
    record = find(world.state, account_id, KIND, id)
    if record is None or _has_expired(world, account_id, record):
        raise missing("file", id)
    return _advanced(world, account_id, record)


def listed(world: World, account_id: str, purpose: str) -> list[Document]:
    """List the files, newest first; each comes a step further."""
    return [
        _advanced(world, account_id, one)
        for one in reversed(all_of(world.state, account_id, KIND))
        if purpose in ("", one["purpose"]) and not _has_expired(world, account_id, one)
    ]


def is_known(state: State, account_id: str, id: str) -> Document | None:
    """Give a file's record as it stands; None where there is none."""
    return find(state, account_id, KIND, id)


def records_of(path: Path) -> Iterator[tuple[int, Any]]:
    """Go through the lines of a JSONL file that hold something: number and what it says.

    Raises:
        ValueError: one is not UTF-8 or no JSON; says which.
    """
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            text = line.removeprefix(BOM) if number == 1 else line
            if not text.strip():
                continue
            try:
                yield number, json.loads(text)
            except ValueError as error:
                raise ValueError(f"line {number} is not JSON: {error}") from error


def _has_expired(world: World, account_id: str, record: Document) -> bool:
    if record.get("expires_at", now() + 1) > now():
        return False
    drop(world, account_id, record["id"])
    return True


def _advanced(world: World, account_id: str, record: Document) -> Document:
    """Take a file a step further, and give it as it is then; a look does not go back."""
    status = record["status"]
    if status not in ("pending", "running"):
        return record
    after: Document = {**record, "status": "running"}
    if status == "running":
        after |= _examined(content(world, account_id, record["id"]))
    with world.state.transaction():
        current = find(world.state, account_id, KIND, record["id"])
        if current is None or current["status"] != status:
            return current or record
        store(world.state, account_id, KIND, after)
    return after


def _examined(path: Path) -> dict[str, str]:
    """Say whether a file is JSONL. The beginning of the words is Azure's of 2023."""
    try:
        rows = sum(_is_object(number, value) for number, value in records_of(path))
        if rows:
            return {"status": "processed"}
        reason = "No valid json line found in file."
    except (ValueError, OSError) as error:  # OSError: it has just been deleted
        reason = str(error)
    details = f"jsonlValidationFailed: Validation of jsonl file failed: {reason}"
    return {"status": "error", "status_details": details}


def _is_object(number: int, value: Any) -> bool:
    if not isinstance(value, dict):
        raise ValueError(f"line {number} is no JSON object")
    return True


def md5_of(path: Path) -> str:
    """Give a file's MD5 in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "md5").hexdigest()
