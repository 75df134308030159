"""Answers of Azure's own services, in all the shapes that people report, over a connection."""

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from commands.chat.printing import tell_filter
from core.errors import CloudError, DeploymentFailed, UserError
from core.refs import EndpointRef
from deploy.access import Access
from deploy.managed import answering
from deploy.managed.answering import judged, wait_until_it_answers
from deploy.talking.asking import Line
from deploy.talking.chat import Answer, Conversation, converse
from tests.deploy.small_endpoint import Asked, SmallEndpoint, small_endpoint

TOKEN = "a-token-of-the-person"
BLOCKED = {
    "error": {
        "message": "The response was filtered due to the prompt triggering …",
        "type": None,
        "param": "prompt",
        "code": "content_filter",
        "status": 400,
        "innererror": {
            "code": "ResponsibleAIPolicyViolation",
            "content_filter_result": {
                "hate": {"filtered": False, "severity": "safe"},
                "jailbreak": {"filtered": True, "detected": True},
                "violence": {"filtered": True, "severity": "medium"},
            },
        },
    }
}
PLURAL = {
    "error": {
        "code": "content_filter",
        "message": "…",
        "inner_error": {"content_filter_results": {"self_harm": {"filtered": True}}},
    }
}
UNWRAPPED = {"status": 400, "code": "content_filter", "message": "The response was filtered"}
TOKENS = (
    "Requests to the ChatCompletions_Create Operation under Azure OpenAI API version v1 have"
    " exceeded token rate limit of your current AIServices S0 pricing tier."
)
NOT_THERE = {"error": {"code": "DeploymentNotFound", "message": "The API deployment for this …"}}


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    found: list[float] = []
    monkeypatch.setattr("deploy.talking.asking.time.sleep", found.append)
    return found


@pytest.fixture
def service(slept: list[float], monkeypatch: pytest.MonkeyPatch) -> Iterator[SmallEndpoint]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with small_endpoint() as running:
        yield running


def access(service: SmallEndpoint) -> Access:
    url = f"http://127.0.0.1:{service.server_port}/openai/v1/chat/completions"
    reference = EndpointRef(name="travel", scoring_url=url, deployment="travel", auth="entra")
    return Access(reference, lambda: SecretStr(TOKEN), {"model": "travel"}, answers="travel")


def talk(service: SmallEndpoint) -> Conversation:
    return converse(lambda: access(service))


def told(service: SmallEndpoint, status: int, document: Any, **headers: str) -> UserError:
    service.answer = lambda asked: asked.whole(document, status, **headers)
    with pytest.raises(UserError) as caught:
        talk(service).ask("hello")
    return caught.value


def test_every_body_names_the_deployment_and_no_header_does(service: SmallEndpoint) -> None:
    conversation = talk(service)
    service.answer = lambda asked: asked.whole(
        {"choices": [{"message": {"content": "Lisbon."}, "finish_reason": "stop"}]}
    )
    assert conversation.ask("Where to?") == "Lisbon."
    headers, body = service.asked[0]
    assert body["model"] == "travel"
    assert headers["Authorization"] == f"Bearer {TOKEN}"
    assert "azureml-model-deployment" not in {name.lower() for name in headers}
    assert conversation.last is not None
    assert conversation.last.deployment == "travel"


def test_azures_odd_chunks_are_read_and_a_filters_end_is_told(service: SmallEndpoint) -> None:
    def odd(asked: Asked) -> None:
        asked.begin()
        results = [{"prompt_index": 0, "content_filter_results": {}}]
        asked.event({"choices": [], "id": "", "model": "", "prompt_filter_results": results})
        asked.event({"choices": [{"index": 0, "delta": {"role": "assistant", "content": None}}]})
        asked.piece("Lis")
        asked.event({"choices": [{"index": 0, "content_filter_offsets": {"check_offset": 3}}]})
        asked.event({"choices": [{"index": 0, "delta": None, "finish_reason": None}]})
        asked.piece("", "content_filter")
        asked.event({"choices": [], "usage": {"completion_tokens": 1}})
        asked.event("[DONE]")

    service.answer = odd
    conversation = talk(service)
    assert "".join(conversation.stream("Where to?")) == "Lis"
    assert conversation.last is not None
    assert conversation.last.finish == "content_filter"
    assert conversation.last.usage == {"completion_tokens": 1}


def test_an_answer_that_was_blocked_whole_is_empty_and_says_why(service: SmallEndpoint) -> None:
    choice = {"message": {"role": "assistant"}, "finish_reason": "content_filter"}
    service.answer = lambda asked: asked.whole({"choices": [choice]})
    conversation = talk(service)
    assert conversation.ask("Where to?") == ""
    assert conversation.last is not None
    assert conversation.last.finish == "content_filter"
    assert conversation.messages == []


