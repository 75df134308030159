"""The blob service through azure-storage-blob: round trips, rights, and files on disk."""

import base64
import hashlib
import http.client
import os
import ssl
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from azure.core import MatchConditions
from azure.core.credentials import TokenCredential
from azure.core.exceptions import (
    ClientAuthenticationError,
    HttpResponseError,
    ResourceExistsError,
    ResourceModifiedError,
    ResourceNotFoundError,
)
from azure.identity import DefaultAzureCredential
from azure.storage.blob import BlobServiceClient, ContainerClient, ContentSettings
from azure_group import Group

from local.process import LocalAzure

CONTRIBUTOR = "Storage Blob Data Contributor"


@pytest.fixture
def account(group: Group) -> dict[str, Any]:
    """A storage account where the person may read and write blobs."""
    made = group.storage(allowSharedKeyAccess=False)
    group.grant(person(), CONTRIBUTOR, made["id"])
    return made


@pytest.fixture
def box(account: dict[str, Any]) -> ContainerClient:
    container = service(account).get_container_client("box")
    container.create_container()
    return container


@cache
def person() -> dict[str, Any]:
    from core.cloud import Cloud

    signed_in = Cloud(os.environ["AZURE_SUBSCRIPTION_ID"], credential()).person()
    return {"id": "person", "properties": {"principalId": signed_in.object_id}}


@cache
def credential() -> DefaultAzureCredential:
    """One for all tests: each new one signs in anew."""
    return DefaultAzureCredential()


def service(account: dict[str, Any], who: Any = None) -> BlobServiceClient:
    url = account["properties"]["primaryEndpoints"]["blob"]
    return BlobServiceClient(url, who or credential(), retry_total=1)


def test_a_blob_comes_back_as_it_went(box: ContainerClient) -> None:
    blob = box.get_blob_client("folder/ä b+c%.txt")
    settings = ContentSettings(content_type="text/plain")
    blob.upload_blob(b"hello", metadata={"kind": "greeting"}, content_settings=settings)
    properties = blob.get_blob_properties()
    assert (properties.size, properties.metadata) == (5, {"kind": "greeting"})
    assert properties.content_settings.content_type == "text/plain"
    assert blob.download_blob().readall() == b"hello"
    assert blob.download_blob(offset=1, length=3).readall() == b"ell"


def test_a_blob_is_a_plain_file_and_a_plain_file_is_a_blob(
    box: ContainerClient, azure_folder: Path
) -> None:
    folder = azure_folder / "blobs" / str(box.account_name) / "box"
    box.upload_blob("a/up.bin", b"up")
    assert (folder / "a/up.bin").read_bytes() == b"up"
    (folder / "a/down.bin").write_bytes(b"down")
    assert box.download_blob("a/down.bin").readall() == b"down"
    box.get_blob_client("a/up.bin").set_blob_metadata({"old": "yes"})
    (folder / "a/up.bin").write_bytes(b"written by a job")
    assert box.get_blob_client("a/up.bin").get_blob_properties().metadata == {}


def test_a_large_blob_goes_up_in_blocks_and_down_in_ranges(
    account: dict[str, Any], box: ContainerClient
) -> None:
    url = f"{account['properties']['primaryEndpoints']['blob']}box"
    chunked = ContainerClient.from_container_url(
        url,
        credential(),
        max_single_put_size=1 << 20,
        max_block_size=1 << 20,
        max_single_get_size=1 << 20,
        max_chunk_get_size=1 << 20,
    )
    content = os.urandom((5 << 20) + 17)
    chunked.upload_blob("large", content, max_concurrency=4)
    assert chunked.download_blob("large", max_concurrency=4).readall() == content


def test_checksums_are_checked(box: ContainerClient) -> None:
    box.upload_blob("checked", b"x" * 1000, validate_content=True)
    bad = {"Content-MD5": "AAAAAAAAAAAAAAAAAAAAAA=="}
    with pytest.raises(HttpResponseError) as caught:
        box.upload_blob("broken", b"x", headers=bad)
    assert caught.value.error_code == "Md5Mismatch"
    assert not box.get_blob_client("broken").exists()


