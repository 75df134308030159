"""What goes with a tuning job and with an account, and what is held back by a deployment."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from ai_account import AiAccount, chats, refused, waiting
from azure_group import API

from local.ai.models import find_model
from local.state import State, opened

ENDED = ("succeeded", "failed", "cancelled")


def test_a_deleted_job_is_gone_with_its_models(account: AiAccount, state: State) -> None:
    job = account.until(account.job().id, *ENDED)
    folder = find_model(state, account.id, job.fine_tuned_model).folder  # type: ignore[union-attr]
    assert delete(account, job.id) is None
    assert find_model(state, account.id, job.fine_tuned_model) is None
    assert not folder.exists()
    jobs = account.client.fine_tuning.jobs
    for act in (jobs.retrieve, jobs.list_events, jobs.checkpoints.list, jobs.cancel):
        assert refused(lambda act=act: act(job.id))[:2] == (404, "notFound")
    assert refused(lambda: account.client.models.retrieve(job.fine_tuned_model))[0] == 404
    assert account.client.files.retrieve(job.training_file).status == "processed"


def test_a_job_that_goes_on_is_not_deleted(account: AiAccount, gate: Path) -> None:
    made = account.job(waiting(gate))
    assert refused(lambda: delete(account, made.id))[:2] == (409, "conflict")


def test_a_model_that_is_deployed_is_not_deleted(account: AiAccount, state: State) -> None:
    job = account.until(account.job().id, *ENDED)
    kept = account.client.fine_tuning.jobs.checkpoints.list(job.id).data[-1]
    id = f"{account.id}/deployments/travel"
    for name in (job.fine_tuned_model, kept.fine_tuned_model_checkpoint, kept.id):
        model = {"format": "OpenAI", "name": name, "version": "1"}
        document = {"id": id, "name": "travel", "properties": {"model": model}}
        state.put(id, "Microsoft.CognitiveServices/accounts/deployments", document)
        status, code, told = refused(lambda: delete(account, job.id))
        assert (status, code) == (409, "conflict")
        assert "existing deployment" in told and "'travel'" in told
    state.delete(id)
    delete(account, job.id)


def delete(account: AiAccount, id: str) -> Any:
    """Delete a job: the client has no method for it, and documents this way."""
    answer = account.client.delete(f"/fine_tuning/jobs/{id}", cast_to=object)
    return answer or None


def test_an_account_that_goes_ends_what_runs_in_it(
    make_account: Callable[..., AiAccount], trainer: None, gate: Path, azure_folder: Path
) -> None:
    account = make_account()
    running, waits = account.job(waiting(gate)), account.job(chats())
    account.until(running.id, "running")
    account.group.arm.delete(account.id, API)
    with opened(azure_folder) as state:
        assert state.get(f"{account.id}/openai/jobs/{waits.id}") is None
    nodes = [path.read_text() for path in (azure_folder / "nodes").glob("*/owner")]
    assert not [owner for owner in nodes if running.id in owner]
