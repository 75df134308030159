"""States of a training that can be deployed: of the last three epochs, and of every pause."""

from typing import Any

from local.ai.events import metrics
from local.ai.models import TunedFolder, keep_model, models_of
from local.ai.records import key, new_id, now, page
from local.operations import Call
from local.state import Document, State
from local.tuning.orders import Kept, Outcome

KIND = "ai/checkpoint"


def keep(state: State, account_id: str, record: Document, outcome: Outcome) -> None:
    """Let the states that a training has kept be listed, and found as models.

    The last one of a training that succeeded carries the tuned model's plain name.
    """
    has_ended = outcome.kind == "succeeded"
    kept_ones = list(outcome.checkpoints)
    if has_ended and outcome.model is not None and not kept_ones:
        kept_ones = [Kept(0, outcome.model)]
    ids = _drop_before(state, account_id, record["id"])
    for number, kept in enumerate(reversed(kept_ones)):
        is_end = has_ended and number == len(kept_ones) - 1
        name = record["tuned"] if is_end else f"{record['tuned']}:ckpt-step-{kept.step}"
        folder = outcome.model if is_end and outcome.model is not None else kept.folder
        model = TunedFolder(name, record["base"], folder, record["id"])
        _keep_one(state, account_id, ids.get(kept.step) or new_id("ftchkpt-"), kept, model)


def _drop_before(state: State, account_id: str, job: str) -> dict[int, str]:
    """Forget what a pause has kept: the training has let go of it, or gives it anew.

    Gives its ids by step: what is kept again is called the same.
    """
    kept = [one for _, one in state.within(_place(account_id, job))]
    state.delete(_place(account_id, job))
    for model in models_of(state, account_id, job):
        state.delete(key(account_id, "models", model["id"]))
    return {one["step_number"]: one["id"] for one in kept}


def _keep_one(state: State, account_id: str, id: str, kept: Kept, model: TunedFolder) -> None:
    document = {
        "id": id,
        "object": "fine_tuning.job.checkpoint",
        "created_at": now(),
        "fine_tuned_model_checkpoint": model.name,
        "fine_tuning_job_id": model.job,
        "step_number": kept.step,
        "metrics": metrics(kept.measured) if kept.measured else {"step": float(kept.step)},
    }
    state.put(f"{_place(account_id, model.job)}/{kept.step:08d}", KIND, document)
    keep_model(state, account_id, model, checkpoint=id, created=now())


def checkpoints(call: Call, account_id: str, job: str) -> dict[str, Any]:
    """Give a page of a job's checkpoints, newest first."""
    kept = [one for _, one in call.world.state.within(_place(account_id, job))]
    return page(kept[::-1], call.query, size=10)


def _place(account_id: str, job: str) -> str:
    return f"{key(account_id, 'jobs', job)}/checkpoints"
