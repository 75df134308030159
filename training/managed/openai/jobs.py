"""Fine-tuning jobs of Azure OpenAI: found, read in the words of the own-GPU route, deleted."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from core.errors import CloudError, UserError
from core.managed_recipe import tier_named
from training.managed.contract import JobState, ManagedJob
from training.managed.openai.client import PAGE, Api, everything, extra
from training.managed.openai.events import measured, moment
from training.managed.openai.files import is_ours as is_our_file
from training.managed.openai.refusals import asking

if TYPE_CHECKING:
    from openai.types.fine_tuning import FineTuningJob

PREFIX = "ftjob-"
STATES: Mapping[str, JobState] = {
    "pending": "Queued",
    "validating_files": "Queued",
    "queued": "Queued",
    "running": "Running",
    "pausing": "Pausing",
    "paused": "Paused",
    "resuming": "Running",
    "cancelling": "CancelRequested",
    "succeeded": "Completed",
    "failed": "Failed",
    "cancelled": "Canceled",
    "canceled": "Canceled",
}
"""Azure's words and OpenAI's, in those of Azure ML; a word that is not here passes as Running."""

OURS = "tunestack"
"""Among a job's metadata: the version that made it."""


def list_jobs(api: Api) -> "list[FineTuningJob]":
    """List the account's jobs, newest first."""
    with asking("list the fine-tuning jobs"):
        found = everything(api.client.fine_tuning.jobs.list(limit=PAGE))
    return sorted(found, key=lambda job: job.created_at or 0, reverse=True)


def find_job(api: Api, name: str) -> "FineTuningJob | None":
    """Read a job; None where there is none. Names of another kind are not asked for."""
    if not name.startswith(PREFIX):
        return None
    try:
        with asking(f"read the job {name}"):
            return api.client.fine_tuning.jobs.retrieve(name)
    except CloudError as error:
        if error.status == 404:
            return None
        raise


def need_job(api: Api, name: str) -> "FineTuningJob":
    """Read a job.

    Raises:
        UserError: there is none.
    """
    if (job := find_job(api, name)) is None:
        raise UserError(f"There is no fine-tuning job {name}.", hint="tunestack jobs list")
    return job


def delete_job(api: Api, name: str) -> bool:
    """Delete a job and the model that it made; False where there was none."""
    try:
        with asking(f"delete the job {name} and its model"):
            api.delete(f"/fine_tuning/jobs/{name}")
    except CloudError as error:
        if error.status != 404:
            raise
        return False
    return True


def managed(job: "FineTuningJob", files: Mapping[str, str] | None = None) -> ManagedJob:
    """Give a job in the vocabulary of the own-GPU route.

    `files` (names by id) tells of the data where the service kept no metadata.
    """
    word = str(job.status or "")
    return ManagedJob(
        name=job.id,
        route="openai",
        status=STATES.get(word.lower(), "Running"),
        service_status=word,
        base=job.model or "",
        tuned=job.fine_tuned_model or "",
        created=moment(job.created_at),
        finished=moment(job.finished_at),
        error=_error(job),
        trained_tokens=job.trained_tokens,
        tags=_tags(job, files or {}),
    )


def _error(job: "FineTuningJob") -> str:
    """Write a job's error; services send one without content, too."""
    error = job.error
    if error is None or not (error.code or error.message):
        return ""
    told = ": ".join(part for part in (error.code, error.message) if part)
    return f"{told} ({error.param})" if error.param else told


def _tags(job: "FineTuningJob", files: Mapping[str, str]) -> dict[str, str]:
    """Give what a job is known by: the metadata that we sent, then what the service says itself.

    The service's own word goes first: it may have trained in another tier than was asked for.
    """
    suffix = extra(job, "suffix") or extra(job, "user_provided_suffix")
    told = extra(job, "trainingType")
    found = {
        "suffix": str(suffix or ""),
        "tier": "" if told is None else tier_named(told) or str(told),
        "seed": str(extra(job, "seed") or ""),
        "data_file": files.get(job.training_file or "", ""),
        "validation_file": files.get(job.validation_file or "", ""),
        **_hyperparameters(job),
    }
    metadata = {name: str(value) for name, value in (job.metadata or {}).items()}
    return metadata | {name: value for name, value in found.items() if value}


def _hyperparameters(job: "FineTuningJob") -> dict[str, str]:
    """Give those that are settled; -1 and `auto` say that the service has not decided yet."""
    told = job.to_dict()
    method = told.get("method")
    inner = method.get(str(method.get("type"))) if isinstance(method, dict) else None
    values: dict[str, Any] = {}
    for part in (inner, told):
        given = part.get("hyperparameters") if isinstance(part, dict) else None
        values |= measured(given) if isinstance(given, dict) else {}
    return {name: f"{value:g}" for name, value in values.items() if value > 0}


def is_ours(job: "FineTuningJob", files: Mapping[str, str]) -> bool:
    """Tell jobs that tunestack made: by their metadata, else by their file's name."""
    return OURS in (job.metadata or {}) or is_our_file(files.get(job.training_file or "", ""))
