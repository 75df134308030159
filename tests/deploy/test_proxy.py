"""OpenAI's API in front of an endpoint: the real `openai` client, and what it never shows."""

import json
import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import httpx
import openai
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from core.errors import CloudError, NotSignedIn
from deploy.access import Access
from tests.deploy.served import Served, served
from tests.deploy.small_endpoint import (
    BASE_COMMAND,
    KEY,
    Asked,
    SmallEndpoint,
    deployed,
    small_endpoint,
    streaming,
)

QUESTION: Any = [{"role": "user", "content": "Grüße \u2028 \U0001f600"}]


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[SmallEndpoint, Served]]:
    with small_endpoint() as endpoint:
        endpoint.deployments.append(deployed("v3-base", "travel-base:3", 0, "base"))
        with served(endpoint.directory(), tmp_path_factory.mktemp("votes") / "v.jsonl") as there:
            yield endpoint, there


@pytest.fixture
def endpoint(running: tuple[SmallEndpoint, Served]) -> Iterator[SmallEndpoint]:
    """The endpoint, as new."""
    endpoint, there = running
    deployments = list(endpoint.deployments)
    endpoint.asked.clear()
    yield endpoint
    endpoint.answer, endpoint.keys, endpoint.deployments = streaming, [KEY], deployments
    there.directory.state = endpoint.look()
    there.directory._access = None


@pytest.fixture
def there(running: tuple[SmallEndpoint, Served], endpoint: SmallEndpoint) -> Served:
    return running[1]


@pytest.fixture
def client(there: Served) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=there.base_url, api_key="anything", max_retries=0) as client:
        yield client


def ask(client: openai.OpenAI, model: str = "tuned", **more: Any) -> str:
    answer = client.chat.completions.create(model=model, messages=QUESTION, **more)
    return str(answer.choices[0].message.content)


def stream(client: openai.OpenAI, model: str = "tuned", **more: Any) -> list[Any]:
    return list(client.chat.completions.create(model=model, messages=QUESTION, stream=True, **more))


def text_of(chunks: list[Any]) -> str:
    return "".join(each.choices[0].delta.content or "" for each in chunks if each.choices)


def test_the_openai_client_asks_each_deployment_by_side_and_by_name(
    client: openai.OpenAI, endpoint: SmallEndpoint
) -> None:
    ids = [each.id for each in client.models.list()]
    assert ids == ["tuned", "base", "v3-tuned", "v3-base"]
    assert client.models.retrieve("base").model_extra == {
        "deployment": "v3-base",
        "model": "travel-base:3",
    }
    heard = [ask(client, model) for model in ids]
    question = QUESTION[0]["content"]
    names = ["v3-tuned", "v3-base"] * 2
    assert heard == [f"{name} heard: {question}" for name in names]


def test_the_openai_client_reads_a_stream_piece_by_piece(client: openai.OpenAI) -> None:
    chunks = stream(client, stream_options={"include_usage": True})
    assert len(chunks) == 5
    assert text_of(chunks) == f"v3-tuned heard: {QUESTION[0]['content']}"
    assert chunks[3].choices[0].finish_reason == "stop"
    assert chunks[4].usage.completion_tokens == 3


def holding(go_on: threading.Event) -> Callable[[Asked], None]:
    """Answer with a piece, and with the rest once a test lets it go on."""

    def answer(asked: Asked) -> None:
        asked.begin()
        asked.piece("one")
        assert go_on.wait(10)
        asked.piece("two", "stop")
        asked.event("[DONE]")

    return answer


def test_pieces_arrive_while_the_endpoint_still_writes(
    client: openai.OpenAI, endpoint: SmallEndpoint
) -> None:
    go_on = threading.Event()

    endpoint.answer = holding(go_on)
    chunks = iter(client.chat.completions.create(model="tuned", messages=QUESTION, stream=True))
    assert next(chunks).choices[0].delta.content == "one"
    go_on.set()
    assert text_of(list(chunks)) == "two"


