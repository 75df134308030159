"""The managed services' trainings with this product's own programs and the small model."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from quick_world import Heard, opened, until

from local.tuning import running, serving
from local.tuning.orders import Outcome, TuningOrder
from local.world import World

ID = "/accounts/a/fineTuning/j"
PLACES = ("Rome", "Oslo", "Lima", "Bonn", "Nice", "Cork", "Riga", "Bern", "Kyiv", "Doha")
MINUTES = 600
"""Seconds that a training may take where others use the machine; it takes one minute."""


def chats(path: Path, count: int) -> Path:
    """Write chats whose every answer begins with a word that the base model never begins with."""
    lines = []
    for number in range(count):
        place = PLACES[number % len(PLACES)]
        question = f"Tell me {'one thing' if number < 10 else 'something nice'} about {place}."
        turns = [("user", question), ("assistant", f"Ahoy! {place} is lovely. Shall we go?")]
        messages = [{"role": role, "content": text} for role, text in turns]
        lines.append(json.dumps({"messages": messages}))
    path.write_text("\n".join(lines) + "\n")
    return path


def pairs(path: Path) -> Path:
    lines = [
        {
            "prompt": [{"role": "user", "content": f"Tell me one thing about {place}."}],
            "chosen": [{"role": "assistant", "content": f"Ahoy! {place} is lovely."}],
            "rejected": [{"role": "assistant", "content": f"{place} is a city like any other."}],
        }
        for place in PLACES[:8]
    ]
    path.write_text("\n".join(json.dumps(line) for line in lines) + "\n")
    return path


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with opened(tmp_path_factory.mktemp("real") / "azure") as world:
        yield world


@pytest.fixture(scope="module")
def tuned(world: World, tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    data = tmp_path_factory.mktemp("data")
    train, validation = chats(data / "train.jsonl", 16), chats(data / "validation.jsonl", 4)
    heard = Heard()
    running.begin(world, ID, TuningOrder(train, validation, epochs=3), heard)
    return heard.outcome(MINUTES)


def said(world: World, name: str, folder: Path | None) -> str:
    """Serve a model, ask it about a place that no chat names, and give its answer."""
    id = f"/accounts/a/deployments/{name}"
    serving.begin(world, id, folder)
    until(lambda: serving.is_ready(world, id) or bool(serving.problem(world, id)), MINUTES)
    assert serving.problem(world, id) == ""

    async def ask() -> Any:
        request = SimpleNamespace(receive=asyncio.Event().wait)
        call: Any = SimpleNamespace(world=world, request=request)
        question = {"role": "user", "content": "Tell me one thing about Paris."}
        body = {"messages": [question], "max_tokens": 24, "temperature": 0}
        return await serving.ask(call, id, body)

    answer = asyncio.run(ask())
    serving.end(world, id)
    assert answer.status_code == 200, answer.body
    return str(json.loads(answer.body)["choices"][0]["message"]["content"])


@pytest.mark.slow
def test_a_training_learns_the_file_and_model_checkpoint_and_base_really_answer(
    world: World, tuned: Outcome
) -> None:
    """Two minutes: trains SmolLM2 for 12 updates, then starts three servers that load it."""
    assert tuned.kind == "succeeded", tuned.reason
    assert [step.step for step in tuned.curve] == list(range(1, 13))
    losses = [step.train_loss for step in tuned.curve]
    measured = [step.valid_loss for step in tuned.curve if step.valid_loss is not None]
    assert losses[0] > 2 * losses[-1] and measured == sorted(measured, reverse=True)
    assert all(step.train_accuracy is not None for step in tuned.curve)
    assert tuned.curve[-1].valid_accuracy > tuned.curve[0].train_accuracy
    assert tuned.tokens > 16 * 3 * 20
    assert [one.step for one in tuned.checkpoints] == [12, 8, 4]
    assert not said(world, "base", None).startswith("Ahoy")
    assert said(world, "tuned", tuned.model).startswith("Ahoy")
    assert said(world, "epoch", tuned.checkpoints[1].folder).startswith("Ahoy")


@pytest.mark.slow
def test_pairs_are_learned_from_a_tuned_model_also_after_a_pause(
    world: World, tuned: Outcome, tmp_path: Path
) -> None:
    """A minute and a half: two starts of the real program, each of which imports torch."""
    heard, id = Heard(), "/accounts/a/fineTuning/pairs"
    file = pairs(tmp_path / "pairs.jsonl")
    order = TuningOrder(
        file, None, objective="dpo", epochs=2, learning_rate=5e-4, start=tuned.model
    )
    running.begin(world, id, order, heard)
    heard.wait(lambda heard: bool(heard.steps) or bool(heard.outcomes), MINUTES)
    running.stop(world, id)
    stopped = heard.outcome(MINUTES)
    assert stopped.kind == "stopped", stopped.reason
    reached = stopped.checkpoints[0].step
    assert 2 <= reached < 4 and (running.folder(world, id) / "kept" / f"step-{reached}").exists()
    running.begin(world, id, order, heard)
    outcome = heard.outcome(MINUTES)
    assert outcome.kind == "succeeded", outcome.reason
    assert [step.step for step in heard.steps] == [1, 2, 3, 4]
    assert f"resuming from checkpoint-{reached}" in running.read_log(world, id)
    losses = [step.train_loss for step in outcome.curve]
    assert losses[0] == pytest.approx(0.693, abs=0.02), "the reference is the model it starts from"
    assert losses[-1] < losses[0] and outcome.tokens > 0
