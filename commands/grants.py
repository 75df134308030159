"""What commands say about the stack's grants: the wait after `up`, and what a failure lacks."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from commands.session import Session
from core.errors import CloudError, DeploymentFailed, Interrupted, JobFailed, UserError

if TYPE_CHECKING:
    from core.refs import StackOutputs
    from infra.engine import Report
    from infra.granted import Granted
    from infra.site import Site

REFUSED = (401, 403)


def bring_up(session: Session, report: "Report") -> "StackOutputs":
    """Make the stack and wait until what it grants is in force, as far as that can be tried.

    Raises:
        CloudError: Azure refused; or a grant is missing or late, named with what needs it.
        Interrupted: the person did not want to wait for the grants.
    """
    from infra.effective import Effective

    effective = Effective(_site(session), session.engine, session.cloud, report)
    outputs = effective.up()
    try:
        effective.wait(outputs)
    except KeyboardInterrupt:
        raise Interrupted(
            "Everything is made; only the wait for the grants to be in force was stopped.",
            hint=f"tunestack up --stack {session.stack} goes on waiting.",
        ) from None
    return outputs


@contextmanager
def naming_missing_grants(session: Session) -> Iterator[None]:
    """Add to a failed job, deployment or upload which of the stack's grants are not there.

    Azure's own words differ from service to service; what is missing is a fact that can be read.
    """
    try:
        yield
    except (CloudError, DeploymentFailed, JobFailed) as error:
        told = _told(session, is_refused=getattr(error, "status", 0) in REFUSED)
        error.hint = "\n".join(filter(None, (told, error.hint)))
        raise


def _told(session: Session, *, is_refused: bool) -> str:
    """Say what is missing, or so new that a refusal may be due to it; empty where neither is."""
    from infra.granted import lacks, utc_now

    try:
        found = _read(session)
    except UserError:  # what cannot be read now must not hide what failed
        return ""
    again = f"tunestack up --stack {session.stack}"
    if missing := lacks(found):
        return "\n".join((*missing, f"{again} makes it again."))
    if is_refused and any(granted.is_young(utc_now()) for granted in found):
        return f"The stack's grants are new; Azure takes minutes: {again} waits for them."
    return ""


def _read(session: Session) -> "list[Granted]":
    from infra.granted import read_grants

    return read_grants(_site(session), session.engine.resources(), session.cloud.arm)


def _site(session: Session) -> "Site":
    from infra.site import Site

    return Site(session.settings, session.cloud.subscription_id, session.stack)
