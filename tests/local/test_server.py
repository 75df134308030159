"""The door and the house rules: proxy, sign-in, tokens, error shapes, COVERAGE.md."""

import os
import ssl
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from azure.core.exceptions import ClientAuthenticationError
from azure.identity import ClientSecretCredential
from azure_group import API, Group

from local import coverage
from local.access import Principal
from local.login.tokens import ARM_AUDIENCE, STORAGE_AUDIENCE, mint
from local.process import LocalAzure
from local.proxy import is_outside, is_played

ARM = "https://management.azure.com"
NOBODY = Principal("ServicePrincipal", "00000000-0000-0000-0000-000000000001", "nobody")


@pytest.fixture
def client(local_azure: LocalAzure) -> Iterator[httpx.Client]:
    context = ssl.create_default_context(cafile=str(local_azure.ca_bundle))
    with httpx.Client(proxy=local_azure.proxy_url, verify=context) as client:
        yield client


def subscription() -> str:
    return f"{ARM}/subscriptions/{os.environ['AZURE_SUBSCRIPTION_ID']}"


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def test_the_proxy_asks_for_its_password(local_azure: LocalAzure) -> None:
    for wrong in ("", "rehearsal:wrong@"):
        port = local_azure.proxy_url.rsplit(":", 1)[1]
        with (
            httpx.Client(proxy=f"http://{wrong}127.0.0.1:{port}") as client,
            pytest.raises(httpx.ProxyError, match="407"),
        ):
            client.get(f"{ARM}/subscriptions")


@pytest.mark.parametrize(
    "url",
    [
        "https://example.com/",
        "https://management.azure.com:8443/",
        "https://management.azure.com.example.com/",
        "https://evil-huggingface.co/",
        "https://x.vault.azure.net/",
    ],
)
def test_a_host_that_is_not_played_is_refused_and_logged(
    client: httpx.Client, azure_folder: Path, url: str
) -> None:
    with pytest.raises(httpx.ProxyError, match="403"):
        client.get(url)
    host = url.removeprefix("https://").rstrip("/")
    assert f"refused: {host.partition(':')[0]}:" in (azure_folder / "server.log").read_text()


def test_a_job_may_reach_the_model_hub_and_nothing_else() -> None:
    for host in ("huggingface.co", "cdn-lfs.huggingface.co", "cas-bridge.xethub.hf.co"):
        assert is_outside(host) and not is_played(host)
    for host in ("hf.co.example.com", "nothf.co", "pypi.org", "management.azure.com"):
        assert not is_outside(host)


def test_plain_http_does_not_pass(local_azure: LocalAzure) -> None:
    with httpx.Client(proxy=local_azure.proxy_url) as client:
        answer = client.get("http://management.azure.com/subscriptions")
    assert answer.status_code == 403


def test_the_socket_behind_the_proxy_is_private(local_azure: LocalAzure) -> None:
    import psutil

    sockets = [
        Path(connection.laddr)
        for connection in psutil.Process(local_azure.pid).net_connections("unix")
        if connection.laddr and "tunestack" in str(connection.laddr)
    ]
    assert sockets
    assert sockets[0].parent.stat().st_mode & 0o777 == 0o700
    listening = psutil.Process(local_azure.pid).net_connections("tcp")
    assert {c.laddr.ip for c in listening if c.status == psutil.CONN_LISTEN} == {"127.0.0.1"}


def test_secrets_are_readable_by_the_owner_alone(
    local_azure: LocalAzure, azure_folder: Path
) -> None:
    for name in ("server.json", "tenant.json", "ca.key"):
        assert (azure_folder / name).stat().st_mode & 0o777 == 0o600


def test_an_operation_that_is_not_played_names_itself(
    client: httpx.Client, azure_folder: Path
) -> None:
    answer = client.patch(f"{ARM}/no/such/thing?api-version=1")
    assert answer.status_code == 404
    assert "PATCH https://management.azure.com/no/such/thing" in answer.json()["error"]["message"]
    assert answer.headers["x-ms-request-id"]
    log = (azure_folder / "server.log").read_text()
    assert "not played: PATCH management.azure.com/no/such/thing" in log


def test_a_wrong_secret_is_refused_with_entra_s_code(local_azure: LocalAzure) -> None:
    credential = ClientSecretCredential(
        os.environ["AZURE_TENANT_ID"], os.environ["AZURE_CLIENT_ID"], "wrong"
    )
    with pytest.raises(ClientAuthenticationError, match="AADSTS7000215"):
        credential.get_token(f"{ARM}/.default")


def test_an_unknown_application_and_an_unknown_resource_are_refused(
    local_azure: LocalAzure,
) -> None:
    tenant, id, secret = (
        os.environ[f"AZURE_{name}"] for name in ("TENANT_ID", "CLIENT_ID", "CLIENT_SECRET")
    )
    with pytest.raises(ClientAuthenticationError, match="AADSTS700016"):
        ClientSecretCredential(tenant, NOBODY.object_id, secret).get_token(f"{ARM}/.default")
    with pytest.raises(ClientAuthenticationError, match="AADSTS500011"):
        ClientSecretCredential(tenant, id, secret).get_token("https://example.com/.default")


def test_a_request_without_a_good_token_is_refused(
    client: httpx.Client, azure_folder: Path
) -> None:
    url = f"{subscription()}?api-version={API}"
    good = mint(azure_folder, NOBODY, ARM_AUDIENCE)
    head, claims, signature = good.split(".")
    cases = {
        "AuthenticationFailed": {},
        "InvalidAuthenticationToken": bearer(f"{head}.{claims}x.{signature}"),
        "ExpiredAuthenticationToken": bearer(
            mint(azure_folder, NOBODY, ARM_AUDIENCE, lifetime=-60)
        ),
        "InvalidAuthenticationTokenAudience": bearer(mint(azure_folder, NOBODY, STORAGE_AUDIENCE)),
    }
    for code, headers in cases.items():
        answer = client.get(url, headers=headers)
        assert (answer.status_code, answer.json()["error"]["code"]) == (401, code)
    answer = client.get(url, headers=bearer(good))
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "AuthorizationFailed")


def test_bad_requests_are_answered_in_azure_s_shape(
    client: httpx.Client, azure_folder: Path, group: Group
) -> None:
    from local.tenant import tenant

    home = tenant(azure_folder)
    person = Principal("ServicePrincipal", home.person_object_id, home.person_client_id)
    headers = bearer(mint(azure_folder, person, ARM_AUDIENCE))

    def code(method: str, url: str, content: bytes = b"") -> tuple[int, str]:
        answer = client.request(method, url, headers=headers, content=content)
        return answer.status_code, answer.json()["error"]["code"]

    url = f"{ARM}{group.id}"
    assert code("GET", url) == (400, "MissingApiVersionParameter")
    assert code("PUT", f"{url}?api-version=1", b"{") == (400, "InvalidRequestContent")
    assert code("PUT", f"{url}?api-version=1", b"[]") == (400, "InvalidRequestContent")
    other = f"{ARM}/subscriptions/{NOBODY.object_id}?api-version=1"
    assert code("GET", other) == (404, "SubscriptionNotFound")


def test_coverage_md_is_current() -> None:
    assert coverage.FILE.read_text() == coverage.coverage(), "run: python -m local.coverage"
