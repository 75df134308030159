"""Jobs that are really killed, at every moment of a save and between: they go on as if nothing was.

Each is a fork of one process that has imported torch, and ends by SIGKILL where a test says.
"""

import hashlib
import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest
from forked_jobs import Server
from job_runs import Run, recipe

SHORT = {"max_steps": 10, "logging_steps": 3, "save_steps": 3, "warmup": 0.2}
"""Evaluations at 4, 8 and 10, saves at 3, 6 and 9, lines of loss at 1, 3, 6 and 9: they never
fall together but once, so that what is between two lines has to be kept, too."""
FEW = {"count": 1, "max_new_tokens": 2}
PACKED = {**SHORT, "packing": True, "max_length": 128, "batch_size": 2}
TUNED = {"method": "lora", "lora": {"rank": 4, "layers": 1, "dropout": 0.1}}

JOBS = {
    "full": recipe(training=SHORT, samples=FEW),
    "lora": recipe(**TUNED, training=SHORT, samples=FEW),
    "packed": recipe(training=PACKED, samples=FEW),
    "dpo": recipe(objective="dpo", training=SHORT, samples={"count": 0}),
    "best": recipe(training={**SHORT, "keep": "best"}, samples=FEW),
}


Straight = dict[str, tuple[Run, int]]


@pytest.fixture(scope="module")
def straight(job_server: Server, tmp_path_factory: pytest.TempPathFactory) -> Straight:
    """Each job without any kill, and how often it changed a file under its checkpoints."""
    runs = {}
    for name, chosen in JOBS.items():
        folder = tmp_path_factory.mktemp(f"straight-{name}")
        run = job_server.run(folder, chosen, change=-1)
        assert run.code == 0, run.log
        runs[name] = (run, int((folder / "count").read_text()))
    return runs


def told(run: Run) -> list[dict[str, Any]]:
    """Take what a run has measured, without what a clock measured."""
    metrics = run.metrics
    clocks = ("second", "runtime", "memory", "flos")
    return [
        {k: v for k, v in point.items() if not any(part in k for part in clocks)}
        for point in metrics["curve"] + metrics["evaluations"]
    ]


def weights(run: Run) -> str:
    """Hash the weights of the model that a run has left."""
    return hashlib.sha256((run.output / "model.safetensors").read_bytes()).hexdigest()


def assert_same(run: Run, expected: Run) -> None:
    """Compare all losses and the weights, to the last bit."""
    assert run.code == 0, run.log
    assert told(run) == told(expected)
    assert weights(run) == weights(expected)
    for name in ("kept_step", "best_step", "best_eval_loss", "overfit"):
        assert run.metrics[name] == expected.metrics[name]
    assert not (run.folder / "checkpoints" / "unfinished").exists()


def kill_everywhere(
    job_server: Server, straight: Straight, folder: Path, name: str, moments: list[int]
) -> None:
    expected, _ = straight[name]
    for moment in moments:
        place = folder / str(moment)
        killed = job_server.run(place, JOBS[name], change=moment)
        assert killed.code == -signal.SIGKILL, (moment, killed.log)
        assert_same(job_server.run(place, JOBS[name]), expected)


@pytest.mark.slow
def test_killed_at_any_change_of_a_file_a_job_goes_on_the_same(
    job_server: Server, straight: Straight, tmp_path: Path
) -> None:
    """Slow: a dozen jobs, each killed at another moment and started again."""
    count = straight["full"][1]
    assert count > 100
    kill_everywhere(job_server, straight, tmp_path, "full", [*range(7, count, count // 11), count])


@pytest.mark.slow
@pytest.mark.parametrize("name", ["lora", "packed", "dpo", "best"])
def test_every_kind_of_training_goes_on_the_same(
    job_server: Server, straight: Straight, tmp_path: Path, name: str
) -> None:
    """Slow: three killed jobs for each kind."""
    count = straight[name][1]
    kill_everywhere(
        job_server, straight, tmp_path, name, [count // 4 + 1, count // 2 + 3, count - 9]
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "kind"), [("full", "weights"), ("full", "states"), ("lora", "weights")]
)
def test_a_file_of_which_half_was_written_is_never_taken_up(
    job_server: Server, straight: Straight, tmp_path: Path, name: str, kind: str
) -> None:
    """Slow: each file of weights, optimiser, scheduler and chance is cut off by a kill."""
    expected, _ = straight[name]
    for number in (2, 6, 8, 9) if kind == "states" else (1, 3):
        place = tmp_path / str(number)
        killed = job_server.run(place, JOBS[name], half=[kind, number])
        assert killed.code == -signal.SIGKILL, killed.log
        assert_same(job_server.run(place, JOBS[name]), expected)


@pytest.mark.slow
def test_a_job_that_is_killed_again_and_again_comes_to_the_same_end(
    job_server: Server, straight: Straight, tmp_path: Path
) -> None:
    """Slow: the same job is killed at each start, a little later in its saving each time."""
    expected, _ = straight["full"]
    for moment in (30, 50, 70):
        killed = job_server.run(tmp_path, JOBS["full"], change=moment)
        assert killed.code == -signal.SIGKILL, killed.log
    assert_same(job_server.run(tmp_path, JOBS["full"]), expected)


def wait_for(folder: Path, text: str) -> None:
    """Wait until a job's log says it."""
    for _ in range(600):
        if (folder / "log.txt").is_file() and text in (folder / "log.txt").read_text():
            return
        time.sleep(0.05)
    raise AssertionError(f"{text} was never logged")


@pytest.mark.slow
def test_the_nodes_notice_saves_the_step_and_ends_with_a_code_of_its_own(
    job_server: Server, straight: Straight, tmp_path: Path
) -> None:
    """Slow: real jobs that get SIGTERM while they train, and before they do."""
    long = recipe(training={**SHORT, "max_steps": 150, "save_steps": 1000}, samples=FEW)
    process = job_server.begin(tmp_path, long)
    wait_for(tmp_path, '"step": 21,')
    os.kill(process, signal.SIGTERM)
    stopped = job_server.end(tmp_path)
    assert stopped.code == 75, stopped.log
    last = stopped.log.splitlines()[-1]
    kept = int(last.removeprefix("stopped by the node: ").split()[0])
    assert kept >= 21 and (tmp_path / "checkpoints" / f"checkpoint-{kept}" / "whole.json").is_file()

    # The steps that were left are trained, and no other: as a job that was never stopped.
    resumed = job_server.run(tmp_path, long)
    assert f"resuming from checkpoint-{kept}" in resumed.log
    whole = job_server.run(tmp_path / "whole", long)
    assert_same(resumed, whole)


@pytest.mark.slow
def test_a_notice_before_the_first_step_ends_at_once(job_server: Server, tmp_path: Path) -> None:
    """Slow: a process that has to import torch."""
    process = job_server.begin(tmp_path, JOBS["full"])
    wait_for(tmp_path, "loading the base model")
    os.kill(process, signal.SIGTERM)
    stopped = job_server.end(tmp_path)
    assert stopped.code == 75, stopped.log
    assert "stopped by the node: " in stopped.log.splitlines()[-1]
