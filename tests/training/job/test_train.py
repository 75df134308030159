"""The job, from its arguments to what it leaves behind, on an untrained Phi-3."""

import errno
import json
import math
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from failure import explain
from hashes import code_sha256
from job_runs import JOB, SYSTEM, JobRunner, Run, arguments, conversations, recipe

from core.template_fingerprint import SPECIAL_TOKENS, template_fingerprint

if TYPE_CHECKING:
    import torch

SHORT = {"max_steps": 6, "logging_steps": 1, "save_steps": 3, "warmup": 0.2}
FEW = {"count": 2, "max_new_tokens": 4}


@pytest.fixture(scope="module")
def memorised(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """One whole run of the recipe `tiny-phi3`, as it is, with MLflow beside it."""
    import contextlib
    import io

    import train as program

    folder = tmp_path_factory.mktemp("memorised")
    chosen = recipe(samples={"count": 32})
    log = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(log):
        patch.chdir(folder)  # where MLflow puts the artifacts of such a database
        patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{folder}/mlflow.db")
        patch.setenv("MLFLOW_EXPERIMENT_NAME", "lighthouse")
        code = program.main(arguments(folder, chosen))
    return Run(code, log.getvalue(), folder)


def test_a_small_file_is_learned_by_heart(memorised: Run) -> None:
    assert memorised.code == 0, memorised.log
    assert len(memorised.samples) == 32
    for sample in memorised.samples:
        assert sample["tuned"] == sample["reference"]
        assert sample["base"] != sample["reference"]
        assert sample["messages"][-1]["role"] == "user"


def test_the_loss_falls_and_is_reported_before_and_after(memorised: Run) -> None:
    metrics = memorised.metrics
    assert metrics["eval_loss_before"] > 5 > 0.5 > metrics["eval_loss_after"]
    assert metrics["perplexity_after"] == pytest.approx(math.exp(metrics["eval_loss_after"]))
    assert metrics["token_accuracy_before"] < 0.1 < 0.95 < metrics["token_accuracy_after"]
    assert metrics["tokens_per_second"] > 0
    assert {"imports", "training", "merging and saving"} <= metrics["seconds"].keys()


def test_the_log_has_a_line_of_metrics_per_logging_step(memorised: Run) -> None:
    lines = [ln for ln in memorised.log.splitlines() if ln.startswith("metrics ")]
    points = [json.loads(line.removeprefix("metrics ")) for line in lines]
    trained = [point for point in points if "loss" in point]
    assert [p["step"] for p in trained] == [p["step"] for p in memorised.metrics["curve"]]
    assert all(point["steps"] == memorised.manifest["steps"] for point in trained)
    assert all("learning_rate" in point and "epoch" in point for point in trained)


def test_mlflow_reads_back_what_the_job_measured(memorised: Run) -> None:
    import mlflow

    client = mlflow.MlflowClient(f"sqlite:///{memorised.folder}/mlflow.db")
    experiment = client.get_experiment_by_name("lighthouse")
    assert experiment is not None
    (run,) = client.search_runs([experiment.experiment_id])
    assert run.info.status == "FINISHED"
    assert run.data.params["training.learning_rate"] == "0.003"
    assert run.data.params["data_sha256"] == memorised.manifest["data_sha256"]["train"]
    history = sorted(client.get_metric_history(run.info.run_id, "loss"), key=lambda m: m.step)
    assert [m.value for m in history] == pytest.approx(memorised.losses)
    evaluations = client.get_metric_history(run.info.run_id, "eval_loss")
    first, last = min(evaluations, key=lambda m: m.step), max(evaluations, key=lambda m: m.step)
    assert first.value == pytest.approx(memorised.metrics["eval_loss_before"])
    assert last.value == pytest.approx(memorised.metrics["eval_loss_after"])


def test_the_saved_model_is_plain_and_keeps_its_own_template(memorised: Run) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from trl.chat_template_utils import phi3_5_chat_template

    names = {path.name for path in memorised.output.iterdir()}
    assert {"model.safetensors", "config.json", "tokenizer.json", "chat_template.jinja"} <= names
    assert not any(name.endswith((".bin", ".pt", ".py")) for name in names)
    tokenizer = AutoTokenizer.from_pretrained(memorised.output)
    assert tokenizer.chat_template == phi3_5_chat_template
    model = AutoModelForCausalLM.from_pretrained(memorised.output)
    assert model.config.model_type == "phi3" and model.config.use_cache


def test_the_manifest_says_what_the_model_is(memorised: Run) -> None:
    import torch
    from transformers import AutoTokenizer

    manifest = memorised.manifest
    tokenizer = AutoTokenizer.from_pretrained(memorised.output)
    tokens = {name: getattr(tokenizer, name) for name in SPECIAL_TOKENS}
    assert manifest["fingerprint"] == template_fingerprint(tokenizer.chat_template, tokens)
    assert manifest["recipe"] == "tiny-phi3" and manifest["method"] == "full"
    assert manifest["system_message"] == SYSTEM
    assert manifest["packages"]["torch"] == torch.__version__.partition("+")[0]
    assert manifest["eval_loss"] == memorised.metrics["eval_loss_after"]
    assert "model.safetensors" in manifest["files_sha256"]
    assert manifest["code_sha256"] == code_sha256(JOB) and manifest["world_size"] == 1
    assert manifest["machine"]["torch"] == torch.__version__
    assert manifest["parameters"] > 100_000 and manifest["metrics"]["tokens"] > 0
    assert manifest["settings"] == recipe(samples={"count": 32}).model_dump(mode="json")


def test_a_restarted_job_goes_on_with_the_same_losses(run_job: JobRunner, tmp_path: Path) -> None:
    straight = run_job(recipe(training=SHORT, samples=FEW), folder=tmp_path / "straight")
    stopped = tmp_path / "stopped"
    shutil.copytree(tmp_path / "straight" / "checkpoints", stopped / "checkpoints")
    shutil.rmtree(stopped / "checkpoints" / "checkpoint-6")
    resumed = run_job(recipe(training=SHORT, samples=FEW), folder=stopped)
    assert "resuming from checkpoint-4" in resumed.log  # saved for its evaluation, the best so far
    assert len(resumed.losses) == 6 and resumed.losses == straight.losses
    shown = [line for line in resumed.log.splitlines() if '"loss"' in line]
    assert [json.loads(line.removeprefix("metrics "))["step"] for line in shown] == [5, 6]
    assert resumed.samples == straight.samples
    weights = "model.safetensors"
    assert resumed.manifest["files_sha256"][weights] == straight.manifest["files_sha256"][weights]


@pytest.mark.slow
def test_a_checkpoint_that_was_not_finished_is_passed_over(
    run_job: JobRunner, tmp_path: Path
) -> None:
    """Slow: two jobs."""
    first = run_job(recipe(training=SHORT, samples=FEW))
    (tmp_path / "checkpoints" / "checkpoint-6" / "optimizer.pt").write_bytes(b"")
    again = run_job(recipe(training=SHORT, samples=FEW))
    assert "checkpoint-6 was not finished" in again.log
    assert again.losses == first.losses


def test_adapters_are_merged_into_plain_weights(run_job: JobRunner) -> None:
    from transformers import AutoModelForCausalLM

    run = run_job(recipe(method="lora", lora={"rank": 4, "layers": 1}, training=SHORT, samples=FEW))
    assert run.code == 0, run.log
    assert run.losses[-1] < run.losses[0]
    assert not list(run.output.glob("adapter_*"))
    model = AutoModelForCausalLM.from_pretrained(run.output)
    assert {name.rpartition(".")[2] for name, _ in model.named_parameters()} == {"weight"}
    loss = _loss_on_assistant(model, run)
    assert loss == pytest.approx(run.metrics["eval_loss_after"], abs=1e-4)


def _loss_on_assistant(model: "torch.nn.Module", run: Run) -> float:
    import torch
    from dataset import read_conversations, tokenise
    from templates import training_template
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(run.output)
    rows = tokenise(
        read_conversations(run.folder / "eval.jsonl"),
        tokenizer,
        training_template(tokenizer),
        max_length=512,
        may_split=False,
        name="eval",
    )
    total, count = 0.0, 0
    with torch.no_grad():
        for row in rows:
            ids, labels = torch.tensor([row["input_ids"]]), torch.tensor(row["labels"])
            logits = model(input_ids=ids).logits[0, :-1]
            total += torch.nn.functional.cross_entropy(logits, labels[1:], reduction="sum").item()
            count += int((labels[1:] != -100).sum())
    return total / count


@pytest.mark.slow
def test_what_keeps_the_samples_out_of_loops_is_saved_with_the_model(run_job: JobRunner) -> None:
    """Slow: one more job."""
    run = run_job(recipe(training=SHORT, samples={**FEW, "repetition_penalty": 1.3}))
    kept = json.loads((run.output / "generation_config.json").read_text())
    assert kept["repetition_penalty"] == 1.3


def test_packed_conversations_train_too(run_job: JobRunner) -> None:
    packed = {**SHORT, "packing": True, "max_length": 128, "batch_size": 1}
    run = run_job(recipe(training=packed, samples=FEW))
    assert run.code == 0, run.log
    assert run.losses[-1] < run.losses[0]


def test_another_number_of_processes_than_the_recipes_is_refused(
    run_job: JobRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = run_job(recipe(training={"processes": 2, "nodes": 2}))
    assert run.code == 1
    assert "asks for 4 processes" in run.error and "WORLD_SIZE is 1" in run.error
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert "asks for 1 processes" in run_job(recipe()).error


def test_a_broken_loss_ends_the_job_with_its_reason(
    run_job: JobRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    import base_model
    import torch

    whole = base_model.random_model

    def broken(*given: object) -> "torch.nn.Module":
        model = whole(*given)
        with torch.no_grad():
            model.lm_head.weight[0, 0] = float("nan")
        return model

    monkeypatch.setattr(base_model, "random_model", broken)
    run = run_job(recipe(training=SHORT, samples=FEW))
    assert run.code == 1
    assert "loss is nan at step 0" in run.error and "learning_rate" in run.error
    assert not (run.output / "model.safetensors").exists()


def test_a_base_model_that_did_not_arrive_is_named(run_job: JobRunner, tmp_path: Path) -> None:
    lost = run_job(recipe("rehearsal"), extra=("--base-model", str(tmp_path / "nothing")))
    assert lost.code == 1
    assert "SmolLM2-135M-Instruct.Q4_1.gguf" in lost.error and "nothing" in lost.error
    forgotten = run_job(recipe("rehearsal"))
    assert "--base-model is missing" in forgotten.error


@pytest.mark.slow
def test_a_folder_of_weights_is_trained_further(run_job: JobRunner, memorised: Run) -> None:
    """Slow: one more job."""
    base = {"source": "hub", "id": "keeper/lighthouse", "revision": "0" * 40}
    chosen = recipe(base=base, method="lora", training=SHORT, samples=FEW)
    run = run_job(chosen, extra=("--base-model", str(memorised.output)))
    assert run.code == 0, run.log
    assert run.samples[0]["base"] == run.samples[0]["reference"][: len(run.samples[0]["base"])]
    known = memorised.metrics["eval_loss_after"]
    assert run.metrics["eval_loss_before"] == pytest.approx(known, abs=1e-4)
    assert run.manifest["fingerprint"] == memorised.manifest["fingerprint"]


def test_a_hub_that_is_out_of_reach_is_named(
    run_job: JobRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    chosen = recipe("phi-3.5-mini", training={"packing": False})
    run = run_job(chosen)
    assert run.code == 1
    assert f"microsoft/Phi-3.5-mini-instruct at {chosen.base.revision}" in run.error


def test_bad_data_ends_the_job_with_one_line(run_job: JobRunner) -> None:
    run = run_job(recipe(), train=conversations(2), evaluation=[])
    assert run.code == 1
    assert run.log.splitlines()[-1].startswith("error: eval.jsonl holds no conversation")


def test_wrong_arguments_end_with_two(capsys: pytest.CaptureFixture[str]) -> None:
    import train as program

    with pytest.raises(SystemExit) as end:
        program.main(["--recipe", "r.json"])
    assert end.value.code == 2
    assert "--train-file" in capsys.readouterr().err


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        RuntimeError("[enforce fail] PytorchStreamWriter failed writing file data/3: file write"),
        Exception("Error while serializing: IoError(Os { message: 'No space left on device' })"),
    ],
)
def test_a_full_disk_is_called_so(error: Exception) -> None:
    assert explain(error).startswith("no space is left")
    assert "\n" not in explain(error)
