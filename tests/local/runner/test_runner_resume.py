"""What a new server makes of the jobs that it finds, and how environments are shared."""

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from local.runner import deployments, environments, jobs
from local.runner.processes import Child, Processes, Task
from local.state import State
from local.world import World

WORKSPACE = (
    "/subscriptions/s/resourceGroups/g/providers/Microsoft.MachineLearningServices/workspaces/w"
)
JOB = f"{WORKSPACE}/jobs/j"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    state = State(tmp_path)
    state.put(
        f"{WORKSPACE}/datastores/workspaceartifactstore",
        "datastore",
        {
            "properties": {
                "datastoreType": "AzureBlob",
                "accountName": "acc",
                "containerName": "azureml",
            }
        },
    )
    processes = Processes(tmp_path)
    yield World(tmp_path, tmp_path / "environments", state, processes, "", tmp_path / "ca.pem")
    processes.close()
    state.close()


def left_behind(world: World, status: str, exit: dict[str, Any] | None) -> dict[str, Any]:
    """Give the job as a new server leaves it."""
    properties = {"status": status, "displayName": "j", "experimentName": "e"}
    world.state.put(JOB, jobs.KIND, {"id": JOB, "name": "j", "properties": properties})
    if exit is not None:
        (world.processes.make_folder(JOB) / "exit.json").write_text(json.dumps(exit))
    jobs.resume(world)
    return world.state.get(JOB) or {}


@pytest.mark.parametrize(
    ("status", "exit", "outcome", "code"),
    [
        ("Running", None, "Failed", "NodeLost"),
        ("Running", {"code": 143, "reason": "stopped"}, "Failed", "NodeLost"),
        ("Running", {"code": 0, "reason": "exited"}, "Completed", ""),
        ("Finalizing", {"code": 0, "reason": "exited"}, "Completed", ""),
        ("Running", {"code": 3, "reason": "exited"}, "Failed", "UserError"),
        ("CancelRequested", None, "Canceled", ""),
    ],
)
def test_a_job_that_was_running_ends_by_its_exit_or_as_lost(
    world: World, status: str, exit: dict[str, Any] | None, outcome: str, code: str
) -> None:
    assert left_behind(world, status, exit)["properties"]["status"] == outcome
    record = world.state.get(f"{JOB}/run") or {}
    assert record.get("error", {}).get("error", {}).get("code", "") == code
    assert record["endTimeUtc"]
    assert not world.processes.folder(JOB).exists()


@pytest.mark.parametrize("status", ["Completed", "Failed", "Canceled"])
def test_a_job_that_had_ended_stays_as_it_was(world: World, status: str) -> None:
    assert left_behind(world, status, None)["properties"]["status"] == status


@pytest.mark.parametrize(
    ("state", "is_begun"), [("Succeeded", True), ("Deleting", False), ("Failed", False)]
)
def test_a_deployment_that_was_being_deleted_is_not_taken_up(
    world: World, monkeypatch: pytest.MonkeyPatch, state: str, is_begun: bool
) -> None:
    id = f"{WORKSPACE}/onlineEndpoints/e/deployments/d"
    document = {"id": id, "name": "d", "properties": {"provisioningState": state}}
    world.state.put(id, deployments.KIND, document)
    begun: list[str] = []
    monkeypatch.setattr(deployments, "begin", lambda world, id, endpoint: begun.append(id))
    deployments.resume(world)
    assert begun == ([id] if is_begun else [])


def build(world: World, packages: list[str], log: Path) -> Path:
    conda = json.dumps({"dependencies": ["python=2.7", {"pip": packages}]})
    task = Task("build")
    return environments.build(
        world, {"image": "i", "condaFile": conda}, log, task.start, task.stopping.is_set
    )


def test_an_environment_is_built_once_also_by_two_at_a_time(world: World, tmp_path: Path) -> None:
    folders: list[Path] = []
    threads = [
        threading.Thread(target=lambda n=n: folders.append(build(world, [], tmp_path / f"{n}.txt")))
        for n in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(folders)) == 1 and (folders[0] / "bin" / "python").exists()
    logs = sorted((tmp_path / f"{n}.txt").read_text() for n in range(2))
    assert sum("is built already" in text for text in logs) == 1
    assert all("asks for Python 2.7" in text for text in logs)


def test_a_build_that_fails_leaves_nothing(world: World, tmp_path: Path) -> None:
    log = tmp_path / "log.txt"
    with pytest.raises(environments.BuildFailed, match="uv pip install"):
        build(world, ["not a requirement!"], log)
    assert "not a requirement!" in log.read_text()
    assert [path.suffix for path in world.environments.iterdir()] == [".lock"]


def test_an_image_alone_cannot_be_played(world: World, tmp_path: Path) -> None:
    task = Task("build")

    def no_child(make: Any) -> Child:
        raise AssertionError("nothing is to be run")

    with pytest.raises(environments.BuildFailed, match="image alone"):
        environments.build(world, {"image": "i"}, tmp_path / "log", no_child, task.stopping.is_set)
