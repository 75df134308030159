"""States of a training that can be deployed: of the last three epochs, the end included."""

from typing import Any

from local.ai.events import metrics
from local.ai.models import TunedFolder, keep_model, models_of
from local.ai.records import key, new_id, now, page
from local.operations import Call
from local.state import Document, State
from local.tuning.orders import Kept, Outcome

KIND = "ai/checkpoint"
MOST = 3


def keep(state: State, account_id: str, record: Document, outcome: Outcome) -> None:
    """Let the states that a training has kept be listed, and found as models.

    The last one of a training that succeeded carries the tuned model's plain name.
    """
    has_ended = outcome.kind == "succeeded"
    newest = list(outcome.checkpoints[:MOST])
    if has_ended and outcome.model is not None and not newest:
        newest = [Kept(0, outcome.model)]
    _drop_before(state, account_id, record["id"])
    for number, kept in enumerate(reversed(newest)):
        is_end = has_ended and number == len(newest) - 1
        name = record["tuned"] if is_end else f"{record['tuned']}:ckpt-step-{kept.step}"
        folder = outcome.model if is_end and outcome.model is not None else kept.folder
        _keep_one(state, account_id, record, kept, TunedFolder(name, record["base"], folder, ""))


def _drop_before(state: State, account_id: str, job: str) -> None:
    """Forget what a pause has kept: the training has let go of it, or gives it anew."""
    state.delete(_place(account_id, job))
    for model in models_of(state, account_id, job):
        state.delete(key(account_id, "models", model["id"]))


def _keep_one(
    state: State, account_id: str, record: Document, kept: Kept, model: TunedFolder
) -> None:
    job, id = record["id"], new_id("ftchkpt-")
    document = {
        "id": id,
        "object": "fine_tuning.job.checkpoint",
        "created_at": now(),
        "fine_tuned_model_checkpoint": model.name,
        "fine_tuning_job_id": job,
        "step_number": kept.step,
        "metrics": metrics(kept.measured) if kept.measured else {"step": float(kept.step)},
    }
    state.put(f"{_place(account_id, job)}/{kept.step:08d}", KIND, document)
    found = TunedFolder(model.name, model.base, model.folder, job)
    keep_model(state, account_id, found, checkpoint=id, created=now())


def checkpoints(call: Call, account_id: str, job: str) -> dict[str, Any]:
    """Give a page of a job's checkpoints, newest first."""
    kept = [one for _, one in call.world.state.within(_place(account_id, job))]
    return page(kept[::-1], call.query, size=10)


def _place(account_id: str, job: str) -> str:
    return f"{key(account_id, 'jobs', job)}/checkpoints"
