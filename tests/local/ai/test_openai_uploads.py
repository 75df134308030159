"""Uploads in parts through the unmodified openai client."""

import hashlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ai_account import AiAccount, chats, refused

CONTENT = chats(20)


@pytest.fixture
def upload(shared: AiAccount) -> Any:
    return shared.client.uploads.create(
        bytes=len(CONTENT), filename="big.jsonl", mime_type="application/jsonl", purpose="fine-tune"
    )


@pytest.fixture
def parts(shared: AiAccount, upload: Any) -> list[str]:
    half = len(CONTENT) // 2
    return [
        shared.client.uploads.parts.create(upload.id, data=piece).id
        for piece in (CONTENT[:half], CONTENT[half:])
    ]


def test_the_client_uploads_a_file_in_chunks(shared: AiAccount, tmp_path: Path) -> None:
    path = tmp_path / "big.jsonl"
    path.write_bytes(CONTENT)
    done = shared.client.uploads.upload_file_chunked(
        file=path,
        mime_type="application/jsonl",
        purpose="fine-tune",
        part_size=200,
        md5=hashlib.md5(CONTENT).hexdigest(),
    )
    assert done.status == "completed"
    assert done.file is not None and done.file.filename == "big.jsonl"
    assert shared.client.files.content(done.file.id).read() == CONTENT
    file = shared.client.files.wait_for_processing(done.file.id, poll_interval=0.001)
    assert file.status == "processed"


def test_an_upload_is_open_for_two_hours(upload: Any) -> None:
    assert (upload.object, upload.status, upload.bytes) == ("upload", "pending", len(CONTENT))
    assert upload.expires_at - upload.created_at == 7200
    assert upload.file is None


def test_parts_count_in_the_order_that_completes(
    shared: AiAccount, upload: Any, parts: list[str]
) -> None:
    digest = hashlib.md5(CONTENT).hexdigest()
    complete = shared.client.uploads.complete
    status, code, told = refused(lambda: complete(upload.id, part_ids=parts[::-1], md5=digest))
    assert (status, code) == (400, "invalidPayload") and "md5" in told
    assert complete(upload.id, part_ids=parts, md5=digest).status == "completed"


def test_incomplete_unknown_and_doubled_parts_are_refused(
    shared: AiAccount, upload: Any, parts: list[str]
) -> None:
    complete = shared.client.uploads.complete
    assert "announced" in refused(lambda: complete(upload.id, part_ids=parts[:1]))[2]
    assert "no part" in refused(lambda: complete(upload.id, part_ids=["part_x"]))[2]
    assert "twice" in refused(lambda: complete(upload.id, part_ids=[parts[0]] * 2))[2]
    assert "list the parts" in refused(lambda: complete(upload.id, part_ids=[]))[2]


def test_what_is_completed_or_cancelled_takes_nothing_more(
    shared: AiAccount, upload: Any, parts: list[str]
) -> None:
    uploads = shared.client.uploads
    uploads.complete(upload.id, part_ids=parts)
    for act in (
        lambda: uploads.parts.create(upload.id, data=b"x"),
        lambda: uploads.complete(upload.id, part_ids=parts),
        lambda: uploads.cancel(upload.id),
    ):
        assert refused(act)[:2] == (400, "unexpectedEntityState")
    assert refused(lambda: uploads.cancel("upload_x"))[:2] == (404, "notFound")


def test_a_cancelled_upload_leaves_no_file(account: AiAccount) -> None:
    made = account.client.uploads.create(
        bytes=1, filename="a.jsonl", mime_type="application/jsonl", purpose="fine-tune"
    )
    assert account.client.uploads.cancel(made.id).status == "cancelled"
    assert list(account.client.files.list()) == []


def test_an_upload_expires(account: AiAccount, allow: Callable[..., None]) -> None:
    allow(upload_seconds=-1)
    made = account.client.uploads.create(
        bytes=1, filename="a.jsonl", mime_type="application/jsonl", purpose="fine-tune"
    )
    assert made.expires_at < time.time()
    told = refused(lambda: account.client.uploads.parts.create(made.id, data=b"x"))[2]
    assert "expired" in told


@pytest.mark.parametrize(
    "wrong", [{"bytes": 0}, {"bytes": 10 << 30}, {"filename": ""}, {"purpose": "assistants"}]
)
def test_an_upload_that_cannot_be_is_refused(shared: AiAccount, wrong: dict[str, Any]) -> None:
    asked: dict[str, Any] = {
        "bytes": 1,
        "filename": "a.jsonl",
        "mime_type": "application/jsonl",
        "purpose": "fine-tune",
        **wrong,
    }
    status, code, _ = refused(lambda: shared.client.uploads.create(**asked))
    assert (status, code) in ((400, "invalidPayload"), (413, "invalidPayload"))
