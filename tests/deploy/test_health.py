"""The question to a deployment alone: what counts as an answer, as not yet, and as no."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from core.errors import CloudError, DeploymentFailed, UserError
from core.refs import EndpointRef
from deploy.access import Access
from deploy.releasing import health

KEY = "k3y-of-the-endpoint"


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[float]]:
    pauses: list[float] = []
    monkeypatch.setattr("deploy.releasing.health.time.sleep", pauses.append)
    yield pauses


def access(auth: Any = "key") -> Access:
    ref = EndpointRef(name="ep", scoring_url="https://ep.test/score", auth=auth)
    return Access(ref, lambda: SecretStr(KEY))


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What the deployment says, one after the other; the last for ever."""
    answers: list[Any] = []

    def ask(_: Any, body: dict[str, Any]) -> Any:
        assert body["max_tokens"] == 8
        answer = answers[0] if len(answers) == 1 else answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr("deploy.talking.asking.Line.ask", ask)
    return answers


def refusal(status: int) -> CloudError:
    return CloudError(f"no ({status})", status=status)


@pytest.mark.parametrize("status", [404, 408, 429, 502, 503, 504])
def test_a_deployment_that_is_not_reached_yet_is_asked_again(
    told: list[Any], status: int, no_pauses: list[float]
) -> None:
    told += [refusal(status), refusal(status), "an answer"]
    health.require_answer(access(), "v1")
    assert no_pauses == [health.PAUSE_SECONDS] * 2


def test_a_lost_connection_is_tried_again(told: list[Any]) -> None:
    lost = CloudError("lost")
    lost.__cause__ = httpx.ConnectError("nobody there")
    told += [lost, "an answer"]
    health.require_answer(access(), "v1")


@pytest.mark.parametrize("wrong", [refusal(500), refusal(424), CloudError("no completion"),
                                   UserError("too long")])  # fmt: skip
def test_a_wrong_answer_is_a_failure_at_once(told: list[Any], wrong: Exception) -> None:
    told.append(wrong)
    with pytest.raises(DeploymentFailed, match="v1 is up, but does not answer"):
        health.require_answer(access(), "v1")


def test_patience_ends(told: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "PATIENCE_SECONDS", -1)
    told.append(refusal(503))
    with pytest.raises(DeploymentFailed):
        health.require_answer(access(), "v1")


@pytest.mark.parametrize(("auth", "hint"), [("key", "reads it anew"),
                                            ("entra", "AzureML Data Scientist")])  # fmt: skip
def test_not_being_let_in_says_nothing_of_the_deployment(
    told: list[Any], auth: str, hint: str
) -> None:
    told.append(refusal(403))
    with pytest.raises(CloudError) as caught:
        health.require_answer(access(auth), "v1")
    assert hint in caught.value.hint and "stands and costs" in str(caught.value)
    assert KEY not in str(caught.value) + caught.value.hint


@pytest.mark.parametrize(
    ("takes", "status", "asked"),
    [("chat", 200, 1), ("text", 400, 2), ("nothing", 400, 2), ("nothing", 500, 1)],
)
def test_mlflows_own_scoring_is_asked_in_its_own_words(
    monkeypatch: pytest.MonkeyPatch, takes: str, status: int, asked: int
) -> None:
    """`status` is what it says to what it does not take."""
    seen: list[Any] = []

    def post(url: str, *, json: Any, headers: dict[str, str], timeout: Any) -> httpx.Response:
        assert headers["azureml-model-deployment"] == "v1"
        seen.append(json["input_data"])
        kind = "chat" if isinstance(json["input_data"], dict) else "text"
        answer = 200 if kind == takes else status
        return httpx.Response(answer, json=["Hello there"], request=httpx.Request("POST", url))

    monkeypatch.setattr(httpx, "post", post)
    if takes != "nothing":
        health.require_answer(access(), "v1", "mlflow")
    else:
        with pytest.raises(DeploymentFailed):
            health.require_answer(access(), "v1", "mlflow")
    assert len(seen) == asked
    assert seen[0]["columns"] == ["messages", "max_tokens"]
