"""Federated credentials by Azure's rules, and a foreign token exchanged for one of Azure's."""

import base64
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from azure_group import Group, Raw

from core.cloud import Cloud
from core.errors import CloudError
from core.github_token import AUDIENCE, github_credential, github_token
from local.process import LocalAzure

ISSUER = "https://token.actions.githubusercontent.com"
SUBJECT = "repo:octo-org/travel:ref:refs/heads/main"
API = "2023-01-31"


def body(**changed: Any) -> dict[str, Any]:
    return {
        "properties": {"issuer": ISSUER, "subject": SUBJECT, "audiences": [AUDIENCE], **changed}
    }


@pytest.fixture
def identity(group: Group) -> dict[str, Any]:
    return group.identity("workflow")


@pytest.fixture
def path(identity: dict[str, Any]) -> Callable[[str], str]:
    return lambda name: f"{identity['id']}/federatedIdentityCredentials/{name}?api-version={API}"


def test_a_credential_is_made_read_listed_changed_and_deleted(
    raw: Raw, path: Callable[[str], str]
) -> None:
    made = raw("PUT", path("github-branch"), body())
    assert made.status_code == 201
    assert made.json()["properties"] == body()["properties"]
    changed = raw("PUT", path("github-branch"), body(subject="repo:octo-org/travel:pull_request"))
    assert changed.status_code == 200
    (listed,) = raw("GET", path("").replace("/?", "?")).json()["value"]
    assert listed == raw("GET", path("github-branch")).json() == changed.json()
    assert raw("DELETE", path("github-branch")).status_code == 200
    assert raw.refused("GET", path("github-branch")) == (404, "ResourceNotFound")


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"audiences": []}, "exactly one entry"),
        ({"audiences": [AUDIENCE, "https://example.com"]}, "exactly one entry"),
        ({"issuer": ISSUER.replace("https", "http")}, "must be a URL that begins with https"),
        ({"subject": "repo:octo-org/travel:*"}, "takes no wildcards"),
        ({"subject": f" {SUBJECT}"}, "none around"),
        ({"subject": None}, "lacks required properties: properties.subject"),
    ],
)
def test_what_azure_refuses_is_refused(
    raw: Raw, path: Callable[[str], str], changed: dict[str, Any], told: str
) -> None:
    answer = raw("PUT", path("github"), body(**changed))
    assert answer.status_code == 400
    assert told in answer.json()["error"]["message"]


def test_a_pair_of_issuer_and_subject_is_trusted_once_and_twenty_are_the_most(
    raw: Raw, path: Callable[[str], str]
) -> None:
    assert raw("PUT", path("first"), body()).status_code == 201
    assert raw.refused("PUT", path("again"), body()) == (409, "Conflict")
    for number in range(19):
        assert raw("PUT", path(f"more-{number}"), body(subject=str(number))).status_code == 201
    assert raw.refused("PUT", path("more-19"), body(subject="19")) == (400, "BadRequest")
    assert raw("PUT", path("first"), body()).status_code == 200


def test_a_credential_of_no_identity_is_refused(raw: Raw, group: Group) -> None:
    nowhere = f"{group.id}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/nobody"
    path = f"{nowhere}/federatedIdentityCredentials/github?api-version={API}"
    assert raw.refused("PUT", path, body()) == (404, "ParentResourceNotFound")


class GitHub:
    """Hands a job its tokens; the claims can be changed and every request is kept."""

    def __init__(self) -> None:
        self.claims: dict[str, Any] = {}
        self.asked: list[tuple[str, str]] = []
        self.troubles = 0
        """How many requests from now on fail for GitHub's own reasons."""

    def token(self, audience: str) -> str:
        now = int(time.time())
        claims = {
            "iss": ISSUER, "sub": SUBJECT, "aud": audience, "nbf": now, "exp": now + 300,
            **self.claims,
        }  # fmt: skip
        parts = ({"alg": "RS256", "typ": "JWT"}, claims)
        return ".".join([*map(_encoded, parts), "signature"])