def test_lists_go_by_prefix_delimiter_and_page(box: ContainerClient) -> None:
    for name in ("a/1", "a/2", "b", "c/d/e"):
        box.upload_blob(name, b"", metadata={"of": name[0]})
    assert [b.name for b in box.list_blobs()] == ["a/1", "a/2", "b", "c/d/e"]
    assert [b.name for b in box.list_blobs(name_starts_with="a/")] == ["a/1", "a/2"]
    assert sorted(b.name for b in box.walk_blobs()) == ["a/", "b", "c/"]
    pages = box.list_blobs(results_per_page=3).by_page()
    assert [[b.name for b in page] for page in pages] == [["a/1", "a/2", "b"], ["c/d/e"]]
    [b] = box.list_blobs(name_starts_with="b", include=["metadata"])
    assert b.metadata == {"of": "b"}


def test_conditions_hold(box: ContainerClient) -> None:
    blob = box.get_blob_client("once")
    etag = blob.upload_blob(b"1")["etag"]
    with pytest.raises(ResourceExistsError):
        blob.upload_blob(b"2")
    blob.upload_blob(b"2", overwrite=True)
    with pytest.raises(ResourceModifiedError):
        blob.download_blob(etag=etag, match_condition=MatchConditions.IfNotModified)
    now = blob.get_blob_properties().etag
    with pytest.raises(HttpResponseError) as caught:
        blob.download_blob(etag=now, match_condition=MatchConditions.IfModified)
    assert caught.value.status_code == 304


def test_deleting_leaves_no_file_and_no_folder(box: ContainerClient, azure_folder: Path) -> None:
    box.upload_blob("deep/er/blob", b"x")
    box.delete_blob("deep/er/blob")
    folder = azure_folder / "blobs" / str(box.account_name) / "box"
    assert list(folder.iterdir()) == []
    with pytest.raises(ResourceNotFoundError):
        box.delete_blob("deep/er/blob")
    box.delete_container()
    assert not folder.exists()
    with pytest.raises(ResourceNotFoundError, match="ContainerNotFound"):
        box.upload_blob("x", b"")


@pytest.mark.parametrize("name", ["../out", "a/../../out", "a//b", "a/.", "x" * 300, "bell\x07"])
def test_a_name_that_leads_out_of_the_container_is_refused(
    box: ContainerClient, local_azure: LocalAzure, azure_folder: Path, name: str
) -> None:
    assert raw(local_azure, box, "PUT", f"/box/{quote(name)}") == (400, "InvalidUri")
    assert not list((azure_folder / "blobs").rglob("out"))


def test_containers_and_prefixes_that_lead_out_find_nothing(
    box: ContainerClient, local_azure: LocalAzure
) -> None:
    box.upload_blob("kept", b"x")
    for query in ("prefix=/etc/", "prefix=../", "prefix=a%00/"):
        assert raw(local_azure, box, "GET", f"/box?restype=container&comp=list&{query}")[0] == 200
    gone = raw(local_azure, box, "DELETE", "/..?restype=container")
    assert gone == (404, "ContainerNotFound")
    assert raw(local_azure, box, "PUT", "/..?restype=container") == (400, "InvalidResourceName")
    assert box.download_blob("kept").readall() == b"x"


def raw(azure: LocalAzure, box: ContainerClient, method: str, path: str) -> tuple[int, str]:
    """Send a path as it is, which the SDK and other clients would tidy up first."""
    token = credential().get_token("https://storage.azure.com/.default").token
    password, _, address = azure.proxy_url.removeprefix("http://").rpartition("@")
    connection = http.client.HTTPSConnection(
        address, context=ssl.create_default_context(cafile=str(azure.ca_bundle))
    )
    basic = base64.b64encode(password.encode()).decode()
    host = f"{box.account_name}.blob.core.windows.net"
    connection.set_tunnel(host, headers={"Proxy-Authorization": f"Basic {basic}"})
    headers = {"Authorization": f"Bearer {token}", "x-ms-blob-type": "BlockBlob"}
    connection.request(method, path, b"x" if method == "PUT" else None, headers)
    answer = connection.getresponse()
    return answer.status, answer.headers.get("x-ms-error-code", "")