def test_parameters_go_on_and_the_callers_key_and_model_id_do_not(
    client: openai.OpenAI, endpoint: SmallEndpoint
) -> None:
    ask(client, temperature=0.3, top_p=0.9, max_tokens=7, seed=1, stop=["X"])
    headers, body = endpoint.asked[0]
    expected = {"temperature": 0.3, "top_p": 0.9, "max_tokens": 7, "seed": 1, "stop": ["X"]}
    assert body == {"messages": QUESTION, **expected}
    assert headers["Authorization"] == f"Bearer {KEY}"
    assert "anything" not in json.dumps(endpoint.asked)
    assert not [name for name in headers if name.lower().startswith("x-stainless")]


@pytest.mark.parametrize("refuses", ["stream", "stream_options"])
def test_what_a_deployment_cannot_stream_comes_all_the_same(
    client: openai.OpenAI, endpoint: SmallEndpoint, there: Served, refuses: str
) -> None:
    name = f"v4-no-{refuses}".replace("_", "-")
    endpoint.deployments = [deployed(name, "travel:4", 100, "tuned")]
    there.directory.state = endpoint.look()

    def refusing(asked: Asked) -> None:
        if asked.body.get(refuses):
            asked.refuse(422, "not_supported", f"`{refuses}` is not supported here.")
        else:
            streaming(asked)

    endpoint.answer = refusing
    for _ in range(2):
        chunks = stream(client, stream_options={"include_usage": True})
        assert text_of(chunks) == f"{name} heard: {QUESTION[0]['content']}"
    # The second time it is not asked in vain.
    assert len(endpoint.asked) == 3
    pieces = [each for each in chunks if each.choices and each.choices[0].delta.content]
    assert len(pieces) == (1 if refuses == "stream" else 3)


ERRORS = [
    (400, "too_long", 400, openai.BadRequestError),
    (413, "body_too_large", 413, openai.APIStatusError),
    (422, "not_supported", 422, openai.UnprocessableEntityError),
    (429, "busy", 429, openai.RateLimitError),
    (500, "internal_error", 500, openai.InternalServerError),
    (503, "out_of_time", 503, openai.InternalServerError),
]


@pytest.mark.parametrize("is_stream", [False, True])
@pytest.mark.parametrize(("container", "code", "status", "kind"), ERRORS)
def test_the_containers_refusals_come_with_their_own_status(
    client: openai.OpenAI,
    endpoint: SmallEndpoint,
    container: int,
    code: str,
    status: int,
    kind: type[openai.APIStatusError],
    is_stream: bool,
) -> None:
    endpoint.answer = lambda asked: asked.refuse(container, code, "so it is", Retry_After="7")
    with pytest.raises(kind) as caught:
        ask(client, stream=is_stream)
    assert (caught.value.status_code, caught.value.code) == (status, code)
    assert caught.value.response.headers["Retry-After"] == "7"
    assert "so it is" in caught.value.message


@pytest.mark.parametrize(
    ("azures", "status", "code"),
    [
        (403, 502, "no_access"),
        (408, 504, "timeout"),
        (424, 502, "no_deployment"),
        (429, 429, "busy"),
        (502, 502, "busy"),
        (302, 502, "unexpected_answer"),
    ],
)
def test_azures_refusals_are_never_taken_for_the_callers_fault(
    client: openai.OpenAI, endpoint: SmallEndpoint, azures: int, status: int, code: str
) -> None:
    told = {"error": {"code": "busy", "message": f"no: Bearer {KEY}"}}
    endpoint.answer = lambda asked: asked.whole(told, azures, Location="http://127.0.0.1:9/")
    with pytest.raises(openai.APIStatusError) as caught:
        ask(client)
    assert (caught.value.status_code, caught.value.code) == (status, code)
    assert KEY not in caught.value.response.text


