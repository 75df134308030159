"""What a teardown asks of tuning services: ARM shows neither their jobs nor what they keep.

Best effort: what a service refuses is told, and the purge of its account takes the rest.
"""

from collections.abc import Iterator

from rich.markup import escape

from commands.output import say
from commands.session import Session
from core.errors import CloudError, UserError
from infra.engine import Existing
from training.managed.contract import ManagedJob, TuningService
from training.managed.services import services

Running = tuple[TuningService, ManagedJob]


def running_jobs(session: Session, known: frozenset[str] = frozenset()) -> list[Running]:
    """List the tuning jobs that have not ended, without those of `known` names."""
    found: list[Running] = []
    for service in _services(session):
        try:
            jobs = service.jobs()
        except UserError as error:
            say(f"[yellow]Jobs of the route {service.route} could not be read:[/] {_told(error)}")
            continue
        found += [(service, job) for job in jobs if not job.is_over and job.name not in known]
    return found


def cancel_jobs(found: list[Running]) -> None:
    """Ask every job to end; `clear` waits for them."""
    for service, job in found:
        try:
            service.cancel(job.name)
            say(f"job {job.name}: cancel requested")
        except UserError as error:
            say(f"[yellow]{job.name} could not be canceled:[/] {_told(error)}")


def clear(session: Session) -> Iterator[Existing]:
    """Delete what the services keep: jobs with their models, files; give each that is gone.

    Raises:
        CloudError: what a service refused, when everything else is gone.
    """
    refused: list[str] = []
    for service in _services(session):
        try:
            for name in service.clear(lambda text: None):
                kind, _, which = name.partition(" ")
                yield Existing(which or kind, f"tuning {kind}", f"{service.route}/{name}")
        except UserError as error:
            refused.append(f"{service.route}: {error}")
    if refused:
        raise CloudError("\n".join(refused))


def _services(session: Session) -> tuple[TuningService, ...]:
    """Give the services of a stack that is up; one that `up` did not finish has none to ask."""
    outputs = session.engine.outputs()
    return services(session.cloud, outputs) if outputs else ()


def _told(error: UserError) -> str:
    return escape(str(error))
