"""What teardown would leave in an account that goes on: our jobs with their models, our files."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from core.errors import CloudError, UserError
from training.managed.contract import Tell
from training.managed.openai import files
from training.managed.openai.client import Api
from training.managed.openai.control import cancel
from training.managed.openai.jobs import delete_job, find_job, is_ours, list_jobs, managed

if TYPE_CHECKING:
    from openai.types.fine_tuning import FineTuningJob

FIRST_WAIT, LONGEST_WAIT = 1.0, 10.0
ENDS_WITHIN = 180.0
"""Seconds that a job has to end after it was cancelled."""


def clear(api: Api, tell: Tell) -> Iterator[str]:
    """Cancel, then delete what tunestack made, job by job and file by file; name what is gone.

    What Azure refuses to delete is told and passed over, so that one thing leaves no other.

    Raises:
        CloudError: the first refusal, when everything else is gone.
    """
    refused: list[CloudError] = []
    names = {file.id: file.filename or "" for file in files.list_files(api)}
    jobs = [job for job in list_jobs(api) if is_ours(job, names)]
    for job in jobs:
        _cancelled(api, job, tell)
    for job in jobs:
        with _passed_over(refused, tell):
            if _is_over(api, job) and delete_job(api, job.id):
                yield f"job {job.id}" + f" with {job.fine_tuned_model}" * bool(job.fine_tuned_model)
    results = {id for job in jobs for id in job.result_files or ()}
    for id, name in names.items():
        if id in results or files.is_ours(name):
            with _passed_over(refused, tell):
                files.delete_file(api, id)
                yield f"file {name}"
    if refused:
        raise refused[0]


@contextmanager
def _passed_over(refused: list[CloudError], tell: Tell) -> Iterator[None]:
    """Keep and tell what Azure refuses inside, and go on."""
    try:
        yield
    except CloudError as error:
        tell(str(error))
        refused.append(error)


def _cancelled(api: Api, job: "FineTuningJob", tell: Tell) -> None:
    if managed(job).is_over:
        return
    try:
        cancel(api, job.id)
        tell(f"Cancelling the job {job.id}")
    except UserError as error:  # CloudError, too: its deletion will say more
        tell(str(error))


def _is_over(api: Api, job: "FineTuningJob") -> bool:
    """Wait until a job has ended; False where it is gone already."""
    pause, waited = FIRST_WAIT, 0.0
    while (found := find_job(api, job.id)) is not None and not managed(found).is_over:
        if waited >= ENDS_WITHIN:
            raise CloudError(f"The job {job.id} is still {found.status} after it was cancelled.")
        api.wait(pause)
        waited, pause = waited + pause, min(2 * pause, LONGEST_WAIT)
    return found is not None
