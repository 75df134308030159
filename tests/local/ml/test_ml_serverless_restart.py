"""What a killed server leaves of serverless tuning and serving: both go on."""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from azure.identity import DefaultAzureCredential
from azure_group import API, Group
from hub_project import Project, chats, losses, make_project

from core.arm import Arm
from local.process import LocalAzure, stop
from local.state import State


def own_project(azure: LocalAzure, folder: Path) -> Project:
    credential = DefaultAzureCredential()
    arm = Arm(credential)
    id = f"/subscriptions/{os.environ['AZURE_SUBSCRIPTION_ID']}/resourceGroups/g-own-hub"
    arm.put(id, API, {"location": "eastus2"})
    return make_project(Group(arm, id), folder, credential, azure)


def poll(condition: Callable[[], object], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def asked(project: Project, name: str) -> int:
    key = str(project.ml.serverless_endpoints.get_keys(name).primary_key)
    url = f"https://{name}.eastus2.models.ai.azure.com/v1/chat/completions"
    body = {"messages": [{"role": "user", "content": "x"}]}
    with project.http() as client:
        return client.post(url, json=body, headers={"api-key": key}).status_code


@pytest.mark.slow
def test_a_killed_server_costs_neither_the_training_nor_the_endpoint(
    fresh_azure: Callable[[], LocalAzure], tmp_path: Path
) -> None:
    """Slow: a local Azure of its own, started three times."""
    azure, folder, gate = fresh_azure(), tmp_path / "local", tmp_path / "gate"
    project = own_project(azure, folder)
    project.endpoint("phi-kept", project.tuned("phi-first"))
    # Two steps an epoch: what the first epoch has learned is kept when the third step waits.
    train = project.file("killed.jsonl", chats(8, more=f"[wait 3 {gate}]"))
    name = project.submit("phi-killed", train, project.file("measured.jsonl", chats(4)))
    poll(lambda: "step 2 of 4" in project.log(name))
    children = psutil.Process(azure.pid).children(recursive=True)

    os.kill(azure.pid, signal.SIGKILL)
    poll(lambda: not any(child.is_running() for child in children))
    gate.touch()
    project.azure = fresh_azure()

    assert project.until(name).status == "Completed"
    told = project.log(name)
    assert told.count("The training began.") == 1
    assert told.count("The training goes on.") == 1
    assert [told.count(f"step {step} of 4") for step in (2, 4)] == [1, 1]
    assert losses(project, name) == {"train_loss": [1, 2, 3, 4], "eval_loss": [2, 4]}
    assert project.ml.models.get("phi-killed", version="1").job_name == name
    poll(lambda: asked(project, "phi-kept") == 200)

    stop(folder)
    state = State(folder)
    job = state.get(f"{project.id}/jobs/{name}") or {}
    job["properties"]["status"] = "Finalizing"  # as if it had been killed just before its end
    state.put(job["id"], job["type"], job)
    state.close()
    project.azure = fresh_azure()
    assert project.until(name).outputs["registered_model"].version == "1"
    versions = project.group.arm.get(f"{project.id}/models/phi-killed/versions", API) or {}
    assert [one["name"] for one in versions["value"]] == ["1"]


@pytest.mark.slow
def test_a_deleted_group_leaves_no_process_of_its_projects(
    fresh_azure: Callable[[], LocalAzure], tmp_path: Path
) -> None:
    """Slow: a local Azure of its own."""
    azure, folder = fresh_azure(), tmp_path / "local"
    project = own_project(azure, folder)
    project.endpoint("phi-ends", project.tuned("phi-first"))
    train = project.file("ends.jsonl", chats(8, more=f"[wait {tmp_path / 'never'}]"))
    project.until(project.submit("phi-never", train), ("Running",))
    server = psutil.Process(azure.pid)
    assert server.children(recursive=True)
    project.group.arm.delete(project.group.id, API)
    poll(lambda: not server.children(recursive=True))
    assert list((folder / "nodes").iterdir()) == []
