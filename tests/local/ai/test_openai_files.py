"""Files of an account through the unmodified openai client."""

from collections.abc import Callable
from typing import Any

import pytest
from ai_account import AiAccount, chats, refused
from azure.identity import DefaultAzureCredential
from azure.storage.blob import BlobServiceClient
from azure_group import Group
from openai import OpenAI

BOM = b"\xef\xbb\xbf"


def test_a_file_is_pending_then_running_then_processed_and_read_back_as_it_was(
    shared: AiAccount,
) -> None:
    content = BOM + chats(2)
    file = shared.client.files.create(file=("chats.jsonl", content), purpose="fine-tune")
    assert (file.object, file.filename, file.purpose) == ("file", "chats.jsonl", "fine-tune")
    assert (file.bytes, file.status) == (len(content), "pending")
    assert file.id.startswith("file-") and len(file.id) == 37
    seen = [shared.client.files.retrieve(file.id).status for _ in range(3)]
    assert seen == ["running", "processed", "processed"]
    assert shared.client.files.content(file.id).read() == content


def test_the_list_ends_and_can_be_narrowed_to_a_purpose(shared: AiAccount) -> None:
    ids = [shared.upload(chats(1)) for _ in range(2)]
    listed = [file.id for file in shared.client.files.list(purpose="fine-tune")]
    assert [id for id in listed if id in ids] == ids[::-1]
    assert list(shared.client.files.list(purpose="fine-tune-results")) == []


def test_a_deleted_file_is_gone(shared: AiAccount) -> None:
    id = shared.upload(chats(1))
    assert shared.client.files.delete(id).deleted
    assert refused(lambda: shared.client.files.retrieve(id))[:2] == (404, "notFound")
    assert refused(lambda: shared.client.files.content(id))[0] == 404
    assert refused(lambda: shared.client.files.delete(id))[0] == 404


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"hello\n", "line 1 is not JSON"),
        (b"\n\n", "No valid json line"),
        (b'{"messages": []}\n["a list"]\n', "line 2 is no JSON object"),
        (b'{"a": 1}\n\xff\xfe\n', "line 2"),
    ],
)
def test_what_is_no_jsonl_ends_in_error(shared: AiAccount, content: bytes, told: str) -> None:
    file = shared.client.files.create(file=("a.jsonl", content), purpose="fine-tune")
    ended = shared.client.files.wait_for_processing(file.id, poll_interval=0.001)
    assert ended.status == "error"
    assert told in str(ended.status_details) and "jsonlValidationFailed" in str(
        ended.status_details
    )


@pytest.mark.parametrize("seconds", [3600, 1209599, 2592001])
def test_a_file_expires_after_two_weeks_to_thirty_days(shared: AiAccount, seconds: int) -> None:
    def create(after: int) -> object:
        return shared.client.files.create(
            file=("a.jsonl", chats(1)),
            purpose="fine-tune",
            expires_after={"anchor": "created_at", "seconds": after},
        )

    assert refused(lambda: create(seconds))[:2] == (400, "invalidPayload")
    kept = create(1209600)
    assert kept.expires_at == kept.created_at + 1209600


def test_other_purposes_are_not_played(shared: AiAccount) -> None:
    status, code, told = refused(
        lambda: shared.client.files.create(file=("a.jsonl", b"{}"), purpose="assistants")
    )
    assert (status, code) == (400, "invalidPayload")
    assert "assistants" in told


def test_a_form_without_a_file_is_refused(shared: AiAccount) -> None:
    status, code, _ = refused(
        lambda: shared.client.post("/files", body={"purpose": "fine-tune"}, cast_to=object)
    )
    assert (status, code) == (400, "invalidPayload")


def test_a_file_over_the_limit_is_refused_in_the_documented_words(
    account: AiAccount, allow: Callable[..., None]
) -> None:
    allow(file_bytes=1 << 20)
    big = b" " * (2 << 20)
    status, _, told = refused(
        lambda: account.client.files.create(file=("a.jsonl", big), purpose="fine-tune")
    )
    assert status == 413
    assert "The maximum allowed size is 1 MB" in told
    edge = b" " * ((1 << 20) + 1)
    assert (
        refused(lambda: account.client.files.create(file=("a.jsonl", edge), purpose="fine-tune"))[0]
        == 413
    )
    assert list(account.client.files.list()) == []


def test_an_account_holds_so_many_files_and_bytes(
    account: AiAccount, allow: Callable[..., None]
) -> None:
    def create() -> object:
        return account.client.files.create(file=("a.jsonl", b"{}" * 50), purpose="fine-tune")

    allow(files=1)
    first = create()
    assert refused(create)[1] == "quotaExceeded"
    allow(total_bytes=150)
    assert refused(create)[1] == "quotaExceeded"
    account.client.files.delete(first.id)
    create()


@pytest.fixture(scope="module")
def blob(ai_group: Group, person: dict[str, Any]) -> str:
    """Put a training file into storage and give its address."""
    storage = ai_group.storage(allowSharedKeyAccess=False)
    ai_group.grant(person, "Storage Blob Data Contributor", storage["id"])
    url = f"https://{storage['name']}.blob.core.windows.net"
    service = BlobServiceClient(url, credential=DefaultAzureCredential())
    service.create_container("seeds")
    service.get_blob_client("seeds", "a/chats.jsonl").upload_blob(chats(2))
    return f"{url}/seeds/a/chats.jsonl"


def import_file(client: OpenAI, url: str) -> dict[str, object]:
    body = {"purpose": "fine-tune", "filename": "seed.jsonl", "content_url": url}
    return client.post("/files/import", body=body, cast_to=dict[str, object])


@pytest.mark.parametrize("role", ["Storage Blob Data Reader", "Storage Blob Data Owner"])
def test_a_blob_is_imported_as_the_accounts_own_identity(
    make_account: Callable[..., AiAccount], blob: str, ai_group: Group, role: str
) -> None:
    account = make_account()
    storage = f"{ai_group.id}/providers/Microsoft.Storage/storageAccounts/{ai_group.unique}"
    status, code, told = refused(lambda: import_file(account.client, blob))
    assert (status, code) == (403, "fileImportFailed")
    assert account.document["identity"]["principalId"] in told
    assert "blobServices/containers/blobs/read" in told
    identity = {"principalId": account.document["identity"]["principalId"]}
    ai_group.grant({"id": account.id, "properties": identity}, role, storage)
    made = import_file(account.client, blob)
    assert made["filename"] == "seed.jsonl"
    assert account.client.files.content(str(made["id"])).read() == chats(2)
    assert refused(lambda: import_file(account.client, f"{blob}x"))[:2] == (
        404,
        "fileImportFailed",
    )


def test_an_account_without_an_identity_imports_nothing(
    make_account: Callable[..., AiAccount], blob: str
) -> None:
    account = make_account(identity={"type": "None"})
    assert refused(lambda: import_file(account.client, blob))[:2] == (401, "fileImportFailed")
    assert refused(lambda: import_file(account.client, "https://example.com/a"))[0] == 400
