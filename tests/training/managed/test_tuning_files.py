"""Files go up once, in parts where they are large, and are used when the service has read them."""

from collections.abc import Callable

import pytest
from odd_openai import OddOpenAI, api

from core.errors import CloudError, UserError
from training.managed.contract import Prepared
from training.managed.openai import files
from training.managed.openai.files import ensure_file, file_name

Write = Callable[..., Prepared]


def test_a_content_goes_up_once_under_its_hash(odd: OddOpenAI, prepared: Write) -> None:
    told: list[str] = []
    file = prepared()
    id = ensure_file(api(odd), file, told.append)
    assert ensure_file(api(odd), file, told.append) == id
    assert odd.files[id]["filename"] == f"tunestack-{file.sha256[:16]}.jsonl"
    assert odd.contents[id] == file.path.read_bytes()
    assert odd.count("POST /files") == 1
    assert told[-1] == f"train.jsonl is there already as {file_name(file.sha256)}"


def test_another_purpose_size_or_state_is_not_taken_for_the_file(
    odd: OddOpenAI, prepared: Write
) -> None:
    file = prepared()
    name, content = file_name(file.sha256), file.path.read_bytes()
    others = [
        odd.add_file(name, content, purpose="assistants"),
        odd.add_file(name, content + b"more"),
        odd.add_file(name, content, status="error"),
    ]
    assert ensure_file(api(odd), file, print) not in [other["id"] for other in others]


def test_a_list_that_never_says_it_ends_is_read_once(odd: OddOpenAI) -> None:
    for number in range(30):
        odd.add_file(f"{number}.jsonl")
    assert len(files.list_files(api(odd))) == 30
    assert odd.count("GET /files") == 1


def test_a_file_is_used_when_the_service_has_read_it(odd: OddOpenAI, prepared: Write) -> None:
    odd.reading = ["pending", "running", "processed"]
    told: list[str] = []
    waits: list[float] = []
    id = ensure_file(api(odd, waits.append), prepared(), told.append)
    assert odd.files[id]["status"] == "processed"
    assert len(waits) == 2
    assert told[1:] == [
        "Azure OpenAI reads train.jsonl: pending",
        "Azure OpenAI reads train.jsonl: running",
    ]


def test_a_file_that_cannot_be_used_is_told_with_every_reason_and_deleted(
    odd: OddOpenAI, prepared: Write
) -> None:
    odd.reading = ["pending", "error"]
    asked = odd.add_file
    reason = {"code": "jsonlValidationFailed", "message": "No valid json line found in file."}
    odd.add_file = lambda name, content: asked(name, content, error=reason)  # type: ignore[method-assign, assignment]
    with pytest.raises(UserError, match="jsonlValidationFailed: No valid json line") as caught:
        ensure_file(api(odd), prepared(), print)
    assert "tunestack data check" in caught.value.hint
    assert odd.files == {}


def test_a_file_that_is_never_read_is_left_to_the_service(
    odd: OddOpenAI, prepared: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "READ_WITHIN", 150.0)
    odd.reading = ["running"]
    waits: list[float] = []
    told: list[str] = []
    with pytest.raises(UserError, match="within 2 minutes"):
        ensure_file(api(odd, waits.append), prepared(), told.append)
    assert sum(waits) >= 150
    assert [line.partition(": ")[2] for line in told[1:]] == [
        "running",
        "running, 1 min",
        "running, 2 min",
    ]


@pytest.mark.parametrize("status", [500, 0])
def test_an_upload_whose_answer_is_lost_is_not_repeated(
    odd: OddOpenAI, prepared: Write, status: int
) -> None:
    odd.lose("POST /files", status)
    id = ensure_file(api(odd), prepared(), print)
    assert list(odd.files) == [id]


def test_a_large_file_goes_up_in_parts_that_make_it_whole(
    odd: OddOpenAI, prepared: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "PARTS_FROM", 10)
    monkeypatch.setattr(files, "PART", 7)
    content = b"\xef\xbb\xbf" + b"0123456789" * 3
    told: list[str] = []
    odd.lose("POST /uploads/upload-1/parts")  # its answer; the SDK sends the part again
    id = ensure_file(api(odd), prepared(content=content), told.append)
    assert odd.contents[id] == content
    assert len(odd.parts) == 6
    assert told[-1] == "  0 of 0 MB sent"
    assert odd.count("POST /files") == 0


def test_a_large_upload_whose_end_is_lost_is_found(
    odd: OddOpenAI, prepared: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "PARTS_FROM", 10)
    odd.lose("POST /uploads/upload-1/complete", 504)
    id = ensure_file(api(odd), prepared(content=b"0123456789ab"), print)
    assert list(odd.files) == [id]
    assert odd.count("POST /uploads") == 1


def test_an_upload_that_is_refused_half_way_is_cancelled(
    odd: OddOpenAI, prepared: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "PARTS_FROM", 10)
    odd.refuse("POST /uploads/upload-1/parts", 403, {"error": {"code": "forbidden"}})
    with pytest.raises(CloudError, match="forbidden"):
        ensure_file(api(odd), prepared(content=b"0123456789ab"), print)
    assert odd.count("POST /uploads/upload-1/cancel") == 1