def test_a_renewed_key_is_read_again_and_a_wrong_one_is_not_the_callers(
    client: openai.OpenAI, endpoint: SmallEndpoint
) -> None:
    def checking(asked: Asked) -> None:
        if asked.headers["Authorization"] == "Bearer new":
            streaming(asked)
        else:
            asked.whole({"error": {"code": "key_auth_access_denied", "message": "wrong"}}, 401)

    endpoint.answer, endpoint.keys = checking, ["old", "new"]
    assert "heard" in ask(client)
    endpoint.keys = ["old"]
    assert "heard" in ask(client)
    endpoint.answer = lambda asked: asked.whole({"error": {"message": "wrong"}}, 401)
    with pytest.raises(openai.InternalServerError) as caught:
        ask(client)
    assert caught.value.code == "no_access"


def test_a_token_is_fetched_for_every_question(
    client: openai.OpenAI, endpoint: SmallEndpoint, monkeypatch: pytest.MonkeyPatch, there: Served
) -> None:
    tokens = iter(["first", "second"])
    entra = Access(endpoint.look().ref, lambda: SecretStr(next(tokens)))
    monkeypatch.setattr(there.directory, "_access", entra)
    ask(client)
    ask(client)
    shown = [headers["Authorization"] for headers, _ in endpoint.asked]
    assert shown == ["Bearer first", "Bearer second"]


def test_no_sign_in_is_said_to_be_the_reason(
    client: openai.OpenAI, monkeypatch: pytest.MonkeyPatch, there: Served
) -> None:
    def refused() -> SecretStr:
        raise NotSignedIn("Not signed in to Azure.", hint="az login")

    entra = Access(there.directory.state.ref, refused)
    monkeypatch.setattr(there.directory, "_access", entra)
    with pytest.raises(openai.InternalServerError, match="az login") as caught:
        ask(client)
    assert caught.value.code == "no_access"


def test_while_azure_is_away_what_is_known_answers_on(
    client: openai.OpenAI, monkeypatch: pytest.MonkeyPatch, there: Served
) -> None:
    def away() -> None:
        raise CloudError("Azure could not be reached.")

    monkeypatch.setattr(there.directory, "_look", away)
    monkeypatch.setattr(there.directory, "_seen", 0.0)
    assert client.models.list().data[0].id == "tuned"
    assert "heard" in ask(client)


def test_a_redeployment_is_followed(
    client: openai.OpenAI, endpoint: SmallEndpoint, there: Served
) -> None:
    endpoint.deployments = [deployed("v5-new", "travel:5", 100, "tuned")]

    def gone(asked: Asked) -> None:
        if asked.headers["azureml-model-deployment"] == "v3-tuned":
            asked.whole({"error": {"code": "NotFound", "message": "gone"}}, 404)
        else:
            streaming(asked)

    endpoint.answer = gone
    assert ask(client).startswith("v5-new heard")
    with pytest.raises(openai.NotFoundError, match=BASE_COMMAND):
        ask(client, "base")


def test_an_unknown_model_is_named_with_those_that_there_are(client: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError, match=r"gpt-4.*tuned, base, v3-tuned") as caught:
        ask(client, "gpt-4")
    assert (caught.value.code, caught.value.param) == ("model_not_found", "model")
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("gpt-4")


@pytest.mark.parametrize("end", ["cut", "error", "nonsense"])
def test_a_stream_that_breaks_off_is_an_error_to_the_client(
    client: openai.OpenAI, endpoint: SmallEndpoint, end: str
) -> None:
    def breaking(asked: Asked) -> None:
        asked.begin()
        asked.piece("one")
        if end == "error":
            asked.event({"error": {"code": "out_of_memory", "message": f"with {KEY}"}})
        elif end == "nonsense":
            asked.event("{nonsense")

    endpoint.answer = breaking
    chunks = iter(client.chat.completions.create(model="tuned", messages=QUESTION, stream=True))
    assert next(chunks).choices[0].delta.content == "one"
    with pytest.raises(openai.APIError) as caught:
        list(chunks)
    codes = {"cut": "broken_off", "error": "out_of_memory", "nonsense": "no_completion"}
    assert caught.value.code == codes[end]
    assert KEY not in str(caught.value.body)


