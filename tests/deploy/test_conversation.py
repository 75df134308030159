"""What a conversation sends and what it makes of every kind of answer, over a recorded wire."""

import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from core.errors import CloudError, PrerequisiteError, UserError
from core.refs import EndpointRef
from deploy.access import Access
from deploy.talking.asking import Line
from deploy.talking.chat import Conversation, Options, open_conversation

ENDPOINT = EndpointRef(name="ep", scoring_url="https://ep.test/score", deployment="v1-0")
KEY = "a-secret-key"


def completion(text: str) -> httpx.Response:
    message = {"role": "assistant", "content": text}
    return httpx.Response(200, json={"choices": [{"index": 0, "message": message}]})


def error(status: int, message: str, **headers: str) -> httpx.Response:
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx.Response(status, json={"error": {"code": "c", "message": message}}, headers=names)


class Wire:
    """Answers in turn and remembers what was asked."""

    def __init__(self, *answers: httpx.Response | Exception) -> None:
        self.answers = list(answers)
        self.requests: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    @property
    def bodies(self) -> list[dict[str, Any]]:
        return [json.loads(request.content) for request in self.requests]


@pytest.fixture
def talk() -> Callable[..., Conversation]:
    def open_on(wire: Wire, **fields: Any) -> Conversation:
        client = httpx.Client(transport=httpx.MockTransport(wire))
        access = Access(ENDPOINT, lambda: SecretStr(KEY))
        return Conversation(Line(access, client=client), **fields)

    return open_on


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    seconds: list[float] = []
    monkeypatch.setattr("deploy.talking.asking.time.sleep", seconds.append)
    return seconds


def test_history_and_system_message_go_along(talk: Any) -> None:
    wire = Wire(completion("Lisbon."), completion("It is warm."))
    conversation = talk(wire, system="Be brief.", options=Options(max_tokens=9, temperature=0.0))
    assert conversation.ask("Where to?") == "Lisbon."
    assert conversation.ask("Why?") == "It is warm."
    assert wire.bodies[1] == {
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "Where to?"},
            {"role": "assistant", "content": "Lisbon."},
            {"role": "user", "content": "Why?"},
        ],
        "max_tokens": 9,
        "temperature": 0.0,
    }
    assert wire.requests[0].headers["Authorization"] == f"Bearer {KEY}"


def test_a_new_start_keeps_the_system_message_alone(talk: Any) -> None:
    wire = Wire(completion("a"), completion("b"))
    conversation = talk(wire, system="Be brief.")
    conversation.ask("one")
    conversation.forget()
    conversation.ask("two")
    assert [message["content"] for message in wire.bodies[1]["messages"]] == ["Be brief.", "two"]


def test_the_key_is_never_shown(talk: Any) -> None:
    assert KEY not in repr(talk(Wire()))


@pytest.mark.parametrize(
    ("status", "said", "waited"), [(429, "7", 7), (503, "99", 60), (503, "", 1)]
)
def test_a_busy_endpoint_is_asked_once_more_after_its_wait(
    talk: Any, waits: list[float], status: int, said: str, waited: int
) -> None:
    headers = {"Retry_After": said} if said else {}
    wire = Wire(error(status, "busy", **headers), completion("now"))
    assert talk(wire).ask("Where to?") == "now"
    assert waits == [waited]


def test_a_wait_beyond_two_minutes_is_told_instead_of_waited_for(
    talk: Any, waits: list[float]
) -> None:
    with pytest.raises(CloudError, match="busy"):
        talk(Wire(error(503, "busy", Retry_After="9999"))).ask("Where to?")
    assert waits == []


@pytest.mark.parametrize(
    "lost", [httpx.Response(502, text="Bad gateway"), httpx.RemoteProtocolError("cut")]
)
def test_a_question_whose_answer_was_lost_on_the_way_is_asked_once_more(
    talk: Any, waits: list[float], lost: Any
) -> None:
    wire = Wire(lost, completion("now"))
    assert talk(wire).ask("Where to?") == "now"
    with pytest.raises(CloudError, match=r"Bad gateway|cannot be reached: cut"):
        talk(Wire(lost, lost)).ask("Where to?")


def test_an_endpoint_that_stays_busy_is_an_error(talk: Any, waits: list[float]) -> None:
    wire = Wire(error(429, "busy"), error(429, "still busy"))
    with pytest.raises(CloudError, match="still busy"):
        talk(wire).ask("Where to?")
    assert len(wire.requests) == 2


@pytest.mark.parametrize(
    ("answer", "kind", "words"),
    [
        (error(400, "too long"), UserError, "refused the question: too long"),
        (
            error(424, "too long", ms_azureml_model_error_statuscode="400"),
            UserError,
            "refused the question: too long",
        ),
        (error(401, "no"), CloudError, r"refused the key \(401\)"),
        (error(404, "no"), CloudError, "nothing that answers"),
        (error(500, "oh"), CloudError, r"failed \(500\): oh"),
        (
            error(424, "oh", ms_azureml_model_error_statuscode="500"),
            CloudError,
            r"failed \(500\): oh",
        ),
        (httpx.Response(500, json={"message": "in the server"}), CloudError, "in the server"),
        (httpx.Response(200, json=["an", "answer"]), CloudError, "no chat completion"),
        (httpx.Response(200, text="hello"), CloudError, "no chat completion"),
        (httpx.ConnectError("refused"), CloudError, "cannot be reached"),
        (httpx.ReadTimeout("slow"), CloudError, "did not answer"),
    ],
)
def test_every_failure_is_an_error_with_its_reason_and_is_not_remembered(
    talk: Any, answer: Any, kind: type[Exception], words: str
) -> None:
    conversation = talk(Wire(answer))
    with pytest.raises(kind, match=words) as caught:
        conversation.ask("Where to?")
    assert type(caught.value) is kind
    assert conversation.messages == []
    assert KEY not in str(caught.value)


def test_an_endpoint_without_a_deployment_is_named_before_anything_is_asked() -> None:
    empty = ENDPOINT.model_copy(update={"deployment": ""})
    with pytest.raises(PrerequisiteError, match="no deployment"):
        open_conversation(None, None, empty)  # type: ignore[arg-type]
