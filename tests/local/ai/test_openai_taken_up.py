"""Jobs that a local Azure had when it ended, taken up by the next one: no web server is needed."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

from ai_account import TRAINER, until, waiting

from local.ai import file_store, job_life
from local.ai.forms import draft
from local.ai.job_records import changed, training_id
from local.ai.job_requests import requested
from local.ai.records import find, store
from local.tuning import programs, running
from local.world import World
from tests.local.tuning.quick_world import opened

ACCOUNT = {
    "id": "/subscriptions/s/resourceGroups/g/providers/Microsoft.CognitiveServices/accounts/a",
    "location": "eastus2",
}
ID = str(ACCOUNT["id"])


def ordered(world: World, content: bytes) -> dict[str, Any]:
    """Give the record of a job on a file that is processed."""
    path = draft(world)
    path.write_bytes(content)
    file = file_store.add(world, ID, path, "chats.jsonl")
    store(world.state, ID, file_store.KIND, {**file, "status": "processed"})
    body = {"model": "gpt-oss-20b", "training_file": file["id"], "trainingType": "GlobalStandard"}
    call: Any = SimpleNamespace(body=body, world=world)
    return requested(call, ACCOUNT)


def test_a_job_that_was_pausing_is_paused_with_the_step_that_it_had_reached(tmp_path: Path) -> None:
    folder = tmp_path / "azure"
    with opened(folder) as world:
        programs.use(world.state, job=TRAINER)
        record = ordered(world, waiting(tmp_path / "never", step=5))
        id = record["id"]
        job_life.submit(world, ID, record)
        job_life.advance(world, ID)
        until(lambda: running.read_log(world, training_id(ID, id)), lambda log: '"step": 4' in log)
        changed(world, ID, id, lambda one: one["job"].update(status="pausing"))
    with opened(folder) as world:
        job_life.resume(world)
        until(lambda: job(world, id), lambda one: not one["has_slot"])
        assert job(world, id)["job"]["status"] == "paused"
        kept = [one for _, one in world.state.within(f"{training_id(ID, id)}/checkpoints")]
        assert [one["step_number"] for one in kept] == [3, 4]
        assert kept[-1]["fine_tuned_model_checkpoint"].endswith(":ckpt-step-4")
        until(lambda: running.is_running(world, training_id(ID, id)), lambda runs: not runs)


def test_a_job_whose_file_cannot_be_read_at_all_fails_and_lets_the_next_one_run(
    tmp_path: Path,
) -> None:
    with opened(tmp_path / "azure") as world:
        programs.use(world.state, job=TRAINER)
        record = ordered(world, b"")
        content = file_store.content(world, ID, record["job"]["training_file"])
        content.unlink()
        content.mkdir()
        job_life.submit(world, ID, record)
        job_life.advance(world, ID)
        until(lambda: job(world, record["id"]), lambda one: not one["has_slot"])
        assert job(world, record["id"])["job"]["status"] == "failed"


def job(world: World, id: str) -> dict[str, Any]:
    found = find(world.state, ID, "jobs", id)
    assert found is not None
    return found