@pytest.mark.parametrize(
    "document", [["text"], {"output": "text"}, {"choices": [{"message": {}}]}, b"\xff", b"[" * 9999]
)
def test_what_is_no_completion_is_not_handed_on(
    client: openai.OpenAI, endpoint: SmallEndpoint, document: Any
) -> None:
    endpoint.answer = lambda asked: asked.whole(document)
    with pytest.raises(openai.InternalServerError) as caught:
        ask(client)
    assert (caught.value.status_code, caught.value.code) == (502, "no_completion")


def test_an_endpoint_that_is_away_is_said_to_be(
    client: openai.OpenAI, there: Served, endpoint: SmallEndpoint
) -> None:
    endpoint.answer = lambda asked: asked.connection.shutdown(socket.SHUT_RDWR)
    with pytest.raises(openai.InternalServerError) as caught:
        ask(client)
    assert (caught.value.status_code, caught.value.code) == (502, "unreachable")


@pytest.mark.parametrize("has_begun", [False, True])
def test_a_caller_that_leaves_ends_the_question_at_the_endpoint(
    there: Served, endpoint: SmallEndpoint, has_begun: bool
) -> None:
    arrived, was_cut = threading.Event(), threading.Event()

    def writing(asked: Asked) -> None:
        if has_begun:
            asked.begin()
            asked.piece("one")
        arrived.set()
        asked.connection.settimeout(10)
        if asked.connection.recv(1) == b"":
            was_cut.set()

    endpoint.answer = writing
    body = {"model": "tuned", "messages": QUESTION, "stream": has_begun}
    with httpx.Client(trust_env=False, timeout=httpx.Timeout(10, read=0.3)) as caller:
        with pytest.raises(httpx.ReadTimeout):
            caller.post(f"{there.base_url}/chat/completions", json=body)
        assert arrived.is_set()
    assert was_cut.wait(10)


def test_no_key_is_logged(
    client: openai.OpenAI, there: Served, endpoint: SmallEndpoint, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    ask(client)
    endpoint.answer = lambda asked: asked.refuse(400, "no", f"you sent {asked.headers}")
    with pytest.raises(openai.BadRequestError) as caught:
        ask(client)
    assert KEY not in caught.value.response.text
    assert KEY not in caplog.text
    assert KEY not in repr(there.directory.__dict__)


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (b"", 400), (b"[]", 400), (b"{", 400), (b"\xff", 400), (b"[" * 100_000, 400),
        (b'{"model": "tuned"}', 400), (b'{"messages": []}', 400),
        (b'{"model": "tuned", "messages": [], "seed": NaN}', 400),
        (b'{"model": "tuned", "messages": [], "seed": 1e999}', 400),
        (b'{"model": "\\ud800", "messages": []}', 404),
        (b'{"model": "tuned", "messages": [], "stream": 1}', 400),
        (b'{"model": "tuned", "messages": ["' + b"x" * 1024 * 1024 + b'"]}', 413),
    ],
)  # fmt: skip
def test_a_wrong_body_is_refused_before_anything_is_sent(
    there: Served, endpoint: SmallEndpoint, content: bytes, status: int
) -> None:
    with httpx.Client(trust_env=False) as caller:
        answer = post(caller, there, content)
    assert answer.status_code == status
    assert answer.json()["error"]["type"] == "invalid_request_error"
    assert endpoint.asked == []


