"""Who knows a job: Azure ML's workspace has those of a cluster, a managed service its own.

The commands call a handler and never ask for the route; `handler` looks the job up.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

from commands.session import Session
from core.refs import JobRef
from training.explain import Explanation
from training.follow import Event
from training.managed.services import find_managed_job

Row = tuple[str, Any]


class JobHandler(Protocol):
    """What can be done with one job.

    Methods raise UserError where a job of this kind has no such thing, with what it has instead.
    """

    name: str
    no_checkpoints: str
    """Said of a job that has none."""

    def document(self) -> dict[str, Any]:
        """Give all that `jobs show` tells, JSON-ready."""

    def rows(self, document: dict[str, Any]) -> list[Row]:
        """Give what of the document a person reads."""

    def log(self) -> Iterator[Event]:
        """Give what the job has told so far."""

    def follow(self) -> str:
        """Show the job until it ends; give the command that comes next."""

    def cancel(self) -> JobRef:
        """Ask it to end."""

    def pause(self) -> JobRef:
        """Ask it to stop where it is, to go on later."""

    def resume(self, cluster: str, *, follow: bool, yes: bool, as_json: bool) -> None:
        """Let it go on, and show what comes of it."""

    def checkpoints(self) -> list[dict[str, Any]]:
        """List the states of the training that are kept, newest first."""

    def report(self, folder: Path) -> list[Path]:
        """Write its page and curves into a folder."""

    def download(self, outputs: tuple[str, ...], folder: Path) -> dict[str, Path]:
        """Bring its outputs here; give each with its folder."""

    def failure(self) -> tuple[str, Explanation | None]:
        """Give its status, and why it failed where it did."""


def handler(session: Session, name: str) -> JobHandler:
    """Give who knows the job of this name; the workspace is asked where no service has it."""
    from commands.jobs.own import OwnJob
    from commands.managed.jobs import ManagedJobHandler

    found = find_managed_job(session.cloud, session.outputs, name)
    return ManagedJobHandler(session, *found) if found else OwnJob(session, name)