def _encoded(part: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode()


@contextmanager
def answering(github: GitHub) -> Iterator[str]:
    """Serve GitHub's address of tokens on the loopback; give it with the query that it has."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            query = parse_qs(urlsplit(self.path).query)
            github.asked.append((self.headers["Authorization"], query["audience"][0]))
            is_known = (
                query["run"] == ["7"] and self.headers["Authorization"] == "Bearer of-the-job"
            )
            is_well = not github.troubles
            github.troubles = max(0, github.troubles - 1)
            self.send_response((200 if is_known else 403) if is_well else 503)
            self.end_headers()
            if is_known and is_well:
                answer = {"value": github.token(query["audience"][0])}
                self.wfile.write(json.dumps(answer).encode())

        def log_message(self, *words: Any) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/token?run=7"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def github(identity: dict[str, Any], raw: Raw, monkeypatch: pytest.MonkeyPatch) -> Iterator[GitHub]:
    """This process, once `raw` has signed in, as a job that is to act as the identity.

    By the test's own patch: a second one, undone before it, would leave the job's variables set.
    """
    github = GitHub()
    with answering(github) as address:
        monkeypatch.setenv("ACTIONS_ID_TOKEN_REQUEST_URL", address)
        monkeypatch.setenv("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "of-the-job")
        monkeypatch.setenv("AZURE_CLIENT_ID", identity["properties"]["clientId"])
        monkeypatch.delenv("AZURE_CLIENT_SECRET")
        yield github


def test_a_job_of_the_branch_is_the_identity_with_the_identitys_rights(
    github: GitHub,
    raw: Raw,
    path: Callable[[str], str],
    group: Group,
    identity: dict[str, Any],
    local_azure: LocalAzure,
) -> None:
    assert raw("PUT", path("github-branch"), body()).status_code == 201
    cloud = Cloud.sign_in(local_azure.environment["AZURE_SUBSCRIPTION_ID"])
    person = cloud.person()
    assert person.object_id == identity["properties"]["principalId"]
    assert not person.is_person
    assert github.asked == [("Bearer of-the-job", AUDIENCE)]

    with pytest.raises(CloudError, match="does not have authorization"):
        cloud.arm.get(group.id, "2024-03-01")
    group.grant(identity, "Reader", group.id)
    assert (cloud.arm.get(group.id, "2024-03-01") or {})["id"] == group.id


def test_every_token_of_azures_is_asked_for_with_a_fresh_one_of_githubs(
    github: GitHub, raw: Raw, path: Callable[[str], str]
) -> None:
    """What GitHub gives lasts for minutes: an old one shown again is AADSTS700024."""
    raw("PUT", path("github-branch"), body())
    credential = github_credential()
    assert credential is not None
    for scope in ("management.azure.com", "storage.azure.com", "ml.azure.com"):
        credential.get_token(f"https://{scope}/.default")
    assert len(github.asked) == 3


@pytest.mark.parametrize(
    ("claims", "number", "told"),
    [
        ({"sub": "repo:octo-org/travel:pull_request"}, "700213", "assertion subject 'repo:octo"),
        ({"sub": SUBJECT.upper()}, "700213", "assertion subject"),
        ({"iss": "https://evil.example.com"}, "700211", "assertion issuer"),
        ({"aud": "https://github.com/octo-org"}, "700212", "assertion audience"),
        ({"exp": 1}, "700024", "not within its valid time range"),
    ],
)
def test_what_the_identity_does_not_trust_letter_by_letter_gets_nothing(
    github: GitHub,
    raw: Raw,
    path: Callable[[str], str],
    local_azure: LocalAzure,
    claims: dict[str, Any],
    number: str,
    told: str,
) -> None:
    raw("PUT", path("github-branch"), body())
    github.claims = claims
    with pytest.raises(CloudError, match=told) as error:
        Cloud.sign_in(local_azure.environment["AZURE_SUBSCRIPTION_ID"]).person()
    assert f"AADSTS{number}" in str(error.value)


def test_a_job_without_the_permission_is_told_which(
    github: GitHub, local_azure: LocalAzure, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "of-another")
    with pytest.raises(CloudError) as error:
        Cloud.sign_in(local_azure.environment["AZURE_SUBSCRIPTION_ID"]).person()
    assert "id-token: write" in error.value.hint
    assert "of-another" not in str(error.value)


def test_a_hiccup_of_githubs_ends_no_wait_and_lasting_trouble_is_told(
    github: GitHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.github_token.WAITS", (0.0, 0.0))
    github.troubles = 2
    assert github_token().endswith(".signature")
    assert len(github.asked) == 3
    github.troubles = 3
    with pytest.raises(CloudError, match="HTTPStatusError"):
        github_token()


def test_outside_of_a_job_and_beside_a_secret_nothing_is_asked_of_github(
    github: GitHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AZURE_CLIENT_SECRET", "chosen")
    assert github_credential() is None
    monkeypatch.delenv("AZURE_CLIENT_SECRET")
    monkeypatch.delenv("ACTIONS_ID_TOKEN_REQUEST_URL")
    assert github_credential() is None
    assert github.asked == []
