"""Tuned models: each belongs to the job that made it, with the states that the job kept."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

from core.errors import CloudError, UserError
from core.refs import ModelRef
from training.managed.contract import Checkpoint, ManagedJob, TunedModel
from training.managed.openai.client import Api
from training.managed.openai.events import list_checkpoints
from training.managed.openai.jobs import delete_job, find_job, managed

AT_ONCE = 8
"""Jobs whose checkpoints are asked for at a time; an account holds a hundred jobs."""

VERSION = "1"
"""Of a tuned model: Azure names its deployments so (managed-wire facts, section 2)."""

WITHOUT = ("NotStarted", "Queued", "Failed")
"""States of jobs that have nothing to deploy."""


def models_of(api: Api, jobs: list[ManagedJob]) -> list[TunedModel]:
    """List the models of jobs, newest first, each followed by the states before its end."""
    able = [job for job in jobs if job.status not in WITHOUT]

    def checkpoints(job: ManagedJob) -> list[Checkpoint]:
        try:
            return list_checkpoints(api, job.name, job.tuned)
        except CloudError as error:
            if error.status == 404:  # deleted meanwhile
                return []
            raise

    if able:
        api.client  # noqa: B018  made before threads share it
    with ThreadPoolExecutor(AT_ONCE) as pool:
        kept = list(pool.map(checkpoints, able))
    return [model for job, states in zip(able, kept, strict=True) for model in _of(job, states)]


def _of(job: ManagedJob, states: list[Checkpoint]) -> Iterator[TunedModel]:
    made = job.finished or job.created
    if job.tuned:
        yield _model(job, ModelRef(name=job.tuned, version=VERSION), job.tuned, made)
    for state in states:
        name, _, version = state.model.partition(":")
        ref = ModelRef(name=name, version=version or f"ckpt-step-{state.step}")
        # Never newer than the model: the newest of a name is what is meant by the name alone.
        yield _model(job, ref, state.model, min(state.created or made, made))


def _model(job: ManagedJob, ref: ModelRef, path: str, created: str) -> TunedModel:
    tokens = "" if job.trained_tokens is None else str(job.trained_tokens)
    return TunedModel(
        ref=ref,
        route="openai",
        base=job.base,
        created=created,
        job=job.name,
        path=path,
        tags=dict(job.tags) | ({"trained_tokens": tokens} if tokens else {}),
    )


def delete_model(api: Api, model: TunedModel) -> None:
    """Delete a model with the job that made it and all of its checkpoints.

    Raises:
        UserError: it is a checkpoint, or its job has not ended.
        CloudError: Azure refused, as while a deployment serves it.
    """
    if model.ref.version != VERSION:
        raise UserError(
            f"{model.ref} is a checkpoint: Azure keeps it as long as the model of its job.",
            hint=f"tunestack models delete {model.ref.name}:{VERSION}",
        )
    job = find_job(api, model.job)
    if job is not None and not managed(job).is_over:
        raise UserError(
            f"{model.ref} belongs to the job {job.id}, which has not ended.",
            hint=f"tunestack jobs cancel {job.id}",
        )
    try:
        delete_job(api, model.job)
    except CloudError as error:
        if error.status in (400, 409) and "undeploy" not in error.hint:
            error.hint = (
                "Where a deployment serves it or one of its checkpoints, that goes first:"
                f" tunestack undeploy. {error.hint}".strip()
            )
        raise
