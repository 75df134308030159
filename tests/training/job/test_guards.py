"""What a training keeps and when it ends: broken losses, the best weights, odd sizes of files."""

import json
import math
import shutil
from pathlib import Path
from typing import Any

import pytest
from job_runs import JobRunner, conversations, recipe

SHORT = {"max_steps": 8, "logging_steps": 4, "save_steps": 3, "warmup": 0.0}
FEW = {"count": 1, "max_new_tokens": 2}


def broken_from(monkeypatch: pytest.MonkeyPatch, step: int, is_broken: Any) -> None:
    """Make the loss no number from a step of training on, for the batches that are chosen."""
    import torch
    from transformers import Phi3Model

    whole = Phi3Model.forward
    seen = 0

    def forward(self: Any, **named: Any) -> Any:
        nonlocal seen
        output = whole(self, **named)
        seen += self.training and torch.is_grad_enabled()
        if seen >= step and is_broken(named["input_ids"]):
            output.last_hidden_state = output.last_hidden_state * float("nan")
        return output

    monkeypatch.setattr(Phi3Model, "forward", forward)


def test_a_row_that_breaks_the_loss_is_named_by_its_line(
    run_job: JobRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    records = conversations()
    records[20]["messages"][-1]["content"] = " ".join(f"gull {n}" for n in range(60))
    broken_from(monkeypatch, 1, lambda ids: ids.shape[1] > 100)  # as the long row alone makes it
    run = run_job(recipe(training=SHORT, samples=FEW), train=records, evaluation=conversations(3))
    assert run.code == 1, run.log
    assert "it comes from training line 21: look at what is odd there" in run.error
    assert not (run.output / "model.safetensors").exists()


@pytest.mark.slow
def test_a_loss_that_breaks_for_all_rows_names_them_and_what_is_kept(
    run_job: JobRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Slow: one more job."""
    broken_from(monkeypatch, 6, lambda ids: True)
    run = run_job(recipe(training=SHORT, samples=FEW))
    assert run.code == 1
    assert "the loss is nan at step 6; training lines " in run.error
    assert len(run.error.partition("training lines ")[2].partition(" had")[0].split(", ")) == 8
    assert "training.learning_rate" in run.error and "checkpoint-4 is kept" in run.error


@pytest.mark.slow
def test_packed_conversations_are_named_by_their_lines_too(
    run_job: JobRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Slow: one of many jobs of a second."""
    broken_from(monkeypatch, 1, lambda ids: True)
    packed = {**SHORT, "packing": True, "max_length": 128, "batch_size": 1}
    run = run_job(recipe(training=packed, samples=FEW))
    assert run.code == 1
    assert "at step 1; training lines " in run.error
    assert "no checkpoint had been written" in run.error


@pytest.mark.slow
def test_a_learning_rate_that_explodes_ends_the_job_and_harms_no_checkpoint(
    run_job: JobRunner, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Slow: two of many jobs of a second."""
    import torch

    sound = run_job(recipe(training={**SHORT, "max_steps": 4}, samples=FEW))
    assert sound.code == 0
    (sound.output / "model.safetensors").unlink()
    adam = torch.optim.AdamW.step

    def step(self: Any, *given: Any, **named: Any) -> Any:
        for group in self.param_groups:
            group["lr"] = 1e38  # beyond what a recipe admits, so that it happens at once
        return adam(self, *given, **named)

    monkeypatch.setattr(torch.optim.AdamW, "step", step)
    run = run_job(recipe(training={**SHORT, "max_steps": 40}, samples=FEW))
    assert run.code == 1
    assert "training.learning_rate" in run.error and "checkpoint-4 is kept" in run.error
    found = list((tmp_path / "checkpoints").glob("checkpoint-*"))
    assert found and all(_is_finite(checkpoint) for checkpoint in found)
    assert not (run.output / "model.safetensors").exists()


def test_broken_weights_are_never_saved(
    run_job: JobRunner, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    import torch

    adam = torch.optim.AdamW.step
    steps = 0

    def step(self: Any, *given: Any, **named: Any) -> Any:
        nonlocal steps
        result = adam(self, *given, **named)
        steps += 1
        if steps == 6:  # right before a save, so that no loss has shown it yet
            with torch.no_grad():
                self.param_groups[0]["params"][0][0, 0] = math.inf
        return result

    monkeypatch.setattr(torch.optim.AdamW, "step", step)
    run = run_job(recipe(training=SHORT, samples=FEW))
    assert run.code == 1
    assert "the weights are no numbers any more at step 6" in run.error
    assert "checkpoint-4 is kept" in run.error
    assert all(_is_finite(path) for path in (tmp_path / "checkpoints").glob("checkpoint-*"))


def _is_finite(checkpoint: Path) -> bool:
    import torch
    from safetensors.torch import load_file

    tensors = load_file(checkpoint / "model.safetensors")
    return all(bool(torch.isfinite(tensor).all()) for tensor in tensors.values())


@pytest.fixture
def worse_after_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every evaluation after the first trained one measure a higher loss."""
    from conversation_trainer import ConversationTrainer

    whole = ConversationTrainer.evaluation_loop

    def loop(self: Any, *given: Any, **named: Any) -> Any:
        output = whole(self, *given, **named)
        output.metrics["eval_loss"] += 2.0 * max(0, self.state.global_step - 2)
        return output

    monkeypatch.setattr(ConversationTrainer, "evaluation_loop", loop)


OFTEN = {**SHORT, "eval_steps": 2, "save_steps": 3}


@pytest.mark.usefixtures("worse_after_the_first")
@pytest.mark.parametrize("method", ["full", pytest.param("lora", marks=pytest.mark.slow)])
def test_the_best_weights_become_the_model_when_the_recipe_says_so(
    run_job: JobRunner, tmp_path: Path, method: str
) -> None:
    import torch
    from safetensors.torch import load_file

    lora = {"rank": 4, "layers": 1}
    chosen = recipe(method=method, lora=lora, training={**OFTEN, "keep": "best"}, samples=FEW)
    best = run_job(chosen, folder=tmp_path / "best")
    assert best.code == 0, best.log
    metrics = best.metrics
    assert (metrics["kept_step"], metrics["best_step"], metrics["steps"]) == (2, 2, 8)
    assert metrics["eval_loss_after"] == metrics["best_eval_loss"] == best.manifest["eval_loss"]
    assert best.manifest["kept_step"] == 2 and best.manifest["overfit"]["band"]
    named = json.loads((tmp_path / "best" / "checkpoints" / "best.json").read_text())
    assert named == {
        "checkpoint": "checkpoint-2",
        "step": 2,
        "eval_loss": metrics["best_eval_loss"],
    }
    if method == "full":
        kept = load_file(tmp_path / "best" / "checkpoints" / "checkpoint-2" / "model.safetensors")
        saved = load_file(best.output / "model.safetensors")
        assert all(torch.equal(saved[name], kept[name]) for name in saved)

    # A job that stopped after the best one keeps the same weights.
    shutil.rmtree(tmp_path / "best" / "checkpoints" / "checkpoint-8")
    (tmp_path / "best" / "model" / "model.safetensors").rename(tmp_path / "first")
    again = run_job(chosen, folder=tmp_path / "best")
    assert "resuming from checkpoint-6" in again.log
    assert again.metrics["kept_step"] == 2
    assert (again.output / "model.safetensors").read_bytes() == (tmp_path / "first").read_bytes()


@pytest.mark.usefixtures("worse_after_the_first")
@pytest.mark.slow
def test_the_last_weights_are_the_model_and_the_best_are_kept_and_named(
    run_job: JobRunner, tmp_path: Path
) -> None:
    """Slow: a longer job, with a checkpoint at each evaluation."""
    run = run_job(recipe(training=OFTEN, samples=FEW))
    metrics = run.metrics
    assert (metrics["kept_step"], metrics["best_step"]) == (8, 2)
    assert metrics["eval_loss_after"] > metrics["best_eval_loss"]
    assert {path.name for path in (tmp_path / "checkpoints").glob("checkpoint-*")} == {
        "checkpoint-2",
        "checkpoint-6",
        "checkpoint-8",
    }
    last = run.log.splitlines()
    assert any(line.startswith("best: step 2, eval_loss ") for line in last)
    assert any(line.startswith("over-fit: severe (validation / training loss ") for line in last)
    assert metrics["overfit"]["band"] == "severe"


@pytest.mark.slow
def test_each_evaluation_is_saved_with_its_step_and_a_finished_training_trains_no_further(
    run_job: JobRunner, tmp_path: Path
) -> None:
    """Slow: two jobs with checkpoints at each evaluation."""
    chosen = recipe(training={**SHORT, "max_steps": 6, "save_steps": 4}, samples=FEW)
    first = run_job(chosen)
    assert [point["step"] for point in first.metrics["evaluations"]] == [0, 4, 6]
    for step in (4, 6):  # the end of an epoch, and of the training within one
        state = tmp_path / "checkpoints" / f"checkpoint-{step}" / "trainer_state.json"
        history = json.loads(state.read_text())["log_history"]
        assert any(point["step"] == step and "eval_loss" in point for point in history)

    hashed = first.manifest["files_sha256"]["model.safetensors"]
    again = run_job(chosen)
    assert "resuming from checkpoint-6" in again.log
    assert again.manifest["files_sha256"]["model.safetensors"] == hashed
    assert again.metrics["evaluations"] == first.metrics["evaluations"]
    assert again.losses == first.losses


@pytest.mark.slow
def test_a_validation_file_smaller_than_a_batch_is_enough(run_job: JobRunner) -> None:
    """Slow: a whole job for one row."""
    run = run_job(recipe(training=SHORT, samples=FEW), evaluation=conversations(1))
    assert run.code == 0, run.log
    assert all(math.isfinite(point["eval_loss"]) for point in run.metrics["evaluations"])