@pytest.mark.parametrize(
    ("document", "harms"),
    [(BLOCKED, " (jailbreak, violence: medium)"), (PLURAL, " (self harm)"), (UNWRAPPED, "")],
)
def test_a_blocked_question_is_told_with_what_was_found(
    service: SmallEndpoint, document: dict[str, Any], harms: str
) -> None:
    error = told(service, 400, document)
    assert str(error).startswith(f"Azure's content filter blocked the question{harms};")
    assert "--content-filter" in error.hint
    assert len(service.asked) == 1


def test_used_up_tokens_are_waited_for_once_then_told(
    service: SmallEndpoint, slept: list[float]
) -> None:
    error = told(service, 429, {"error": {"code": "429", "message": TOKENS}}, Retry_After="41")
    assert str(error) == "The deployment's tokens a minute are used up for the next 41 s."
    assert "tunestack deploy --capacity N" in error.hint
    assert slept == [41]
    assert len(service.asked) == 2


def test_a_question_larger_than_the_limit_is_not_waited_for(
    service: SmallEndpoint, slept: list[float]
) -> None:
    told(service, 429, {"error": {"code": "429", "message": TOKENS}}, Retry_After="86400")
    assert slept == []


def test_used_up_requests_are_told_as_requests(service: SmallEndpoint) -> None:
    message = TOKENS.replace("token rate limit", "call rate limit")
    error = told(service, 429, {"error": {"code": "429", "message": message}})
    assert "requests a minute are used up." in str(error)


def test_a_line_that_may_waits_longer(service: SmallEndpoint, slept: list[float]) -> None:
    line = Line(access(service), waits=3)
    service.answer = lambda asked: asked.whole({"error": {"message": TOKENS}}, 429)
    with pytest.raises(CloudError):
        line.ask({"messages": []})
    assert len(slept) == 3


def test_a_missing_role_is_told_with_what_gives_it(service: SmallEndpoint) -> None:
    message = "The principal `x` lacks the required data action `M/OpenAI/…` to perform `POST …`"
    error = told(service, 401, {"error": {"code": "PermissionDenied", "message": message}})
    assert isinstance(error, CloudError)
    assert "You may not ask this deployment (401)" in str(error)
    assert "tunestack up" in error.hint


@pytest.mark.parametrize(
    ("status", "document", "outcome"),
    [
        (200, {"choices": []}, "answers"),
        (404, NOT_THERE, "not yet"),
        (400, {"error": {"code": "DeploymentNotReady", "message": "not ready"}}, "not yet"),
        (500, {"error": {"message": "Failed to get finetune weights path"}}, "not yet"),
        (503, {}, "not yet"),
        (429, {"error": {"code": "429", "message": TOKENS}}, "answers"),
        (400, BLOCKED, "answers"),
        (400, {"error": {"code": "unsupported_parameter", "message": "max_tokens"}}, "answers"),
        (401, {"statusCode": 401, "message": "Unauthorized."}, "refused"),
        (410, {"error": {"code": "ModelDeprecated", "message": "retired"}}, "refused"),
    ],
)
def test_what_an_answer_says_of_readiness(status: int, document: Any, outcome: str) -> None:
    assert judged(httpx.Response(status, json=document)).outcome == outcome


def test_a_deployment_is_asked_until_its_address_knows_it(
    service: SmallEndpoint, slept: list[float]
) -> None:
    answers = [(404, NOT_THERE), (404, NOT_THERE), (200, {"choices": []})]
    service.answer = lambda asked: asked.whole(answers[0][1], answers.pop(0)[0])
    said: list[str] = []
    wait_until_it_answers(access(service), said.append)
    assert [body["max_tokens"] for _, body in service.asked] == [1, 1, 1]
    assert len(said) == 1
    assert len(slept) == 2


def test_a_deployment_that_never_answers_says_what_it_said_last(
    service: SmallEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answering, "PATIENCE_SECONDS", 0)
    service.answer = lambda asked: asked.whole(NOT_THERE, 404)
    with pytest.raises(DeploymentFailed, match="404 DeploymentNotFound"):
        wait_until_it_answers(access(service), lambda text: None)


def test_who_may_not_ask_is_told_at_once_and_no_token_is_in_it(service: SmallEndpoint) -> None:
    service.answer = lambda asked: asked.whole(
        {"error": {"code": "PermissionDenied", "message": "lacks the required data action"}}, 401
    )
    with pytest.raises(CloudError) as caught:
        wait_until_it_answers(access(service), lambda text: None)
    assert len(service.asked) == 1
    assert TOKEN not in json.dumps([str(caught.value), caught.value.hint, repr(access(service))])


def test_a_filters_end_is_told_at_the_pipe(capsys: pytest.CaptureFixture[str]) -> None:
    for text, told in (("Lis", "cut the answer off"), ("", "blocked the answer")):
        tell_filter(Answer(text, "content_filter", None, "travel", 1.0, None))
        assert told in capsys.readouterr().err
    tell_filter(Answer("Lisbon.", "stop", None, "travel", 1.0, None))
    assert capsys.readouterr().err == ""
