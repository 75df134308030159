"""A checkpoint made a model: the very files that the training would have left of it.

Slow: each trains first (10 s with the imports), by adapters and by full weights, and holds what
keep.py makes against what that training's own program wrote.
"""

import contextlib
import io
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from job_runs import Run, arguments, conversations, recipe

from tests.training.job.test_evaluate_program import at, evaluate

pytestmark = pytest.mark.slow


def train(folder: Path, method: str, keep: str = "last") -> Run:
    import train as program

    training = {
        "max_steps": 30, "save_steps": 10, "eval_steps": 10, "learning_rate": 1e-2,
        "precision": "float32", "batch_size": 5, "keep": keep,
    }  # fmt: skip
    lora = {"rank": 8} if method == "lora" else {}
    chosen = recipe(method=method, training=training, samples={"count": 2}, lora=lora)
    log = io.StringIO()
    given = arguments(folder, chosen, conversations(28), conversations(40)[28:])
    with contextlib.redirect_stdout(log):
        code = program.main([*given, "--save-total-limit", "3"])
    assert code == 0, log.getvalue()
    return Run(code, log.getvalue(), folder)


def keep(run: Run, step: int, target: Path, **known: Any) -> Run:
    """Make a model of a checkpoint; `known` is what run.json says beside what the run left."""
    import keep as program

    target.mkdir(exist_ok=True)
    told = {"job": "job", "code_sha256": "c", "manifest": run.manifest, "metrics": run.metrics}
    (target / "run.json").write_text(json.dumps(told | known))
    given = {
        "recipe": run.folder / "recipe.json",
        "run": target / "run.json",
        "step": step,
        "checkpoints": run.folder / "checkpoints",
        "train-file": run.folder / "train.jsonl",
        "eval-file": run.folder / "eval.jsonl",
        "output": target / "model",
    }
    log = io.StringIO()
    with contextlib.redirect_stdout(log):
        code = program.main([part for name in given for part in (f"--{name}", str(given[name]))])
    return Run(code, log.getvalue(), target)


def files(folder: Path) -> dict[str, bytes]:
    found = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in found}


@pytest.fixture(scope="module", params=["lora", "full"])
def trained(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return train(tmp_path_factory.mktemp(request.param), request.param)


def test_of_the_step_that_was_kept_it_makes_what_the_training_left(
    trained: Run, tmp_path: Path
) -> None:
    made = keep(trained, 30, tmp_path)
    assert made.code == 0, made.log
    ours, theirs = files(made.output), files(trained.output)
    manifest = json.loads(ours.pop("tunestack.json"))
    wanted = json.loads(theirs.pop("tunestack.json"))
    assert ours.keys() == theirs.keys()
    assert [name for name in ours if ours[name] != theirs[name]] == []
    assert manifest.pop("checkpoint") == {"job": "job", "step": 30}
    assert manifest == wanted


def test_of_an_earlier_step_it_makes_what_answers_and_is_described_as_that_step(
    trained: Run, tmp_path: Path
) -> None:
    made = keep(trained, 10, tmp_path)
    assert made.code == 0, made.log
    points = {p["step"]: p for p in trained.metrics["evaluations"]}
    losses = {p["step"]: p["loss"] for p in trained.metrics["curve"]}
    told, last = made.manifest, trained.manifest
    assert (told["kept_step"], told["eval_loss"]) == (10, points[10]["eval_loss"])
    assert told["train_loss"] == losses[10] and told["steps"] == 30
    assert told["overfit"] != last["overfit"] and told["best_step"] == last["best_step"]
    for same in ("data_sha256", "code_sha256", "machine", "packages", "settings", "fingerprint"):
        assert told[same] == last[same]

    shutil.copytree(trained.folder, tmp_path / "run", dirs_exist_ok=True)
    shutil.rmtree(tmp_path / "run" / "model")
    shutil.copytree(made.output, tmp_path / "run" / "model")
    model = {"name": "kept:2", "kind": "model", "step": 0, "model": "model_1"}
    found = evaluate(Run(0, "", tmp_path / "run"), tmp_path / "e", at(10), model)
    assert found.code == 0, found.log
    checkpoint, registered = found.lines("job@10"), found.lines("kept:2")
    for case, line in checkpoint.items():
        assert registered[case]["text"] == line["text"]
        assert registered[case]["nll"] == line["nll"]


def test_of_a_job_that_left_nothing_it_tells_what_the_checkpoints_know(
    trained: Run, tmp_path: Path
) -> None:
    made = keep(trained, 20, tmp_path, manifest={}, metrics={})
    assert made.code == 0, made.log
    told, last = made.manifest, trained.manifest
    points = {p["step"]: p for p in trained.metrics["evaluations"]}
    assert told["eval_loss"] == points[20]["eval_loss"] and told["steps"] == 30
    assert told["code_sha256"] == "c" and told["data_sha256"] == last["data_sha256"]
    assert (told["seed"], told["world_size"]) == (last["seed"], last["world_size"])
    assert "machine" not in told
    assert not {"seconds", "peak_memory_mb", "is_resumed"} & told["metrics"].keys()


def test_the_best_step_is_what_a_training_that_keeps_the_best_leaves(tmp_path: Path) -> None:
    best = train(tmp_path / "best", "lora", keep="best")
    made = keep(best, best.metrics["kept_step"], tmp_path / "made")
    weights = "model.safetensors"
    assert (made.output / weights).read_bytes() == (best.output / weights).read_bytes()
    assert made.manifest | {"checkpoint": None} == best.manifest | {"checkpoint": None}


def test_a_broken_checkpoint_and_a_step_that_is_not_there_are_refused(
    trained: Run, tmp_path: Path
) -> None:
    run = Run(0, "", Path(shutil.copytree(trained.folder, tmp_path / "run")))
    seal = run.folder / "checkpoints" / "checkpoint-10" / "whole.json"
    seal.write_text(seal.read_text().replace('"bytes": ', '"bytes": 1', 1))
    for step in (10, 7):
        made = keep(run, step, tmp_path / str(step))
        assert made.code == 1 and f"error: there is no whole checkpoint of step {step}" in made.log