def test_a_body_that_does_not_come_is_not_waited_for(
    there: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("deploy.web.proxy.BODY_SECONDS", 0.1)
    address = urlsplit(there.base_url)
    head = (
        f"POST /v1/chat/completions HTTP/1.1\r\nHost: {address.netloc}\r\n"
        "Content-Type: application/json\r\nContent-Length: 99\r\n\r\n{"
    )
    with socket.create_connection((address.hostname, address.port), timeout=10) as caller:
        caller.sendall(head.encode())
        assert caller.recv(100).startswith(b"HTTP/1.1 408 ")


def post(caller: httpx.Client, there: Served, content: bytes) -> httpx.Response:
    headers = {"Content-Type": "application/json"}
    return caller.post(f"{there.base_url}/chat/completions", content=content, headers=headers)


JSON: Any = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
FIELDS = ["messages", "stream", "stream_options", "temperature", "stop", "seed", "n", "role"]
BODIES = st.dictionaries(st.sampled_from(FIELDS) | st.text(), JSON).flatmap(
    lambda body: st.sampled_from(["tuned", "base", "v3-base"]).map(lambda m: {**body, "model": m})
)


def cautious(asked: Asked) -> None:
    """Stream to whom asks for it, whatever the messages are."""
    if asked.body.get("stream") is True:
        asked.begin()
        asked.piece("yes", "stop")
        asked.event("[DONE]")
    else:
        asked.whole({"choices": [{"message": {"role": "assistant", "content": "yes \ud800"}}]})


@pytest.fixture(scope="module")
def caller() -> Iterator[httpx.Client]:
    with httpx.Client(trust_env=False) as caller:
        yield caller


ONE_FIXTURE = [HealthCheck.too_slow, HealthCheck.function_scoped_fixture]


@settings(max_examples=50, deadline=None, suppress_health_check=ONE_FIXTURE)
@given(body=BODIES | JSON, has_list=st.booleans())
def test_no_body_makes_the_proxy_fail(
    endpoint: SmallEndpoint, there: Served, caller: httpx.Client, body: Any, has_list: bool
) -> None:
    endpoint.answer = cautious
    if has_list and isinstance(body, dict):
        body = {**body, "messages": [body.get("messages")]}
    answer = post(caller, there, json.dumps(body).encode())
    assert answer.status_code < 500, answer.text
    if answer.status_code != 200:
        assert answer.json()["error"]["message"]


@settings(max_examples=40, deadline=None)
@given(content=st.binary(max_size=200))
def test_no_bytes_make_the_proxy_fail(
    running: tuple[SmallEndpoint, Served], caller: httpx.Client, content: bytes
) -> None:
    answer = post(caller, running[1], content)
    assert 400 <= answer.status_code < 500
    assert answer.json()["error"]["message"]


def test_many_callers_at_once_get_their_own_answers(there: Served, endpoint: SmallEndpoint) -> None:
    found: dict[int, str] = {}

    def one(number: int) -> None:
        with openai.OpenAI(base_url=there.base_url, api_key="x", max_retries=0) as client:
            messages: Any = [{"role": "user", "content": f"<{number}>"}]
            chunks = client.chat.completions.create(
                model="base" if number % 2 else "tuned", messages=messages, stream=True
            )
            found[number] = text_of(list(chunks))

    threads = [threading.Thread(target=one, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    names = ["v3-tuned", "v3-base"]
    assert found == {number: f"{names[number % 2]} heard: <{number}>" for number in range(16)}


def test_more_than_the_limit_at_once_are_asked_to_wait(
    client: openai.OpenAI, endpoint: SmallEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("deploy.web.proxy.MOST_AT_ONCE", 1)
    go_on = threading.Event()

    endpoint.answer = holding(go_on)
    first = client.chat.completions.create(model="tuned", messages=QUESTION, stream=True)
    with pytest.raises(openai.RateLimitError, match="1 questions are under way"):
        ask(client)
    go_on.set()
    assert text_of(list(first)) == "onetwo"
    endpoint.answer = streaming
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:  # its place is given back when its connection is closed
        try:
            assert "heard" in ask(client)
            return
        except openai.RateLimitError:
            continue
    pytest.fail("the place was not given back")
