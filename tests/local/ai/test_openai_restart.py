"""What becomes of jobs when the local Azure is stopped or killed."""

import os
import signal
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from ai_account import TRAINER, AiAccount, chats, until, waiting
from azure.identity import DefaultAzureCredential
from azure_group import API, Group

from core.arm import Arm
from local import customers
from local.process import LocalAzure, stop
from local.state import opened
from local.tenant import tenant
from local.tuning import programs


@pytest.mark.slow
@pytest.mark.parametrize("how", ["killed", "stopped"])
def test_jobs_go_on_after_the_local_azure_was_ended(
    fresh_azure: Callable[[], LocalAzure], tmp_path: Path, how: str
) -> None:
    """Slow: starts a local Azure of its own, twice."""
    folder, gate = tmp_path / "local", tmp_path / "gate"
    azure = fresh_azure()
    account = account_in(folder)
    runs, waits = account.job(waiting(gate, step=4)), account.job(chats())
    ended = account.job(chats())

    def steps() -> int:
        with opened(folder) as state:
            return int((state.get(f"{account.id}/openai/jobs/{runs.id}") or {})["steps"])

    until(steps, lambda reached: reached >= 2)
    account.client.fine_tuning.jobs.cancel(ended.id)
    if how == "killed":
        server = psutil.Process(azure.pid)
        os.kill(azure.pid, signal.SIGKILL)
        server.wait(30)
    else:
        stop(folder)
    gate.touch()

    again = fresh_azure()
    assert again.pid != azure.pid
    for id in (runs.id, waits.id):
        assert account.until(id, "succeeded", "failed").status == "succeeded"
    assert account.client.fine_tuning.jobs.retrieve(ended.id).status == "cancelled"
    told = account.messages(runs.id)
    assert told.count("Job started.") == told.count("Job succeeded.") == 1
    assert sum(text.startswith("Preprocessing") for text in told) == 1
    assert sum(text.startswith("Step 10") for text in told) == 1


def account_in(folder: Path) -> AiAccount:
    """Make an account in a local Azure of the test's own."""
    subscription = os.environ["AZURE_SUBSCRIPTION_ID"]
    arm = Arm(DefaultAzureCredential())
    id = f"/subscriptions/{subscription}/resourceGroups/g-restart"
    arm.put(id, API, {"location": "eastus2"})
    group = Group(arm, id)
    person = {"id": "p", "properties": {"principalId": tenant(folder).person_object_id}}
    group.grant(person, "Cognitive Services OpenAI Contributor", id)
    programs.use(folder, job=TRAINER)
    customers.set_trained_before(folder, True)
    made = AiAccount.made(group, "restarted")
    job = made.job

    def four_epochs(content: bytes) -> object:
        hyper = {"n_epochs": 4, "batch_size": 4}
        return job(content, method={"type": "supervised", "supervised": {"hyperparameters": hyper}})

    made.job = four_epochs  # type: ignore[method-assign]
    return made
