"""Base beside tuned asked live: what is asked, who is found, and what the rules say of it."""

import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pydantic import SecretStr

import commands.evaluate.sides.places as places
from commands.managed.live_compare import compare_live, deployed
from commands.models.answers import document
from core.errors import PrerequisiteError
from core.refs import EndpointRef, ModelRef
from deploy.access import Access
from deploy.managed.contract import Hosted
from evaluation.questions.travel import SYSTEM, TRAVEL
from evaluation.suites.suite import load_suite
from tests.deploy.small_endpoint import Asked, SmallEndpoint, small_endpoint
from training.managed.contract import TunedModel

BASE = "gpt-4.1-2025-04-14"
TUNED = f"{BASE}.ft-0e20-travel"
MODEL = TunedModel(ModelRef(name=TUNED, version="1"), "openai", BASE, path=TUNED)
OUTPUTS = SimpleNamespace(
    subscription_id="s", resource_group="g", workspace="w", ai_account="a", project=""
)
SESSION: Any = SimpleNamespace(stack="dev", outputs=OUTPUTS, cloud=None, is_rehearsal=False)
SERVICE: Any = SimpleNamespace(route="openai")
SUITE = load_suite("travel")


class Hosting:
    """Opens a deployment that a small server plays."""

    route = "openai"

    def __init__(self, server: SmallEndpoint | None = None) -> None:
        self.server = server

    def access(self, hosted: Hosted) -> Access:
        assert self.server is not None
        url = f"http://127.0.0.1:{self.server.server_port}/"
        reference = EndpointRef(name=hosted.name, scoring_url=url)
        return Access(reference, lambda: SecretStr("t"), {"model": hosted.name})


def hosted(model: str, serves: Any, **known: Any) -> Hosted:
    fields: dict[str, Any] = {"name": f"{serves}-1", "state": "Succeeded", "route": "openai"}
    return Hosted(**{**fields, "model": model, "serves": serves, **known})


