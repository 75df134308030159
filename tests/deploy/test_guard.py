"""Who may ask `serve`: programs of this machine and its own page, no other page; votes are kept."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest

from core.errors import PrerequisiteError
from deploy.web.server import listen
from evaluation.questions.votes import read_votes, writing
from tests.deploy.served import Served, served
from tests.deploy.small_endpoint import BASE_COMMAND, KEY, SmallEndpoint, small_endpoint


@pytest.fixture(scope="module")
def endpoint() -> Iterator[SmallEndpoint]:
    with small_endpoint() as endpoint:
        yield endpoint


@pytest.fixture(scope="module")
def there(endpoint: SmallEndpoint, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(endpoint.directory(), tmp_path_factory.mktemp("votes") / "v.jsonl") as there:
        yield there


QUESTION = {"model": "tuned", "messages": [{"role": "user", "content": "Hi"}]}
ANSWER = {
    "id": "a", "side": "tuned", "deployment": "v3-tuned", "model": "travel:3", "text": "Hello.",
    "messages": QUESTION["messages"], "finish": "stop", "tokens": 2,
}  # fmt: skip
VOTE = {"kind": "thumb", "verdict": "up", "about": "a", "parameters": {}, "answers": [ANSWER]}
WRITES = [("/v1/chat/completions", QUESTION), ("/api/votes", VOTE)]


def send(there: Served, method: str, path: str, document: Any = None, **headers: str) -> Any:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    url = there.address + path
    return httpx.request(method, url, json=document, headers=named, trust_env=False)


FOREIGN: list[dict[str, str]] = [
    {"Origin": "https://evil.example"},
    {"Origin": "null"},
    {"Origin": "http://127.0.0.1:1"},
    {"Sec_Fetch_Site": "cross-site"},
    {"Sec_Fetch_Site": "same-site"},
    {"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "navigate"},
    {"Host": "evil.example"},
    {"Host": "127.0.0.1"},
    {"Host": "127.0.0.1.evil.example:8080"},
]


@pytest.mark.parametrize("headers", FOREIGN)
@pytest.mark.parametrize(("path", "document"), WRITES)
def test_another_page_of_the_browser_can_neither_ask_nor_vote(
    there: Served, endpoint: SmallEndpoint, path: str, document: Any, headers: dict[str, str]
) -> None:
    before = len(endpoint.asked), len(there.recorded)
    assert send(there, "POST", path, document, **headers).status_code == 403
    assert send(there, "GET", "/api/stack", **headers).status_code == 403
    assert (len(endpoint.asked), len(there.recorded)) == before


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/api/votes"])
@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", ""])
def test_what_a_form_can_send_is_no_question(there: Served, path: str, kind: str) -> None:
    headers = {"Content-Type": kind} if kind else {}
    answer = httpx.post(there.address + path, content=b"{}", headers=headers, trust_env=False)
    assert answer.status_code == 415


def test_no_other_origin_is_ever_allowed(there: Served) -> None:
    asked = {"Origin": "https://evil.example", "Access_Control_Request_Method": "POST"}
    answer = send(there, "OPTIONS", "/v1/chat/completions", **asked)
    assert answer.status_code == 403
    own = send(there, "POST", "/v1/chat/completions", QUESTION, Origin=there.address)
    assert own.status_code == 200
    for each in (answer, own):
        assert not [name for name in each.headers if name.startswith("access-control")]


def test_a_link_from_elsewhere_opens_the_page_and_nothing_else(there: Served) -> None:
    followed = {"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "navigate"}
    assert send(there, "GET", "/", **followed).status_code == 200
    assert send(there, "GET", "/v1/models", **followed).status_code == 403


def test_every_answer_forbids_what_the_page_does_not_need(there: Served) -> None:
    for method, path in [
        ("GET", "/"),
        ("GET", "/page.js"),
        ("GET", "/none"),
        ("PUT", "/v1/models"),
    ]:
        headers = send(there, method, path).headers
        policy = headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert "server" not in headers


def test_what_is_not_there_is_said_in_openais_shape(there: Served) -> None:
    for method, path, status in [("GET", "/v1/none", 404), ("GET", "/v1/chat/completions", 405)]:
        answer = send(there, method, path)
        assert answer.status_code == status
        assert answer.json()["error"]["type"] == "invalid_request_error"


def test_the_page_is_told_what_is_deployed_and_what_is_missing(there: Served) -> None:
    about = send(there, "GET", "/api/stack").json()
    assert about["sides"]["tuned"]["model"] == "travel:3"
    assert (about["sides"]["base"], about["base_command"]) == (None, BASE_COMMAND)
    assert KEY not in str(about)


def test_a_vote_is_on_the_disk_when_it_is_answered(there: Served) -> None:
    assert send(there, "POST", "/api/votes", VOTE).json()["count"] == 1
    kept = read_votes(there.votes).votes[-1]
    assert (kept.stack, kept.endpoint, kept.verdict) == ("test", "ep-test", "up")
    assert kept.answers[0].model == "travel:3"
    withdrawn = send(there, "POST", "/api/votes", {**VOTE, "verdict": "withdrawn"})
    assert withdrawn.json()["count"] == 0


def test_a_wrong_vote_is_refused_by_field(there: Served) -> None:
    answer = send(there, "POST", "/api/votes", {**VOTE, "verdict": "maybe"})
    assert answer.status_code == 400
    assert "verdict" in answer.json()["error"]["message"]


def test_with_a_token_only_who_has_it_gets_answers(endpoint: SmallEndpoint, tmp_path: Path) -> None:
    with served(endpoint.directory(), tmp_path / "v.jsonl", token="s3cret") as there:
        assert send(there, "GET", "/").status_code == 200
        for path in ("/api/stack", "/v1/models", "/v1/none"):
            assert send(there, "GET", path).status_code == 401
            assert send(there, "GET", path, Authorization="Bearer wrong").status_code == 401
        asked = len(endpoint.asked)
        with openai.OpenAI(base_url=there.base_url, api_key="wrong", max_retries=0) as client:
            with pytest.raises(openai.AuthenticationError, match="--token"):
                client.chat.completions.create(**QUESTION)  # type: ignore[call-overload]
            assert len(endpoint.asked) == asked
            there_too = client.with_options(api_key="s3cret")
            assert there_too.models.list().data[0].id == "tuned"
        assert "s3cret" not in str(endpoint.asked)


def test_a_taken_port_is_named_with_the_way_out() -> None:
    with listen(0) as taken:
        taken.listen()
        with pytest.raises(PrerequisiteError, match="another program has it") as caught:
            listen(taken.getsockname()[1])
        assert "--port 0" in caught.value.hint


def test_it_listens_on_this_machine_alone() -> None:
    with listen(0) as taken:
        assert taken.getsockname()[0] == "127.0.0.1"


def test_two_of_them_do_not_write_one_file(endpoint: SmallEndpoint, there: Served) -> None:
    with pytest.raises(Exception, match="written by another process"), writing(there.votes):
        pass
