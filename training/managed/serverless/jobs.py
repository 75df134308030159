"""Serverless fine-tuning jobs of the project: list, read, cancel."""

from collections.abc import Mapping
from typing import Any

from core.errors import UserError
from training.managed.contract import TOKENS_TAG, JobState, ManagedJob
from training.managed.serverless.project import JOBS_API, Project
from training.submission import EXPERIMENT

STATES: Mapping[str, JobState] = {
    "notstarted": "NotStarted",
    "starting": "Queued",
    "provisioning": "Queued",
    "preparing": "Queued",
    "queued": "Queued",
    "running": "Running",
    "notresponding": "Running",
    "paused": "Paused",
    "finalizing": "Finalizing",
    "cancelrequested": "CancelRequested",
    "completed": "Completed",
    "failed": "Failed",
    "canceled": "Canceled",
}
"""Azure ML's words in our shorter list; one that is not in it counts as running."""

OUTPUT = "registered_model"
CANCEL_API = "2023-04-01-preview"


def list_jobs(project: Project) -> list[dict[str, Any]]:
    """List the fine-tuning jobs that were submitted here, newest first, as ARM gives them."""
    found = [one for one in project.get_list("jobs", JOBS_API) if _is_ours(one)]
    return sorted(found, key=lambda one: (created(one), str(one["name"])), reverse=True)


def find_job(project: Project, name: str) -> dict[str, Any] | None:
    """Read a fine-tuning job; None where there is none of that name."""
    found = project.get(f"jobs/{name}", JOBS_API)
    return found if found and _is_tuning(found) else None


def need_job(project: Project, name: str) -> dict[str, Any]:
    """Read a fine-tuning job.

    Raises:
        UserError: there is none.
    """
    found = find_job(project, name)
    if found is None:
        raise UserError(f"There is no serverless job {name}.", hint="tunestack jobs list")
    return found


def read_job(project: Project, name: str) -> ManagedJob:
    """Read a fine-tuning job, with its end where it has one.

    Raises:
        UserError: there is none.
    """
    return with_end(project, need_job(project, name))


def managed(document: dict[str, Any], finished: str = "", reason: str = "") -> ManagedJob:
    """Take from a job what the contract tells of one; its run tells the end and the reason."""
    properties = document.get("properties") or {}
    details = properties.get("fineTuningDetails") or {}
    status = str(properties.get("status") or "")
    chosen = {**(details.get("hyperParameters") or {}), **(properties.get("tags") or {})}
    tags = {str(key): str(value) for key, value in chosen.items()}
    return ManagedJob(
        name=str(document["name"]),
        route="serverless",
        status=STATES.get(status.lower(), "Running"),
        service_status=status,
        base=tags.get("base") or _base(details),
        tuned=_tuned(properties),
        created=created(document),
        finished=finished,
        error=reason,
        trained_tokens=_tokens(tags) if status.lower() == "completed" else None,
        are_tokens_estimated=True,
        studio_url=_studio(properties),
        tags=tags,
    )


def with_end(project: Project, document: dict[str, Any]) -> ManagedJob:
    """Read a job; one that is over with when it ended and why, where its run tells that."""
    job = managed(document)
    if not job.is_over:
        return job
    found = project.run_details(job.name)
    error = (found.get("error") or {}).get("error") or {}
    reason = ": ".join(part for part in (error.get("code"), error.get("message")) if part)
    return managed(document, moment(found.get("endTimeUtc")), reason)


def cancel(project: Project, name: str) -> ManagedJob:
    """Ask a job to end; one that has ended stays as it is."""
    job = managed(need_job(project, name))
    if not job.is_over:
        project.cloud.arm.post(f"{project.path}/jobs/{name}/cancel", CANCEL_API)
        job = managed(need_job(project, name))
    return job


def created(document: Mapping[str, Any]) -> str:
    """Give when something was made, to the second, in UTC; empty where it is not told."""
    return moment((document.get("systemData") or {}).get("createdAt"))


def moment(text: Any) -> str:
    """Cut a time of Azure's to seconds."""
    told = str(text or "")
    return f"{told[:19]}Z" if len(told) >= 19 else told


def output_of(properties: Mapping[str, Any]) -> Mapping[str, Any]:
    """Give what a job tells of the model that it makes."""
    found: Mapping[str, Any] = (properties.get("outputs") or {}).get(OUTPUT) or {}
    return found


def _tuned(properties: Mapping[str, Any]) -> str:
    output = output_of(properties)
    is_there = str(properties.get("status")).lower() == "completed"
    return str(output.get("assetName") or "") if is_there else ""


def _tokens(tags: Mapping[str, str]) -> int | None:
    """Give our own estimate: the service tells of no tokens."""
    told = tags.get(TOKENS_TAG, "")
    return int(told) if told.isdecimal() else None


def _is_tuning(document: Mapping[str, Any]) -> bool:
    return str((document.get("properties") or {}).get("jobType")).lower() == "finetuning"


def _is_ours(document: Mapping[str, Any]) -> bool:
    experiment = (document.get("properties") or {}).get("experimentName")
    return _is_tuning(document) and experiment == EXPERIMENT


def _base(details: Mapping[str, Any]) -> str:
    """Read the model's name out of …/models/NAME/versions/N."""
    uri = str((details.get("model") or {}).get("uri") or "")
    return uri.partition("/models/")[2].partition("/")[0]


def _studio(properties: Mapping[str, Any]) -> str:
    studio = (properties.get("services") or {}).get("Studio") or {}
    return str(studio.get("endpoint") or "")
