"""Jobs on a disk that is really full: a file system of a few megabytes under their outputs."""

from pathlib import Path

import pytest
from fork_server import NO_DISK
from forked_jobs import Server
from job_runs import Run, recipe

SHORT = {"max_steps": 10, "logging_steps": 3, "save_steps": 3, "warmup": 0.2}
"""Saves at 3, 4, 6, 8, 9 and 10."""
FEW = {"count": 1, "max_new_tokens": 2}


@pytest.fixture(scope="module")
def one(job_server: Server, tmp_path_factory: pytest.TempPathFactory) -> int:
    """The bytes of one checkpoint."""
    folder = tmp_path_factory.mktemp("sizes")
    assert job_server.run(folder, recipe(training=SHORT, samples=FEW)).code == 0
    files = (folder / "checkpoints" / "checkpoint-10").rglob("*")
    return sum(path.stat().st_size for path in files)


def run_on(server: Server, folder: Path, size: float, part: str = "checkpoints") -> Run:
    """Run a job whose checkpoints, or whose model, go to a disk of `size` bytes."""
    disk = [str(folder / part), int(size)]
    chosen = recipe(training=SHORT, samples=FEW)
    run = server.run(folder, chosen, small_disk=disk, rescued=str(folder / "rescued"))
    if run.code == NO_DISK:
        pytest.skip("this machine lets no process mount a file system of its own")
    return run


def whole(folder: Path) -> list[str]:
    """Name the whole checkpoints of a disk that has gone."""
    from checkpoints import whole_checkpoints

    return [path.name for path in whole_checkpoints(folder / "rescued")]


@pytest.mark.slow
def test_with_room_for_two_the_oldest_makes_room(
    job_server: Server, one: int, tmp_path: Path
) -> None:
    """Slow: a process that has to import torch."""
    run = run_on(job_server, tmp_path, 2.6 * one)
    assert run.code == 0, run.log
    assert "is deleted to make room for a newer one" in run.log
    assert whole(tmp_path)[0] == "checkpoint-10"
    assert "training goes on without" not in run.log


@pytest.mark.slow
def test_with_room_for_one_the_training_goes_on_and_that_one_stays(
    job_server: Server, one: int, tmp_path: Path
) -> None:
    """Slow: a process that has to import torch."""
    run = run_on(job_server, tmp_path, 1.6 * one)
    assert run.code == 0, run.log
    assert "the disk is full: training goes on without checkpoint-4, 3 steps are kept" in run.log
    assert whole(tmp_path) == ["checkpoint-3"]
    assert run.metrics["steps"] == 10 and run.metrics["kept_step"] == 10


@pytest.mark.slow
def test_with_room_for_none_the_job_ends_and_says_so(
    job_server: Server, one: int, tmp_path: Path
) -> None:
    """Slow: a process that has to import torch."""
    run = run_on(job_server, tmp_path, 0.7 * one)
    assert run.code == 1
    assert "no space is left for checkpoint-3, the first checkpoint" in run.error
    assert "training.save_steps" in run.error
    assert whole(tmp_path) == []


@pytest.mark.slow
def test_a_model_that_cannot_be_saved_costs_no_step(
    job_server: Server, one: int, tmp_path: Path
) -> None:
    """Slow: a process that has to import torch."""
    run = run_on(job_server, tmp_path, 0.1 * one, part="model")
    assert run.code == 1
    assert run.error.startswith("error: no space is left on the node's disk: ")
    assert run.error.endswith("; 10 steps are kept: make room, then start the job again")
    again = job_server.run(tmp_path, recipe(training=SHORT, samples=FEW))
    assert again.code == 0, again.log
    assert "resuming from checkpoint-10" in again.log and again.metrics["steps"] == 10
