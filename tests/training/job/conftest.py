"""Run the job program in this very process: its imports cost seconds that many tests share."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from forked_jobs import Server
from job_runs import JobRunner, Run, arguments

from core.recipe import Recipe


@pytest.fixture
def run_job(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> JobRunner:
    """Run the job on a recipe and records; the same `folder` again means a restarted job."""

    def run(
        chosen: Recipe,
        train: list[dict[str, Any]] | None = None,
        evaluation: list[dict[str, Any]] | None = None,
        folder: Path = tmp_path,
        extra: tuple[str, ...] = (),
    ) -> Run:
        import train as program

        code = program.main([*arguments(folder, chosen, train, evaluation), *extra])
        return Run(code, capsys.readouterr().out, folder)

    return run


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Keep MLflow and launchers of the surroundings out."""
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_RUN_ID", "WORLD_SIZE", "RANK", "LOCAL_RANK"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("MLFLOW_MAX_LOG_PARAMS", "0")
    yield


@pytest.fixture(scope="session")
def job_server() -> Iterator[Server]:
    """The process whose forks are jobs; it takes seconds to import torch, once."""
    server = Server()
    yield server
    server.close()
