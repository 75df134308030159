"""Two processes that train together and are told to stop: both do, after the same step."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from job_runs import JOB, ROOT, Run, arguments, conversations, recipe

TRAINING = {"max_steps": 120, "logging_steps": 3, "save_steps": 1000, "batch_size": 4}
FEW = {"count": 1, "max_new_tokens": 2}


def begin(folder: Path) -> "subprocess.Popen[bytes]":
    """Start the job under torch's launcher, its log in a file; one row measures it."""
    chosen = recipe(training={**TRAINING, "processes": 2}, samples=FEW)
    given = arguments(folder, chosen, evaluation=conversations(1))
    code = Path(shutil.copytree(JOB, folder / "code", dirs_exist_ok=True))
    for shared in ("template_fingerprint.py", "overfit.py"):
        shutil.copy(ROOT / "core" / shared, code)
    launch = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "train.py"]
    with (folder / "log.txt").open("wb") as log:
        return subprocess.Popen(
            [sys.executable, *launch, *given],
            cwd=code,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def end(process: "subprocess.Popen[bytes]", folder: Path) -> Run:
    try:
        code = process.wait(240)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    return Run(code, (folder / "log.txt").read_text(), folder)


@pytest.mark.slow
def test_both_processes_save_the_same_step_and_go_on_from_it(tmp_path: Path) -> None:
    """Slow: three starts of two processes, and each imports torch."""
    process = begin(tmp_path)
    for _ in range(1200):
        if '"step": 21,' in (tmp_path / "log.txt").read_text() or process.poll() is not None:
            break
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)  # the launcher hands it on to both
    stopped = end(process, tmp_path)
    assert stopped.code != 0
    (told,) = [ln for ln in stopped.log.splitlines() if ln.startswith("stopped by the node: ")]
    kept = int(told.split()[4])
    saved = tmp_path / "checkpoints" / f"checkpoint-{kept}"
    sealed = json.loads((saved / "whole.json").read_text())["files"]
    assert {f"rng_state_{n}.pth" for n in (0, 1)} | {f"meter-{n}.json" for n in (0, 1)} <= set(
        sealed
    )

    resumed = end(begin(tmp_path), tmp_path)
    assert resumed.code == 0, resumed.log
    assert f"resuming from checkpoint-{kept}" in resumed.log
    straight = end(begin(tmp_path / "straight"), tmp_path / "straight")
    assert straight.code == 0, straight.log
    assert resumed.losses == pytest.approx(straight.losses, abs=1e-5)
    evaluations = [point["eval_loss"] for point in straight.metrics["evaluations"]]
    found = [point["eval_loss"] for point in resumed.metrics["evaluations"]]
    assert found == pytest.approx(evaluations, abs=1e-5) and len(found) > 3
