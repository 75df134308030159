"""Files in the AI account: each content once, in parts where it is large, waited for until read."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal

from core.errors import CloudError, UserError
from training.managed.contract import Prepared, Tell
from training.managed.openai.client import Api, everything, extra
from training.managed.openai.refusals import asking

if TYPE_CHECKING:
    from openai.types import FileObject, Upload

PREFIX = "tunestack-"
PURPOSE: Literal["fine-tune"] = "fine-tune"
PARTS_FROM = 150 * 10**6
"""Bytes from which a file goes up in parts; Azure advises it (fine-tuning how-to)."""

PART = 64 * 2**20
"""Bytes of a part, the most that a part may have."""

JSONL = "text/jsonl"
FIRST_WAIT, LONGEST_WAIT = 1.0, 10.0
READ_WITHIN = 3600.0
"""Seconds that the service has to read a file before we leave it to it."""

NOT_USABLE = ("error", "deleting", "deleted")


def file_name(sha256: str) -> str:
    """Name a file after its content, so that the same one is found again."""
    return f"{PREFIX}{sha256[:16]}.jsonl"


def is_ours(name: str) -> bool:
    """Tell files that tunestack has uploaded."""
    return name.startswith(PREFIX) and name.endswith(".jsonl")


def ensure_file(api: Api, file: Prepared, tell: Tell) -> str:
    """Give the id of the file with this content, processed; upload it where it is not there.

    Raises:
        UserError: the service cannot read it; says why.
        CloudError: Azure refused.
    """
    name = file_name(file.sha256)
    found = _find(api, file)
    size = f"{file.bytes / 1e6:.1f} MB"
    if found is None:
        tell(f"Uploading {file.path.name} ({file.rows} examples, {size}) as {name}")
        found = api.make_once(lambda: _upload(api, file, tell), lambda: _find(api, file))
    else:
        tell(f"{file.path.name} is there already as {name}")
    return _read(api, found, file, tell).id


def list_files(api: Api) -> "list[FileObject]":
    """List the files of the account, of whatever purpose."""
    with asking("list the files"):
        return everything(api.client.files.list())


def read_file(api: Api, id: str) -> bytes | None:
    """Read a file's content; None where there is no such file."""
    try:
        with asking(f"read the file {id}"):
            return api.client.files.content(id).read()
    except CloudError as error:
        if error.status == 404:
            return None
        raise


def delete_file(api: Api, id: str) -> None:
    """Delete a file; nothing where there is none."""
    try:
        with asking(f"delete the file {id}"):
            api.delete(f"/files/{id}")
    except CloudError as error:
        if error.status != 404:
            raise


def _find(api: Api, file: Prepared) -> "FileObject | None":
    """Find a file with this content that is usable or may become so, one that is ready first."""
    found = [
        one
        for one in list_files(api)
        if one.filename == file_name(file.sha256)
        and one.purpose == PURPOSE
        and extra(one, "bytes") in (None, file.bytes)
        and one.status not in NOT_USABLE
    ]
    return min(found, key=lambda one: one.status != "processed", default=None)


def _upload(api: Api, file: Prepared, tell: Tell) -> "FileObject":
    if file.bytes > PARTS_FROM:
        return _upload_in_parts(api, file, tell)
    with asking(f"upload {file.path.name}"), file.path.open("rb") as content:
        return api.careful.files.create(
            file=(file_name(file.sha256), content, JSONL), purpose=PURPOSE
        )


def _upload_in_parts(api: Api, file: Prepared, tell: Tell) -> "FileObject":
    what = f"upload {file.path.name} in parts"
    with asking(what):
        upload = api.careful.uploads.create(
            bytes=file.bytes,
            filename=file_name(file.sha256),
            mime_type=JSONL,
            purpose=PURPOSE,
        )
    try:
        parts = list(_send_parts(api, file, upload.id, tell))
    except BaseException:
        _leave(api, upload)
        raise
    with asking(what):
        made = api.careful.uploads.complete(upload.id, part_ids=parts).file
    if made is None:
        raise CloudError(f"Azure OpenAI told of no file after it was asked to {what}.", status=500)
    return made


def _send_parts(api: Api, file: Prepared, upload: str, tell: Tell) -> Iterator[str]:
    """Send the parts and yield their ids; one that is sent twice is named, and counts, once."""
    sent = 0
    with file.path.open("rb") as content:
        while part := content.read(PART):
            with asking(f"upload {file.path.name} in parts"):
                yield api.patient.uploads.parts.create(upload, data=part).id
            sent += len(part)
            tell(f"  {sent / 1e6:.0f} of {file.bytes / 1e6:.0f} MB sent")


def _leave(api: Api, upload: "Upload") -> None:
    """Cancel an upload that did not come to its end; by itself it ends in two hours."""
    try:
        with asking("cancel the upload"):
            api.patient.uploads.cancel(upload.id)
    except CloudError:
        return  # what went wrong before is what is told


def _read(api: Api, found: "FileObject", file: Prepared, tell: Tell) -> "FileObject":
    """Wait until the service has read a file; it refuses a job with one that it has not."""
    pause, waited, told = FIRST_WAIT, 0.0, ""
    while found.status != "processed":
        if found.status in NOT_USABLE:
            raise _unreadable(api, found, file)
        minutes = int(waited / 60)
        if waited >= READ_WITHIN:
            raise UserError(
                f"Azure OpenAI has not read {file.path.name} within {minutes} minutes"
                f" ({found.id}, {found.status}).",
                hint="It goes on reading; the same command later goes on from here.",
            )
        now = f"{found.status}, {minutes} min" if minutes else str(found.status)
        if now != told:
            tell(f"Azure OpenAI reads {file.path.name}: {now}")
        told = now
        api.wait(pause)
        waited, pause = waited + pause, min(pause * 1.5, LONGEST_WAIT)
        with asking(f"read the state of {file.path.name}"):
            found = api.client.files.retrieve(found.id)
    return found


def _unreadable(api: Api, found: "FileObject", file: Prepared) -> UserError:
    """Word why the service cannot use a file, and delete it: the account holds a hundred."""
    error = extra(found, "error")
    error = error if isinstance(error, dict) else {}
    told = [error.get("code"), error.get("message"), extra(found, "status_details")]
    reasons = dict.fromkeys(str(one) for one in told if one)
    delete_file(api, found.id)
    why = ": ".join(reasons) or f"it is {found.status}, and no reason was given"
    return UserError(
        f"Azure OpenAI cannot use {file.path.name}: {why}",
        hint="No job was made. What is wrong with its lines: tunestack data check FILE --recipe R,"
        " on the file that you gave.",
    )
