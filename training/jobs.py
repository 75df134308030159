"""Jobs as a person meets them: list, show, cancel, download."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from core.azure_errors import operation
from core.cloud import Cloud
from core.errors import UserError
from core.refs import JobRef, StackOutputs
from training.artifacts import output_folder
from training.submission import EXPERIMENT, OUTPUTS, job_ref

ENDED = ("Completed", "Failed", "Canceled", "NotResponding", "Paused")
"""States that a job leaves no more by itself."""


def find_job(cloud: Cloud, outputs: StackOutputs, name: str) -> Any:
    """Read a job as the SDK's entity.

    Raises:
        UserError: there is no such job; names the command that lists them.
    """
    from azure.core.exceptions import ResourceNotFoundError

    with operation(f"read the job {name}"):
        try:
            return cloud.workspace(outputs).jobs.get(name)
        except ResourceNotFoundError as error:
            raise UserError(f"There is no job {name}.", hint="tunestack jobs list") from error


def list_jobs(cloud: Cloud, outputs: StackOutputs) -> list[dict[str, Any]]:
    """List this stack's training jobs, newest first."""
    with operation("list the jobs"):
        jobs = [
            job for job in cloud.workspace(outputs).jobs.list() if job.experiment_name == EXPERIMENT
        ]
    return sorted((describe_job(job) for job in jobs), key=_by_time, reverse=True)


def tagged_jobs(cloud: Cloud, outputs: StackOutputs, tags: dict[str, str]) -> list[JobRef]:
    """Find the jobs that have all these tags, newest first."""
    return [
        JobRef(name=job["name"], status=job["status"], studio_url=job["studio_url"])
        for job in list_jobs(cloud, outputs)
        if tags.items() <= job["tags"].items()
    ]


def job_at_work(cloud: Cloud, outputs: StackOutputs, tags: dict[str, str]) -> JobRef | None:
    """Find the job of these tags that goes on or has completed: who left it comes back to it."""
    for job in tagged_jobs(cloud, outputs, tags):
        if job.status == "Completed" or job.status not in ENDED:
            return job
    return None


def is_training(job: dict[str, Any]) -> bool:
    """Tell whether a job of the list makes a model; others export one, or evaluate."""
    return "model_name" in job["tags"]


def describe_job(job: Any) -> dict[str, Any]:
    """Give what is worth showing of a job, JSON-ready."""
    created = getattr(job.creation_context, "created_at", None)
    return {
        **job_ref(job).model_dump(),
        "created": created.isoformat(timespec="seconds") if created else "",
        "compute": str(job.compute or "").rpartition("/")[2],
        "tags": dict(job.tags or {}),
    }


def cancel_job(cloud: Cloud, outputs: StackOutputs, name: str) -> JobRef:
    """Ask Azure ML to stop a job; one that has ended stays as it is."""
    job = job_ref(find_job(cloud, outputs, name))
    if job.status in ENDED:
        return job
    with operation(f"cancel the job {name}"):
        cloud.workspace(outputs).jobs.begin_cancel(name).result()
    return job_ref(find_job(cloud, outputs, name))


def download_job(
    cloud: Cloud,
    outputs: StackOutputs,
    name: str,
    folder: Path,
    *,
    only: tuple[str, ...] = (),
    tell: Callable[[str, int], None] = lambda name, size: None,
) -> dict[str, Path]:
    """Write a job's named outputs to `<folder>/<output>/`; give those that held anything.

    Raises:
        UserError: no such output, or not one file in what was asked for.
    """
    unknown = [output for output in only if output not in OUTPUTS]
    if unknown:
        raise UserError(
            f"A job has no output {', '.join(unknown)}.", hint=f"Outputs: {', '.join(OUTPUTS)}"
        )
    job = find_job(cloud, outputs, name)
    written = {}
    for output in only or OUTPUTS:
        target = folder / output
        for file, size in output_folder(cloud, outputs, job, output).download(target):
            tell(f"{output}/{file}", size)
            written[output] = target
    if not written:
        raise UserError(f"The job {name} ({job_ref(job).status}) has left no files yet.")
    return written


def _by_time(job: dict[str, Any]) -> tuple[str, str]:
    return job["created"], job["name"]
