"""What a run shows while it goes and leaves to look at, from the job program itself."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from job_runs import JobRunner, Run, recipe

from training.explain import Evidence, explain

SHORT = {"max_steps": 6, "logging_steps": 1, "save_steps": 3, "warmup": 0.2, "epochs": 1}
FEW = {"count": 2, "max_new_tokens": 4}


def lines(run: Run) -> list[dict[str, Any]]:
    told = [line for line in run.log.splitlines() if line.startswith("metrics ")]
    return [json.loads(line.removeprefix("metrics ")) for line in told]


def rule_of(run: Run) -> str:
    found = explain(Evidence("Failed", "UserError: exit code 1", tuple(run.log.splitlines())))
    assert found.is_known, run.error
    return found.rule


def test_each_line_tells_speed_memory_and_time_left(
    run_job: JobRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    run = run_job(recipe(training=SHORT, samples=FEW))
    assert run.code == 0, run.log
    steps = [line for line in lines(run) if "loss" in line]
    assert len(steps) == 6
    for step in steps:
        assert step["tokens_per_second"] > 0 and step["memory_mb"] > 100
        assert "training_seconds" not in step
    assert [step["seconds"] for step in steps] == sorted(step["seconds"] for step in steps)
    assert steps[0]["eta_seconds"] > steps[-1]["eta_seconds"] >= 0
    assert run.metrics["curve"][0]["tokens_per_second"] == pytest.approx(
        steps[0]["tokens_per_second"], rel=1e-4
    )
    page = (run.folder / "report" / "index.html").read_text()
    assert ": completed" in page and "over-fit" in page
    assert run.samples[0]["reference"] in page and torch.__version__.partition("+")[0] in page
    assert (run.folder / "report" / "curve.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.slow
def test_a_resumed_job_has_the_whole_curve_and_no_false_speed(run_job: JobRunner) -> None:
    """Slow: two whole jobs."""
    whole = run_job(recipe(training=SHORT, samples=FEW))
    usual = max(point["tokens_per_second"] for point in whole.metrics["curve"])
    steps = sorted(int(p.name[11:]) for p in (whole.folder / "checkpoints").glob("checkpoint-*"))
    shutil.rmtree(whole.folder / "checkpoints" / f"checkpoint-{steps[-1]}")
    again = run_job(recipe(training=SHORT, samples=FEW))
    fresh = [line for line in lines(again) if "loss" in line]
    assert [line["step"] for line in fresh] == list(range(steps[-2] + 1, 7))
    assert "tokens_per_second" not in fresh[0] and fresh[1]["tokens_per_second"] > 0
    facts = json.loads((again.folder / "report" / "run.json").read_text())
    assert [p["step"] for p in facts["history"] if "loss" in p] == [1, 2, 3, 4, 5, 6]
    assert 0 < again.metrics["tokens_per_second"] < 10 * usual


@pytest.mark.slow
def test_mlflow_has_the_machines_figures_and_the_report(
    run_job: JobRunner, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Slow: a job beside MLflow, whose database takes seconds to lay out."""
    import mlflow

    monkeypatch.chdir(tmp_path)  # where MLflow puts the artifacts of such a store
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "seeing")
    run = run_job(recipe(training=SHORT, samples=FEW))
    assert run.code == 0, run.log
    client = mlflow.MlflowClient()
    experiment = client.get_experiment_by_name("seeing")
    assert experiment is not None
    (found,) = client.search_runs([experiment.experiment_id])
    name = "system/tokens_per_second"
    assert len(client.get_metric_history(found.info.run_id, name)) == 6
    assert found.data.metrics["system/system_memory_usage_megabytes"] > 100
    files = {file.path for file in client.list_artifacts(found.info.run_id, "report")}
    assert files == {"report/curve.png", "report/index.html"}


def test_a_run_that_fails_leaves_its_page_with_the_reason(
    run_job: JobRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch
    import trainers

    class Breaks(trainers.ConversationTrainer):
        def training_step(self, *given: Any, **named: Any) -> torch.Tensor:
            if self.state.global_step == 3:
                raise RuntimeError("the cable was <b>pulled</b>")
            return super().training_step(*given, **named)

    monkeypatch.setattr(trainers, "ConversationTrainer", Breaks)
    run = run_job(recipe(training=SHORT, samples=FEW))
    assert run.code == 1
    page = (run.folder / "report" / "index.html").read_text()
    assert ": failed" in page and "the cable was &lt;b&gt;pulled&lt;/b&gt;" in page
    facts = json.loads((run.folder / "report" / "run.json").read_text())
    assert [p["step"] for p in facts["history"] if "loss" in p] == [1, 2, 3]


def test_a_report_that_cannot_be_written_ends_no_job(
    run_job: JobRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    import report

    def broken(*_: object) -> None:
        raise ValueError("no pencil")

    monkeypatch.setattr(report, "draw", broken)
    run = run_job(recipe(training=SHORT, samples=FEW))
    assert run.code == 0
    assert "the report was not written: no pencil" in run.log


def test_what_the_program_says_last_is_explained(
    run_job: JobRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Real ends of the real program: the rules follow its words, or this fails."""
    assert rule_of(run_job(recipe(training={"processes": 2, "nodes": 2}))) == "world-size"
    assert rule_of(run_job(recipe(), evaluation=[])) == "data-bad"
    assert rule_of(run_job(recipe(), train=[{"messages": []}])) == "data-bad"
    assert rule_of(run_job(recipe(training={"max_length": 16}))) == "data-too-long"
    assert rule_of(run_job(recipe("rehearsal"))) == "base-model"
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    offline = recipe("phi-3.5-mini", training={"packing": False})
    assert rule_of(run_job(offline)) == "hub-unreachable"


def test_a_template_without_marks_is_explained() -> None:
    from failure import JobError
    from random_model import random_tokenizer
    from templates import training_template

    tokenizer = random_tokenizer(["some words"])
    plain = "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}"
    endless = (
        "{% for m in messages %}{% generation %}{{ m.content }}{% endgeneration %}{% endfor %}"
    )
    for template, rule in (
        (plain, "template-without-marks"),
        (None, "template-without-marks"),
        (endless, "template-differs"),
    ):
        tokenizer.chat_template = template
        with pytest.raises(JobError) as error:
            training_template(tokenizer)
        assert explain(Evidence("Failed", "", (f"error: {error.value}",))).rule == rule


def test_the_words_for_what_needs_a_gpu_are_explained() -> None:
    """The texts are the program's own, made here without a GPU; no GPU was run."""
    import device
    from failure import explain as explained

    class OutOfMemoryError(RuntimeError):
        pass

    said = {
        "driver-too-old": device._why_unusable("535.154.05, NVIDIA A100 80GB PCIe, 81920 MiB"),
        "oom-gpu": explained(OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")),
        "disk-full": explained(OSError(28, "No space left on device")),
    }
    for rule, text in said.items():
        assert explain(Evidence("Failed", "", (f"error: {text}",))).rule == rule
