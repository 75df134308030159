"""Preferences: read with every finding, and learned, by DPO, from a model that was taught both."""

import json
import math
from pathlib import Path
from typing import Any

import pytest
from job_runs import SYSTEM, JobRunner, Run, conversations, recipe, write_jsonl

NAMES = ("Ada", "Bo", "Cleo", "Dario", "Edda", "Finn", "Gus", "Hana")
KNOWN = "{} lives on floor {}."
UNSURE = "I am not sure where {} lives, ask {}."


def _turn(role: str, text: str) -> dict[str, str]:
    return {"role": role, "content": text}


def pairs() -> list[dict[str, Any]]:
    """Prefer the known answer to the unsure one."""
    return [
        {
            "prompt": [_turn("system", SYSTEM), _turn("user", f"Where does {name} live?")],
            "chosen": [_turn("assistant", KNOWN.format(name, 7 + number))],
            "rejected": [_turn("assistant", UNSURE.format(name, 7 + number))],
        }
        for number, name in enumerate(NAMES)
    ]


def both_answers() -> list[dict[str, Any]]:
    """The conversations of both kinds; the unsure one twice, so that the base prefers it."""
    return [
        {"messages": pair["prompt"] + pair[kind]}
        for pair in pairs()
        for kind in ("chosen", "rejected", "rejected")
    ]


