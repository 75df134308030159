"""Cancel, pause and resume a job; asked for twice, or too late, they do no harm."""

from core.errors import CloudError, UserError
from training.managed.contract import JobState, ManagedJob
from training.managed.openai.client import Api
from training.managed.openai.jobs import managed, need_job
from training.managed.openai.refusals import asking


def cancel(api: Api, name: str) -> ManagedJob:
    """Ask a job to end; one that has ended stays as it is."""
    job = managed(need_job(api, name))
    if job.is_over or job.status == "CancelRequested":
        return job
    try:
        with asking(f"cancel the job {name}"):
            api.client.fine_tuning.jobs.cancel(name)
    except CloudError as error:
        _unless(api, name, error, ("Completed", "Failed", "Canceled", "CancelRequested"))
    return managed(need_job(api, name))


def pause(api: Api, name: str) -> ManagedJob:
    """Ask a job to stop where it is; it keeps its last state, which can be deployed.

    Raises:
        UserError: it does not run (Azure pauses running jobs alone, after their first step).
    """
    job = managed(need_job(api, name))
    if job.status in ("Pausing", "Paused"):
        return job
    if job.service_status != "running":
        raise _wrong_state(job, "paused", "Azure pauses a job that runs, from its first step on.")
    try:
        with asking(f"pause the job {name}"):
            api.client.fine_tuning.jobs.pause(name)
    except CloudError as error:
        _unless(api, name, error, ("Pausing", "Paused"))
    return managed(need_job(api, name))


def resume(api: Api, name: str) -> ManagedJob:
    """Let a paused job go on.

    Raises:
        UserError: it is not paused, or not yet.
    """
    job = managed(need_job(api, name))
    if job.status == "Running":
        return job
    if job.status != "Paused":
        why = "It is still being paused; a minute later it can be." * (job.status == "Pausing")
        raise _wrong_state(job, "resumed", why or "Only a paused job can be.")
    try:
        with asking(f"resume the job {name}"):
            api.client.fine_tuning.jobs.resume(name)
    except CloudError as error:
        _unless(api, name, error, ("Running",))
    return managed(need_job(api, name))


def _unless(api: Api, name: str, error: CloudError, reached: tuple[JobState, ...]) -> None:
    """Raise a refusal, unless the job has come where it was to come.

    The client sends again what failed with a 5xx: the first may have done it, and the second is
    refused.
    """
    job = managed(need_job(api, name))
    if job.status not in reached:
        error.hint = f"The job is {job.status} ({job.service_status}). {error.hint}".strip()
        raise error


def _wrong_state(job: ManagedJob, verb: str, why: str) -> UserError:
    return UserError(
        f"The job {job.name} cannot be {verb}: it is {job.status} ({job.service_status}). {why}",
        hint=f"tunestack jobs show {job.name}",
    )
