"""A managed job followed to its end, shown like any other job."""

from commands.jobs.view import watch
from commands.session import Session
from training.managed.contract import ManagedJob, TuningService
from training.managed.following import follow


def follow_job(session: Session, service: TuningService, job: str) -> ManagedJob:
    """Show a job until it ends; leaving off leaves it running.

    Raises:
        JobFailed: it did not complete.
    """
    watch(follow(service, job), job, session.stack)
    ended = service.job(job)
    assert ended is not None, "a job that was followed is there"
    return ended
