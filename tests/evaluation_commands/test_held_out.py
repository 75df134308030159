"""What sides are asked: where the questions come from, and who has learned them by heart."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from commands.evaluate.held_out import held_out
from commands.evaluate.sides.resolving import resolve
from core.errors import SettingsError, UserError
from evaluation.cases import Case, Message
from evaluation.results import Source
from evaluation.suites.suite import Suite
from tests.evaluation_commands.standing_stack import (
    TUNED_GPT,
    Service,
    Stack,
    deployed,
    hosted,
    order,
    registered,
)
from training.kept_orders import DataAsset

SAFETY = Case(messages=(Message(role="user", content="Hurt?"),), kind="safety", expects="refusal")
SUITE = Suite(name="plain", safety=(SAFETY,))


def chats(*questions: str) -> bytes:
    rows = [
        {"messages": [{"role": "system", "content": "Be brief."},
                      {"role": "user", "content": question},
                      {"role": "assistant", "content": f"On {question}: yes?"}]}
        for question in questions
    ]  # fmt: skip
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def asset(name: str, content: bytes) -> DataAsset:
    sha256 = hashlib.sha256(content).hexdigest()
    return DataAsset(asset=f"azureml:{name}:1", sha256=sha256, bytes=len(content))


TRAIN, VALIDATION = chats("A", "B", "C", "D"), chats("X", "Y", "Z")


@pytest.fixture
def stack(monkeypatch: pytest.MonkeyPatch) -> Stack:
    train, validation = asset("train", TRAIN), asset("validation", VALIDATION)
    return Stack(
        models=[registered("travel", "3", "2026-11-20")],
        orders={"travel-job-3": order("travel-job-3", train=train, validation=validation)},
        data={train.asset: TRAIN, validation.asset: VALIDATION},
    ).answers(monkeypatch)


def asked(
    stack: Stack, *names: str, data: Path | None = None, suite: Suite = SUITE, **known: Any
) -> tuple[list[Case], Source, tuple[str, ...]]:
    live, limit = known.get("live", False), known.get("limit")
    sides = resolve(stack.session, names or ("base", "tuned"), live=live)
    return held_out(stack.session, sides, data, suite, limit)


def test_without_a_file_it_is_what_the_training_held_out(stack: Stack) -> None:
    cases, source, notes = asked(stack)
    assert [case.question for case in cases] == ["X", "Y", "Z", "Hurt?"]
    assert cases[0].reference == "On X: yes?"
    assert source == Source(
        name="azureml:validation:1", sha256=hashlib.sha256(VALIDATION).hexdigest()
    )
    assert notes == ()


def test_what_is_deployed_knows_its_training_too(stack: Stack) -> None:
    stack.deployments = [deployed("v3", "travel:3", 100)]
    cases, source, _ = asked(stack, "endpoint/v3", live=True)
    assert (len(cases), source.name) == (4, "azureml:validation:1")


def test_a_chat_is_asked_under_its_own_system_message_else_under_the_suites(
    stack: Stack, tmp_path: Path
) -> None:
    bare = json.dumps({"messages": [{"role": "user", "content": "N"}]}).encode() + b"\n"
    (tmp_path / "mine.jsonl").write_bytes(chats("M") + bare)
    suite = Suite(name="plain", system="Answer in rhyme.")
    cases, source, _ = asked(stack, data=tmp_path / "mine.jsonl", suite=suite)
    told = [[message.content for message in case.messages] for case in cases]
    assert told == [["Be brief.", "M"], ["Answer in rhyme.", "N"]]
    assert source == Source(name="mine.jsonl", sha256=hashlib.sha256(chats("M") + bare).hexdigest())


def test_a_limit_is_the_suites_unless_one_is_given_and_spares_the_safety_prompts(
    stack: Stack,
) -> None:
    suite = Suite(name="plain", limit=1, safety=(SAFETY,))
    assert [len(asked(stack, suite=suite, limit=limit)[0]) for limit in (None, 2, 0)] == [2, 3, 4]


def test_the_training_file_itself_is_told_of_those_who_learned_it(
    stack: Stack, tmp_path: Path
) -> None:
    (tmp_path / "train.jsonl").write_bytes(TRAIN)
    _, _, (note,) = asked(stack, data=tmp_path / "train.jsonl")
    assert note.startswith("tuned was trained on 4 of the 4 questions that it is asked")


def test_a_file_that_shares_questions_with_the_training_is_told_with_their_number(
    stack: Stack, tmp_path: Path
) -> None:
    (tmp_path / "some.jsonl").write_bytes(chats("A", "D", "new"))
    _, _, (note,) = asked(stack, data=tmp_path / "some.jsonl")
    assert note.startswith("tuned was trained on 2 of the 3 questions")


def test_training_data_that_is_gone_ends_nothing(stack: Stack, tmp_path: Path) -> None:
    del stack.data["azureml:train:1"]
    (tmp_path / "some.jsonl").write_bytes(chats("A"))
    assert asked(stack, data=tmp_path / "some.jsonl")[2] == ()


def test_validation_data_that_changed_since_is_refused(stack: Stack) -> None:
    stack.data["azureml:validation:1"] = chats("other")
    with pytest.raises(UserError, match="is not the file that the job travel-job-3 was given"):
        asked(stack)


def test_of_a_managed_model_the_file_must_be_named_and_a_leak_is_seen_by_its_hash(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    service = Service()
    stack = Stack(service=service).answers(monkeypatch)
    stack.managed = [(Opened(), hosted("gpt-tuned", TUNED_GPT, "tuned"))]
    with pytest.raises(SettingsError) as caught:
        asked(stack, "tuned")
    assert "--data FILE" in caught.value.hint
    path = tmp_path / "train.jsonl"
    path.write_bytes(TRAIN)
    assert asked(stack, "tuned", data=path)[2] == ()
    job = service.job("ftjob-1")
    assert job is not None
    job.tags["data_sha256"] = hashlib.sha256(TRAIN).hexdigest()  # type: ignore[index]
    assert "trained on 4 of the 4 questions" in asked(stack, "tuned", data=path)[2][0]


class Opened:
    route = "openai"
