"""The evaluation's program on an untrained Phi-3 and on what became of it, in this process.

Slow are those that train first (10 s with the imports, and 3 s for full weights): they hold losses
and answers against those of the training itself.
"""

import contextlib
import io
import json
import math
import os
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from job_runs import SYSTEM, Run, arguments, conversations, recipe, write_jsonl

Line = dict[str, Any]
GREEDY = {"max_tokens": 12}
HELD_OUT = conversations(40)[28:]


@dataclass(frozen=True)
class Evaluation:
    """A run of the program, and what it left behind."""

    code: int
    log: str
    answers: Path

    def lines(self, side: str) -> dict[str, Line]:
        files = sorted((self.answers / quote(side, safe="")).glob("*.jsonl"))
        lines = [json.loads(line) for file in files for line in file.read_text().splitlines()]
        assert len({line["case"] for line in lines}) == len(lines)
        return {line["case"]: line for line in lines}

    def loss(self, side: str) -> float:
        lines = self.lines(side).values()
        return sum(line["nll"] for line in lines) / sum(line["scored_tokens"] for line in lines)

    def accuracy(self, side: str) -> float:
        lines = self.lines(side).values()
        right = sum(line["correct_tokens"] for line in lines)
        return right / sum(line["scored_tokens"] for line in lines)


