"""What a killed server leaves: no process, a lost job that says so, and work that goes on."""

import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest
from azure.ai.ml import Output
from azure.ai.ml.entities import Model
from azure.identity import DefaultAzureCredential
from azure_group import API, Group
from ml_stack import Stack, make_stack
from test_ml_endpoints import SCORE, ask, deploy, make_endpoint, traffic

from core.arm import Arm
from core.home import home
from local import quota
from local.process import LocalAzure, start, stop
from local.sizes import ESV3
from local.state import State

WORK = """
    import os, subprocess, sys, time

    away = subprocess.Popen(["sleep", "600"], start_new_session=True)
    open(sys.argv[1] + "/checkpoint", "w").write(f"{os.getpid()} {away.pid}")
    time.sleep(600)
"""


@pytest.fixture
def own_azure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[], LocalAzure]]:
    """Start (again) a local Azure of this test's own, and point this process at it."""
    folder = tmp_path / "local"

    def begin() -> LocalAzure:
        azure = start(folder, environments=home() / "environments")
        for name, value in azure.environment.items():
            monkeypatch.setenv(name, value)
        return azure

    yield begin
    stop(folder)


def own_stack(folder: Path) -> Stack:
    credential = DefaultAzureCredential()
    arm = Arm(credential)
    id = f"/subscriptions/{os.environ['AZURE_SUBSCRIPTION_ID']}/resourceGroups/g-own-world"
    arm.put(id, API, {"location": "eastus2"})
    return make_stack(Group(arm, id), folder, credential)


def gone(pids: list[int]) -> bool:
    return not any(psutil.pid_exists(pid) for pid in pids)


def side_by_side(stack: Stack, endpoint: str) -> list[int]:
    """Ask until both instances have answered: one takes two requests at a time."""
    found: set[int] = set()
    with ThreadPoolExecutor(2) as pool:
        for _ in range(100):
            answers = list(pool.map(lambda _: ask(stack, endpoint, {"sleep": 0.3}), range(2)))
            found |= {one.json()["pid"] for one in answers if one.is_success}
            if len(found) == 2:
                break
    return sorted(found)


def poll(condition: Callable[[], object], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.slow
def test_a_job_that_waits_for_quota_waits_on_after_a_restart(
    own_azure: Callable[[], LocalAzure], tmp_path: Path, code: Callable[..., Path]
) -> None:
    """Slow: a local Azure of its own, started twice."""
    own_azure()
    stack, folder = own_stack(tmp_path / "local"), tmp_path / "local"

    def told(cluster: str) -> list[str]:
        id = f"{stack.workspace['id']}/computes/{cluster}"
        found = (stack.group.arm.get(id, API) or {})["properties"]["properties"]["errors"]
        return [one["error"]["code"] for one in found or []]

    quota.set_limit(folder, ESV3.code, 0)
    job = str(stack.submit(code(work=WORK), "true").name)
    poll(lambda: told("cluster") == ["ClusterCoreQuotaReached"])
    stop(folder)
    state = State(folder)
    stale = state.get(f"{stack.workspace['id']}/computes/single") or {}
    stale["properties"]["properties"]["errors"] = [{"error": {"code": "Stale"}}]
    state.put(stale["id"], stale["type"], stale)
    state.close()
    own_azure()
    poll(lambda: told("cluster") == ["ClusterCoreQuotaReached"])
    assert stack.ml.jobs.get(job).status == "Queued"
    assert told("single") == []
    quota.clear(folder)
    assert stack.ended(job).status == "Completed"
    assert told("cluster") == []


def test_a_killed_server_leaves_no_process_and_says_what_was_lost(
    own_azure: Callable[[], LocalAzure], tmp_path: Path, code: Callable[..., Path]
) -> None:
    azure = own_azure()
    stack = own_stack(tmp_path / "local")
    folder = code(score=SCORE, work=WORK)
    lost = stack.submit(
        folder,
        "python work.py ${{outputs.checkpoints}}",
        compute="single",
        outputs={"checkpoints": Output(type="uri_folder")},
    )
    waiting = stack.submit(folder, "true", compute="single")
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "m.json").write_text(json.dumps({"says": "hello"}))
    model = stack.ml.models.create_or_update(Model(name="m", path=str(tmp_path / "model")))
    endpoint = make_endpoint(stack)
    deploy(stack, endpoint, "blue", folder, model, count=2)
    traffic(stack, endpoint, blue=100)
    store = f"azureml-blobstore-{stack.workspace['properties']['workspaceId']}"
    checkpoint = stack.blobs(store) / "azureml" / lost.name / "checkpoints" / "checkpoint"
    poll(lambda: checkpoint.exists() and checkpoint.read_text().count(" "))
    pids = [int(pid) for pid in checkpoint.read_text().split()]
    pids += side_by_side(stack, endpoint)
    assert all(psutil.pid_exists(pid) for pid in pids)

    os.kill(azure.pid, signal.SIGKILL)
    poll(lambda: gone(pids))

    assert own_azure().pid != azure.pid
    assert stack.ended(lost.name).status == "Failed"
    error = stack.error(lost.name)
    assert error["code"] == "NodeLost" and "submit it again" in error["message"]
    assert checkpoint.exists(), "what the job had written stays"
    assert stack.ended(waiting.name).status == "Completed"
    poll(lambda: ask(stack, endpoint, {}).status_code == 200)
    again = side_by_side(stack, endpoint)
    assert len(again) == 2 and not set(again) & set(pids)
    left = [path.name for path in (tmp_path / "local" / "nodes").glob("blue-*/[0-9]*")]
    assert len(left) == 1, "what the killed server had laid out is gone"

    assert stop(tmp_path / "local")
    assert gone(again)