@pytest.fixture
def servers(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[tuple[SmallEndpoint, SmallEndpoint]]:
    """The tuned model's, then the base model's."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("TUNESTACK_HOME", str(tmp_path))
    with small_endpoint() as tuned, small_endpoint() as base:
        yield tuned, base


def saying(text: str) -> Any:
    choice = {"message": {"content": text}, "finish_reason": "stop"}
    return lambda asked: asked.whole({"choices": [choice]})


def compared(
    servers: tuple[SmallEndpoint, SmallEndpoint], patch: pytest.MonkeyPatch, **chosen: Any
) -> Any:
    tuned, base = servers
    pairs = [(Hosting(tuned), hosted(TUNED, "tuned")), (Hosting(base), hosted(BASE, "base"))]
    patch.setattr(places, "standing_in", lambda session: pairs)
    return compare_live(SESSION, (SERVICE, MODEL), SUITE, **chosen)


def questions(server: SmallEndpoint) -> list[Any]:
    """Give what was asked but the word that opens each connection."""
    return [body for _, body in server.asked if len(body["messages"]) > 1]


def test_the_hard_rule_is_measured_on_both_sides(
    servers: tuple[SmallEndpoint, SmallEndpoint], monkeypatch: pytest.MonkeyPatch
) -> None:
    servers[0].answer = saying("I leave hotels to others. What do you want to see in Rome?")
    servers[1].answer = saying("Try the Hotel Artemide, a great place to stay near the station.")
    found = compared(servers, monkeypatch)
    told = document(found)
    assert [told[side]["breaking"]["hard_rule"] for side in ("base", "tuned")] == [5, 0]
    assert [told[side]["breaking"]["ends_with_question"] for side in ("base", "tuned")] == [5, 0]
    assert [told[side]["equal_to_reference"] for side in ("base", "tuned")] == [None, None]
    assert told["verdict"].startswith("Too few cases to tell tuned from base"), "five say nothing"
    assert [row["question"] for row in told["rows"]] == list(TRAVEL)
    assert told["rows"][0]["base"]["breaches"][0]["rule"] == "hard_rule"


def test_both_are_asked_the_same_greedily(
    servers: tuple[SmallEndpoint, SmallEndpoint], monkeypatch: pytest.MonkeyPatch
) -> None:
    for server in servers:
        server.answer = saying("Yes?")
    compared(servers, monkeypatch, max_tokens=77)
    tuned, base = (questions(server) for server in servers)
    assert [body.pop("model") for body in tuned] == ["tuned-1"] * 5
    assert [body.pop("model") for body in base] == ["base-1"] * 5
    assert sorted(tuned, key=str) == sorted(base, key=str)
    assert {(body["temperature"], body["max_tokens"]) for body in tuned} == {(0, 77)}
    assert {body["messages"][0]["content"] for body in tuned} == {SYSTEM}


def test_what_was_answered_is_not_asked_again(
    servers: tuple[SmallEndpoint, SmallEndpoint], monkeypatch: pytest.MonkeyPatch
) -> None:
    for server in servers:
        server.answer = saying("Yes?")
    first = compared(servers, monkeypatch)
    asked = [len(server.asked) for server in servers]
    again = compared(servers, monkeypatch)
    assert [len(server.asked) for server in servers] == asked
    assert again.metrics == first.metrics


def test_a_file_is_asked_under_ones_own_system_message(
    servers: tuple[SmallEndpoint, SmallEndpoint], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for server in servers:
        server.answer = saying("Yes?")
    turns = [{"role": "user", "content": "One?"}, {"role": "assistant", "content": "Yes?"}]
    (tmp_path / "asked.jsonl").write_text(json.dumps({"messages": turns}))
    found = compared(servers, monkeypatch, questions=tmp_path / "asked.jsonl", system="Be brief.")
    (case,) = found.cases
    assert [message.content for message in case.case.messages] == ["Be brief.", "One?"]
    assert document(found)["tuned"]["equal_to_reference"] == 1
    assert found.data.name == "asked.jsonl"


def test_a_used_up_minute_is_waited_out(
    servers: tuple[SmallEndpoint, SmallEndpoint], monkeypatch: pytest.MonkeyPatch
) -> None:
    slept: list[float] = []
    monkeypatch.setattr("deploy.talking.asking.time.sleep", slept.append)
    message = "… have exceeded call rate limit of your current OpenAI S0 pricing tier."
    left = [3]

    def busy(asked: Asked) -> None:
        if left[0]:
            left[0] -= 1
            asked.whole({"error": {"code": "429", "message": message}}, 429, Retry_After="10")
        else:
            saying("Yes?")(asked)

    servers[0].answer, servers[1].answer = busy, saying("Yes?")
    assert document(compared(servers, monkeypatch))["tuned"]["answers"] == 5
    assert slept == [10, 10, 10]


@pytest.mark.parametrize(
    ("standing", "told"),
    [
        ([], "The tuned model and the base model are not deployed"),
        ([hosted(TUNED, "tuned")], "The base model is not deployed"),
        ([hosted(BASE, "base")], "The tuned model is not deployed"),
        ([hosted(TUNED, "tuned"), hosted("gpt-4.1-mini-2025-04-14", "base")], "The base model is"),
        ([hosted(f"{TUNED}:ckpt-step-3", "tuned"), hosted(BASE, "base")], "The tuned model is"),
        ([hosted(TUNED, "tuned", state="Failed"), hosted(BASE, "base")], "The tuned model is"),
    ],
)
def test_what_is_missing_is_named_with_the_command(
    standing: list[Hosted], told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pairs = [(Hosting(), one) for one in standing]
    monkeypatch.setattr(places, "standing_in", lambda session: pairs)
    with pytest.raises(PrerequisiteError, match=told) as caught:
        deployed(SESSION, (SERVICE, MODEL))
    assert caught.value.hint == f"tunestack deploy --model {TUNED}:1 --with-base --stack dev"


@pytest.mark.parametrize("served", [BASE, "gpt-4.1", "GPT-4.1-2025-04-14"])
def test_a_base_model_is_found_named_in_full_or_in_part(
    served: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pairs = [(Hosting(), hosted(TUNED, "tuned")), (Hosting(), hosted(served, "base"))]
    monkeypatch.setattr(places, "standing_in", lambda session: pairs)
    wanted = TunedModel(MODEL.ref, "openai", "gpt-4.1", path=TUNED)
    base, _ = deployed(SESSION, (SERVICE, wanted))
    assert base.side.identity["model"] == served