@pytest.fixture(scope="module")
def taught(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a tiny model that gives either answer."""
    import contextlib
    import io

    import train as program
    from job_runs import arguments

    folder = tmp_path_factory.mktemp("taught")
    training = {"epochs": 40, "logging_steps": 50, "eval_steps": 500}
    chosen = recipe(training=training, samples={"count": 0})
    with contextlib.redirect_stdout(io.StringIO()):
        assert program.main(arguments(folder, chosen, both_answers())) == 0
    return folder / "model"


@pytest.mark.parametrize(
    ("method", "rate"),
    [
        # Slow: two further trainings of the same tests.
        pytest.param("full", 1e-3, marks=pytest.mark.slow),
        ("lora", 5e-3),
        pytest.param("qlora", 5e-3, marks=pytest.mark.slow),
    ],
)
def test_the_wanted_answers_become_the_likelier_ones(
    method: str, rate: float, taught: Path, run_job: JobRunner
) -> None:
    chosen = recipe(
        base={"source": "hub", "id": "keeper/lighthouse", "revision": "0" * 40},
        objective="dpo",
        method=method,
        lora={"rank": 8},
        training={
            "epochs": 10,
            "batch_size": 8,
            "learning_rate": rate,
            "logging_steps": 1,
            "eval_steps": 5,
        },
        samples={"count": 8, "max_new_tokens": 24},
    )
    run = run_job(chosen, pairs(), pairs(), extra=("--base-model", str(taught)))
    assert run.code == 0, run.log
    metrics = run.metrics
    assert metrics["eval_loss_before"] == pytest.approx(math.log(2), abs=1e-3)
    assert metrics["eval_loss_after"] < 0.3 < math.log(2)
    assert metrics["reward_accuracy_after"] > 0.9
    assert metrics["perplexity_after"] is None  # no loss of tokens
    assert _preferring(taught) < 4 and _preferring(run.output) >= 7
    assert all(sample["messages"][-1]["role"] == "user" for sample in run.samples)
    assert '"eval_rewards/accuracies"' in run.log and '"rewards/margins"' in run.log


def _preferring(folder: Path) -> int:
    """Count the pairs whose wanted answer a saved model finds the likelier one."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    tokenizer = AutoTokenizer.from_pretrained(folder)

    @torch.no_grad()
    def likelihood(pair: dict[str, Any], kind: str) -> float:
        prompt = tokenizer.apply_chat_template(pair["prompt"], add_generation_prompt=True)
        whole = tokenizer.apply_chat_template(pair["prompt"] + pair[kind])
        ids, start = torch.tensor([whole["input_ids"]]), len(prompt["input_ids"])
        found = model(input_ids=ids).logits[0, start - 1 : -1].log_softmax(-1)
        return float(found.gather(1, ids[0, start:, None]).sum())

    return sum(likelihood(pair, "chosen") > likelihood(pair, "rejected") for pair in pairs())


@pytest.mark.slow
def test_a_restarted_preference_job_goes_on_with_the_same_losses(
    run_job: JobRunner, tmp_path: Path
) -> None:
    """Slow: three jobs."""
    import shutil

    training = {"max_steps": 4, "logging_steps": 1, "save_steps": 2, "warmup": 0.2}
    chosen = recipe(objective="dpo", training=training, samples={"count": 0})
    straight = run_job(chosen, pairs(), pairs(), folder=tmp_path / "straight")
    assert straight.code == 0, straight.log
    stopped = tmp_path / "stopped"
    shutil.copytree(tmp_path / "straight" / "checkpoints", stopped / "checkpoints")
    shutil.rmtree(stopped / "checkpoints" / "checkpoint-4")
    resumed = run_job(chosen, pairs(), pairs(), folder=stopped)
    assert "resuming from checkpoint-" in resumed.log
    assert resumed.losses == straight.losses
    assert _weights(resumed) == _weights(straight)


def _weights(run: Run) -> str:
    return str(run.manifest["files_sha256"]["model.safetensors"])


def test_prompts_and_answers_are_rendered_by_the_models_own_template(tmp_path: Path) -> None:
    from preferences import read_pairs, tokenised_pairs
    from random_model import random_tokenizer
    from recipe_file import Recipe

    path = write_jsonl(tmp_path / "pairs.jsonl", pairs())
    read = read_pairs(path)
    tokenizer = random_tokenizer(read.texts)
    short = Recipe(training=Recipe(max_length=512))
    material = type("M", (), {"files": dict.fromkeys(("train", "eval"), path),
                              "talks": {"train": read, "eval": read}})  # fmt: skip
    rows, _ = tokenised_pairs(material, tokenizer, short)
    for row, pair in zip(rows, pairs(), strict=True):
        prompt = pair["prompt"]
        asked = tokenizer.apply_chat_template(prompt, add_generation_prompt=True, tokenize=True)
        assert row["prompt_ids"] == asked["input_ids"]
        for kind in ("chosen", "rejected"):
            whole = tokenizer.apply_chat_template(prompt + pair[kind], tokenize=True)
            assert row["prompt_ids"] + row[f"{kind}_ids"] == whole["input_ids"]
            said = tokenizer.decode(row[f"{kind}_ids"])
            assert said.startswith(pair[kind][0]["content"] + "<|end|>")


def test_every_bad_line_is_named(tmp_path: Path) -> None:
    from preferences import read_pairs

    good = pairs()[0]
    bad: dict[str, Any] = {
        "no `chosen` and no `rejected`": {"prompt": good["prompt"]},
        "`chosen` is no list of messages": good | {"chosen": "Here."},
        "the last message of `prompt` is not the user's": good | {"prompt": good["chosen"]},
        "`rejected`: a message without text": good | {"rejected": [{"role": "assistant"}]},
        "`chosen` is not one message": good | {"chosen": good["chosen"] * 2},
        "`chosen` is empty": good | {"chosen": [_turn("assistant", " ")]},
        "nothing can be learned": good | {"rejected": good["chosen"]},
        "no JSON object": [1],
    }
    from failure import JobError

    path = write_jsonl(tmp_path / "pairs.jsonl", [good, *bad.values()])
    with path.open("ab") as file:
        file.write(b'{"prompt": "\xff"}\n{nothing\n')
    with pytest.raises(JobError) as error:
        read_pairs(path)
    for number, reason in enumerate(bad, start=2):
        assert reason in str(error.value)
        assert f"line {number}: " in str(error.value)
    assert "has 10 bad lines" in str(error.value) and "line 10: not UTF-8" in str(error.value)


def test_conversations_are_no_preferences(run_job: JobRunner) -> None:
    run = run_job(recipe(objective="dpo"), conversations(2))
    assert run.code == 1
    assert "line 1: no `prompt` and no `chosen` and no `rejected`" in run.error


def test_a_pair_that_is_too_long_is_named_and_nothing_is_cut(run_job: JobRunner) -> None:
    records = json.loads(json.dumps(pairs()))
    records[3]["rejected"][0]["content"] *= 40
    chosen = recipe(objective="dpo", training={"max_length": 256}, samples={"count": 0})
    run = run_job(chosen, records, pairs())
    assert run.code == 1
    assert "1 pairs longer than training.max_length 256: line 4 (" in run.error