@pytest.fixture(scope="module")
def untrained(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Recipe and data alone: enough for the base, which most promises can be shown on."""
    folder = tmp_path_factory.mktemp("untrained")
    chosen = recipe(training={"precision": "float32"})
    arguments(folder, chosen, conversations(28), HELD_OUT)
    return Run(0, "", folder)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A training by LoRA, whose checkpoints and losses the tests compare with."""
    return train(tmp_path_factory.mktemp("adapters"), "lora")


def train(folder: Path, method: str) -> Run:
    import train as program

    training = {
        "max_steps": 40, "save_steps": 20, "eval_steps": 20, "learning_rate": 1e-2,
        "precision": "float32", "batch_size": 5,
    }  # fmt: skip
    lora = {"rank": 8} if method == "lora" else {}
    chosen = recipe(method=method, training=training, samples={"count": 3}, lora=lora)
    log = io.StringIO()
    with contextlib.redirect_stdout(log):
        code = program.main(arguments(folder, chosen, conversations(28), HELD_OUT))
    assert code == 0, log.getvalue()
    return Run(code, log.getvalue(), folder)


BASE = {"name": "base", "kind": "base", "step": 0, "model": ""}
TWIN = BASE | {"name": "other/base:2"}
TUNED = {"name": "lisbon:3", "kind": "model", "step": 0, "model": "model_1"}


def at(step: int) -> Line:
    return {"name": f"job@{step}", "kind": "checkpoint", "step": step, "model": ""}


def cases() -> list[Line]:
    return [
        {
            "id": f"case-{number}",
            "messages": record["messages"][:-1],
            "reference": record["messages"][-1]["content"],
        }
        for number, record in enumerate(conversations(40)[28:])
    ]


def evaluate(
    run: Run, folder: Path, *sides: Line, asked: list[Line] | None = None, **decoding: Any
) -> Evaluation:
    """Run the program on a training's folder; the same `folder` again is a second start."""
    import evaluate as program

    folder.mkdir(exist_ok=True)
    order = {
        "recipe": json.loads((run.folder / "recipe.json").read_text()),
        "system_message": SYSTEM,
        "decoding": GREEDY | decoding,
        "sides": list(sides),
    }
    (folder / "evaluation.json").write_text(json.dumps(order))
    write_jsonl(folder / "cases.jsonl", cases() if asked is None else asked)
    given = {
        "order": folder / "evaluation.json",
        "cases": folder / "cases.jsonl",
        "checkpoints": run.folder / "checkpoints",
        "train-file": run.folder / "train.jsonl",
        "answers": folder / "answers",
        "model": f"model_1={run.output}",
    }
    log = io.StringIO()
    with contextlib.redirect_stdout(log):
        code = program.main([part for name in given for part in (f"--{name}", str(given[name]))])
    return Evaluation(code, log.getvalue(), folder / "answers")


@pytest.fixture(scope="module")
def evaluation(trained: Run, tmp_path_factory: pytest.TempPathFactory) -> Evaluation:
    """Base, tuned model and both checkpoints, on what the training held out."""
    found = evaluate(trained, tmp_path_factory.mktemp("all") / "e", BASE, TUNED, at(20), at(40))
    assert found.code == 0, found.log
    return found


def eval_losses(run: Run) -> dict[int, Line]:
    """What the training's own evaluation, by TRL's trainer, has measured at its steps."""
    (state,) = (run.folder / "checkpoints").glob("checkpoint-40/trainer_state.json")
    history = json.loads(state.read_text())["log_history"]
    return {point["step"]: point for point in history if "eval_loss" in point}


@pytest.mark.slow
@pytest.mark.parametrize(("side", "step"), [("base", 0), ("job@20", 20), ("job@40", 40)])
def test_the_loss_is_the_one_that_training_measures_on_the_same_file(
    evaluation: Evaluation, trained: Run, side: str, step: int
) -> None:
    measured = eval_losses(trained)[step]
    assert evaluation.loss(side) == pytest.approx(measured["eval_loss"], rel=1e-5)
    accuracy = measured["eval_mean_token_accuracy"]
    assert evaluation.accuracy(side) == pytest.approx(accuracy, abs=1e-9)


@pytest.mark.slow
def test_the_tuned_model_has_the_perplexity_that_its_training_reports(
    evaluation: Evaluation, trained: Run
) -> None:
    told = trained.metrics["perplexity_after"]
    assert math.exp(evaluation.loss("lisbon:3")) == pytest.approx(told, rel=1e-5)
    assert math.exp(evaluation.loss("base")) > 1.2 * told


@pytest.mark.slow
def test_answers_are_those_of_the_training_s_own_samples(
    evaluation: Evaluation, trained: Run, tmp_path: Path
) -> None:
    settings = json.loads((trained.folder / "recipe.json").read_text())["samples"]
    length = settings["max_new_tokens"]
    penalty = settings["repetition_penalty"]
    found = evaluate(trained, tmp_path, BASE, TUNED, max_tokens=length, repetition_penalty=penalty)
    for side, name in (("base", "base"), ("lisbon:3", "tuned")):
        answers = found.lines(side)
        ours = [answers[f"case-{number}"]["text"] for number in range(3)]
        assert ours == [sample[name] for sample in trained.samples]


@pytest.mark.slow
def test_checkpoints_of_full_weights_and_of_adapters_are_loaded(
    trained: Run, tmp_path: Path
) -> None:
    run = train(tmp_path / "full", "full")
    found = evaluate(run, tmp_path / "e", at(20), at(40))
    assert found.code == 0, found.log
    for step in (20, 40):
        measured = eval_losses(run)[step]["eval_loss"]
        assert found.loss(f"job@{step}") == pytest.approx(measured, rel=1e-5)


@pytest.mark.slow
def test_a_checkpoint_that_is_not_whole_is_refused(trained: Run, tmp_path: Path) -> None:
    import shutil

    run = Run(0, "", Path(shutil.copytree(trained.folder, tmp_path / "run")))
    (weights,) = (run.folder / "checkpoints" / "checkpoint-20").glob("adapter_model.safetensors")
    weights.write_bytes(weights.read_bytes()[:-1])
    found = evaluate(run, tmp_path / "e", at(20))
    assert found.code == 1 and "error: there is no whole checkpoint of step 20" in found.log
    assert evaluate(run, tmp_path / "none", at(5)).code == 1


def test_the_last_turn_alone_is_scored(untrained: Run, tmp_path: Path) -> None:
    one, two = cases()[:2]
    said = {"role": "assistant", "content": one["reference"]}
    longer = [*one["messages"], said, *two["messages"][1:]]
    asked = [one, two, {"id": "both", "messages": longer, "reference": two["reference"]}]
    lines = evaluate(untrained, tmp_path, BASE, asked=asked).lines("base")
    assert lines["both"]["scored_tokens"] == lines["case-1"]["scored_tokens"]
    assert lines["both"]["nll"] != lines["case-1"]["nll"]
    assert lines["both"]["prompt_tokens"] > lines["case-1"]["prompt_tokens"]


@pytest.mark.parametrize(
    "decoding",
    [{}, {"repetition_penalty": 1.3}, {"temperature": 0.9, "top_p": 0.8, "seed": 7}],
    ids=["greedy", "penalty", "chance"],
)
def test_the_company_of_a_case_changes_nothing(
    untrained: Run, tmp_path: Path, decoding: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    import asking

    asked = cases()
    asked[3]["messages"][-1]["content"] *= 9  # a row that fills the others up
    together = evaluate(untrained, tmp_path / "together", BASE, asked=asked, **decoding)
    monkeypatch.setattr(asking, "ANSWERED", (8192, 1))
    monkeypatch.setattr(asking, "SCORED", (2048, 1))
    alone = evaluate(untrained, tmp_path / "alone", BASE, asked=asked, **decoding)
    ours, theirs = (each.lines("base") for each in (together, alone))
    assert [ours[name]["text"] for name in ours] == [theirs[name]["text"] for name in ours]
    for name in ours:
        assert ours[name]["nll"] == pytest.approx(theirs[name]["nll"], rel=1e-5)
    assert len({line["text"] for line in ours.values()}) > 3


def test_chance_is_the_seed_s_alone(untrained: Run, tmp_path: Path) -> None:
    drawn = [
        evaluate(untrained, tmp_path / str(number), BASE, temperature=1.5, seed=seed)
        for number, seed in enumerate((1, 1, 2))
    ]
    texts = [[line["text"] for _, line in sorted(e.lines("base").items())] for e in drawn]
    assert texts[0] == texts[1] != texts[2]


def test_a_second_start_asks_what_is_missing_and_nothing_else(
    untrained: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import asking

    monkeypatch.setattr(asking, "ANSWERED", (8192, 99))
    first = evaluate(untrained, tmp_path, BASE, TWIN)
    (file,) = (tmp_path / "answers" / "base").glob("*.jsonl")
    lines = file.read_text().splitlines(keepends=True)
    file.write_text("".join(lines[:7]) + lines[7][:20])  # a kill in the middle of a line
    kept = {json.loads(line)["case"] for line in lines[:7]}
    second = evaluate(untrained, tmp_path, BASE, TWIN)
    assert second.code == 0, second.log
    assert "base: 12 cases, 5 to ask" in second.log
    assert "other/base:2: 12 cases, 0 to ask" in second.log
    (more,) = sorted(file.parent.glob("*.jsonl"))[1:]
    assert not kept & {json.loads(line)["case"] for line in more.read_text().splitlines()}
    assert len(kept) + len(more.read_text().splitlines()) == 12
    assert first.code == 0 and "evaluate base 12/12" in first.log


def test_sigterm_ends_it_with_75_and_what_was_answered_stays(
    untrained: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import asking

    wrote = asking.Answered.add

    def add(self: Any, lines: list[Line]) -> None:
        wrote(self, lines)
        os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(asking, "ANSWERED", (8192, 5))
    with monkeypatch.context() as patch:
        patch.setattr(asking.Answered, "add", add)
        stopped = evaluate(untrained, tmp_path, BASE)
    assert stopped.code == 75 and "stopped by the node: " in stopped.log
    assert len(stopped.lines("base")) == 5
    again = evaluate(untrained, tmp_path, BASE)
    assert "7 to ask" in again.log and len(again.lines("base")) == 12


def test_less_memory_means_smaller_batches_of_the_same_answers(
    untrained: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import asking

    whole = evaluate(untrained, tmp_path / "whole", BASE)
    real_write, real_scores = asking.write, asking.likelihoods

    def write(model: Any, tokenizer: Any, prompts: list[str], decoding: Any, heard: Any) -> Any:
        if len(prompts) > 3:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory")
        return real_write(model, tokenizer, prompts, decoding, heard)

    def likelihoods(model: Any, batch: list[Any]) -> Any:
        if len(batch) > 1:
            raise RuntimeError("CUDA out of memory")
        return real_scores(model, batch)

    monkeypatch.setattr(asking, "write", write)
    monkeypatch.setattr(asking, "likelihoods", likelihoods)
    found = evaluate(untrained, tmp_path / "less", BASE)
    assert found.code == 0 and "memory is not enough: going on with batches" in found.log
    ours, theirs = found.lines("base"), whole.lines("base")
    assert {name: ours[name]["text"] for name in theirs} == {
        name: theirs[name]["text"] for name in theirs
    }

    def never(model: Any, batch: list[Any]) -> Any:
        raise RuntimeError("CUDA out of memory")

    monkeypatch.setattr(asking, "likelihoods", never)
    failed = evaluate(untrained, tmp_path / "never", BASE)
    assert failed.code == 1 and "error: memory is not enough for a single case" in failed.log


def test_what_is_longer_than_the_context_is_told_and_not_scored(
    untrained: Run, tmp_path: Path
) -> None:
    short, long_answer, long_prompt = cases()[:3]
    long_answer["reference"] = "gulls " * 2100
    long_prompt["messages"][-1]["content"] = "gulls " * 2100
    found = evaluate(untrained, tmp_path, BASE, asked=[short, long_answer, long_prompt])
    assert found.code == 0, found.log
    lines = found.lines("base")
    assert lines["case-0"]["nll"] > 0
    assert lines["case-1"]["tokens"] > 0 and lines["case-1"]["nll"] is None
    assert lines["case-2"]["text"] == "" and lines["case-2"]["finish"] == "length"
    assert "case case-1 is not scored" in found.log and "case case-2 leaves room for 0" in found.log


def test_a_case_is_asked_as_training_conversations_began(untrained: Run, tmp_path: Path) -> None:
    given = cases()[0]
    bare = {"id": "bare", "messages": given["messages"][1:], "reference": given["reference"]}
    lines = evaluate(untrained, tmp_path, BASE, asked=[given, bare]).lines("base")
    assert lines["bare"]["text"] == lines["case-0"]["text"]
    assert lines["bare"]["nll"] == pytest.approx(lines["case-0"]["nll"], rel=1e-6)


def test_a_case_is_asked_of_its_sides_alone_and_without_a_reference_is_not_scored(
    untrained: Run, tmp_path: Path
) -> None:
    one, two = cases()[:2]
    found = evaluate(untrained, tmp_path, BASE, TWIN,
                     asked=[one | {"sides": ["base"]}, two | {"reference": ""}])  # fmt: skip
    assert set(found.lines("base")) == {"case-0", "case-1"}
    assert set(found.lines("other/base:2")) == {"case-1"}
    assert found.lines("base")["case-1"]["nll"] is None


@pytest.mark.slow
def test_another_template_than_the_manifest_s_is_refused(trained: Run, tmp_path: Path) -> None:
    import shutil

    run = Run(0, "", Path(shutil.copytree(trained.folder, tmp_path / "run")))
    template = run.output / "chat_template.jinja"
    template.write_text(template.read_text() + "{# another #}")
    found = evaluate(run, tmp_path / "e", TUNED)
    assert found.code == 1 and "error: the chat template or its special tokens" in found.log


def test_bad_cases_and_arguments_are_named(untrained: Run, tmp_path: Path) -> None:
    import evaluate as program

    found = evaluate(untrained, tmp_path, BASE, asked=[{"id": "x"}, *cases()[:1], {"id": "y"}])
    assert found.code == 1
    assert "cases.jsonl has 2 bad lines: line 1: 'messages', line 3: 'messages'" in found.log
    with pytest.raises(SystemExit) as left:
        program.main(["--order", "x", "--cases", "x", "--answers", "x", "--model", "no folder"])
    assert left.value.code == 2
