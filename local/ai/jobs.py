"""Tuning jobs of an account: order, follow, pause, cancel, delete with the model."""

import shutil
from typing import Any

from local.ai import checkpoints, events, job_life
from local.ai.hosts import OPENAI_RIGHTS, on_account
from local.ai.job_records import KIND, OVER, training_id
from local.ai.job_requests import requested
from local.ai.models import deployment_of, models_of
from local.ai.orders import job_folder
from local.ai.records import all_of, find, key, missing, page
from local.operations import Answer, Call, Refusal
from local.state import Document
from local.tuning import running

RIGHTS = f"{OPENAI_RIGHTS}/fine-tunes"
PATH = "/fine_tuning/jobs"


@on_account(
    "POST",
    PATH,
    data_action=f"{RIGHTS}/write",
    note="supervised and dpo, both shapes of hyperparameters; one runs, 20 wait; really trains a"
    " small model; no reinforcement, tools, images or wandb; `weight`, `prompt_loss_weight` and"
    " `l2_multiplier` are not heeded",
)
def create_job(call: Call, account: Document) -> Answer:
    """Order a tuning."""
    record = requested(call, account)
    job_life.submit(call.world, account["id"], record)
    job_life.advance(call.world, account["id"])
    job = record["job"]
    return Answer(job, 201, {"Location": f"/openai/fine_tuning/jobs/{job['id']}"})


@on_account("GET", PATH, data_action=f"{RIGHTS}/read", note="newest first; after, limit")
def list_jobs(call: Call, account: Document) -> dict[str, Any]:
    """List the jobs."""
    jobs = [one["job"] for one in all_of(call.world.state, account["id"], KIND)]
    return page(jobs[::-1], call.query)


@on_account(
    "GET",
    f"{PATH}/{{job}}",
    data_action=f"{RIGHTS}/read",
    note="pending, running, pausing, paused, resuming, succeeded, failed, cancelled",
)
def get_job(call: Call, account: Document) -> Document:
    """Read a job."""
    return dict(_record(call, account)["job"])


@on_account(
    "POST",
    f"{PATH}/{{job}}/cancel",
    data_action=f"{RIGHTS}/cancel/action",
    note="unexpectedEntityState where it has ended; the right is a guess",
)
def cancel_job(call: Call, account: Document) -> Document:
    """End a job."""
    record = _record(call, account)
    return dict(job_life.cancel(call.world, account["id"], record["id"])["job"])


@on_account(
    "POST",
    f"{PATH}/{{job}}/pause",
    data_action=f"{RIGHTS}/write",
    note="while it runs and has made a step; what it has reached can be deployed; the right is a"
    " guess",
)
def pause_job(call: Call, account: Document) -> Document:
    """Have a job stop for a while."""
    record = _record(call, account)
    return dict(job_life.pause(call.world, account["id"], record["id"])["job"])


@on_account(
    "POST",
    f"{PATH}/{{job}}/resume",
    data_action=f"{RIGHTS}/write",
    note="from its last step; the right is a guess",
)
def resume_job(call: Call, account: Document) -> Document:
    """Have a paused job go on."""
    record = _record(call, account)
    return dict(job_life.go_on(call.world, account["id"], record["id"])["job"])


@on_account(
    "DELETE",
    f"{PATH}/{{job}}",
    data_action=f"{RIGHTS}/delete",
    note="with its model and checkpoints; 409 while it goes on or a deployment names one of them",
)
def delete_job(call: Call, account: Document) -> None:
    """Delete a job and what it has made; files and results stay."""
    record, state = _record(call, account), call.world.state
    with state.transaction():
        _check_deletion(call, account, record)
        for model in models_of(state, account["id"], record["id"]):
            state.delete(key(account["id"], "models", model["id"]))
        state.delete(key(account["id"], KIND, record["id"]))
    running.forget(call.world, training_id(account["id"], record["id"]))
    shutil.rmtree(job_folder(call.world, account["id"], record["id"]), ignore_errors=True)
    job_life.advance(call.world, account["id"])  # a cancelled one may have held its slot still


def _check_deletion(call: Call, account: Document, record: Document) -> None:
    """Refuse what goes on or is served. Codes are in Azure's list; the status 409 is not known."""
    id, status = record["id"], record["job"]["status"]
    if status not in OVER:
        raise Refusal(409, "conflict", f"The job '{id}' is {status}: cancel it first.")
    deployment = deployment_of(call.world.state, account["id"], id)
    if deployment:
        raise Refusal(
            409,
            "conflict",
            "You can't delete a customized model if it has an existing deployment: delete the"
            f" deployment '{deployment}' first.",
        )


@on_account(
    "GET",
    f"{PATH}/{{job}}/events",
    data_action=f"{RIGHTS}/read",
    note="newest first; after, limit; losses every ten steps and at the last one; nothing of safety"
    " evaluations",
)
def list_events(call: Call, account: Document) -> dict[str, Any]:
    """List what a job has told."""
    return events.events(call, account["id"], _record(call, account)["id"])


@on_account(
    "GET",
    f"{PATH}/{{job}}/checkpoints",
    data_action=f"{RIGHTS}/read",
    note="newest first; of the last three epochs and of every pause, the last one with the model's"
    " own name",
)
def list_checkpoints(call: Call, account: Document) -> dict[str, Any]:
    """List what of a job can be deployed."""
    return checkpoints.checkpoints(call, account["id"], _record(call, account)["id"])


def _record(call: Call, account: Document) -> Document:
    id = call.parameters["job"]
    record = find(call.world.state, account["id"], KIND, id)
    if record is None:
        raise missing("job", id)
    return record