def test_a_name_below_another_blob_is_refused(box: ContainerClient) -> None:
    box.upload_blob("a", b"file")
    with pytest.raises(HttpResponseError, match="ResourceTypeMismatch"):
        box.upload_blob("a/b", b"below it")
    assert box.download_blob("a").readall() == b"file"


def test_an_owner_has_no_right_on_data(group: Group) -> None:
    container = service(group.storage()).get_container_client("box")
    container.create_container()
    with pytest.raises(HttpResponseError, match="containers/blobs/write") as caught:
        # Large: the refusal must reach a client that is still sending.
        container.upload_blob("x", os.urandom(20 << 20))
    assert caught.value.status_code == 403
    assert caught.value.error_code == "AuthorizationPermissionMismatch"


def test_a_reader_reads_and_does_not_write(
    group: Group,
    account: dict[str, Any],
    box: ContainerClient,
    acting_as: Callable[[dict[str, Any]], TokenCredential],
) -> None:
    box.upload_blob("x", b"content")
    identity = group.identity("reader")
    theirs = service(account, acting_as(identity)).get_container_client("box")
    with pytest.raises(HttpResponseError, match="containers/blobs/read"):
        theirs.download_blob("x")
    group.grant(identity, "Storage Blob Data Reader", account["id"])
    assert theirs.download_blob("x").readall() == b"content"
    with pytest.raises(HttpResponseError, match="containers/blobs/delete"):
        theirs.delete_blob("x")
    with pytest.raises(HttpResponseError, match="containers/delete"):
        theirs.delete_container()


def test_a_signature_allows_what_it_says_in_its_container(
    account: dict[str, Any], box: ContainerClient, azure_folder: Path
) -> None:
    signed, expired, writing = signatures(azure_folder, account["name"])
    box.upload_blob("x", b"content")
    ours = ContainerClient.from_container_url(f"{box.url}?{signed}")
    assert ours.download_blob("x").readall() == b"content"
    assert [b.name for b in ours.list_blobs()] == ["x"]
    with pytest.raises(HttpResponseError, match="AuthorizationPermissionMismatch"):
        ours.upload_blob("y", b"")
    ContainerClient.from_container_url(f"{box.url}?{writing}").upload_blob("y", b"")
    for bad in (expired, signed.replace("sp=rl", "sp=racwdl"), signed[:-4] + "0000"):
        with pytest.raises(ClientAuthenticationError):
            ContainerClient.from_container_url(f"{box.url}?{bad}").download_blob("x")
    elsewhere = f"{box.url.replace('/box', '/other')}?{signed}"
    with pytest.raises(ClientAuthenticationError):
        ContainerClient.from_container_url(elsewhere).download_blob("x")


def signatures(folder: Path, account: str) -> list[str]:
    from types import SimpleNamespace

    from local.storage.rights import sas

    world: Any = SimpleNamespace(folder=folder)
    return [
        sas(world, account, "box", "rl"),
        sas(world, account, "box", "rl", seconds=-1),
        sas(world, account, "box", "rwl"),
    ]


def test_keys_and_strangers_are_refused(account: dict[str, Any], box: ContainerClient) -> None:
    with pytest.raises(HttpResponseError, match="KeyBasedAuthenticationNotPermitted"):
        service(account, "c2VjcmV0").get_container_client("box").upload_blob("x", b"")
    stranger = ContainerClient.from_container_url(box.url)
    with pytest.raises(ClientAuthenticationError):
        stranger.download_blob("x")


@pytest.mark.slow
def test_150_megabytes_pass_whole(box: ContainerClient, tmp_path: Path) -> None:
    """Slow: 300 MB through TLS and the proxy."""
    content = os.urandom(1 << 20) * 150
    box.upload_blob("model", content, max_concurrency=2)
    with (tmp_path / "model").open("wb") as target:
        box.download_blob("model", max_concurrency=2).readinto(target)
    digest = hashlib.sha256((tmp_path / "model").read_bytes()).digest()
    assert digest == hashlib.sha256(content).digest()
