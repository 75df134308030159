"""What a job has cost so far: the price of its nodes times the time since it runs."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from commands import pricing
from commands.session import Session
from core.errors import CloudError
from core.price_list import DEDICATED, LOW_PRIORITY
from training.jobs import find_job
from training.metrics import run_times


@dataclass(frozen=True)
class JobCost:
    """A job's price an hour and its times."""

    per_hour: float | None
    """USD for all its nodes; 0 in the rehearsal; None where the price is not known."""
    nodes: int = 1
    started: datetime | None = None
    """When its program began; None before, and where Azure does not say."""
    ended: datetime | None = None

    def hours(self, now: datetime) -> float | None:
        """Give how long it has run."""
        if self.started is None:
            return None
        return max(0.0, ((self.ended or now) - self.started).total_seconds() / 3600)

    def so_far(self, now: datetime) -> float | None:
        """Give what it has cost in USD; None where price or time is not known."""
        hours = self.hours(now)
        return None if hours is None or self.per_hour is None else hours * self.per_hour

    def told(self, now: datetime) -> str:
        """Say what it has cost, in a few words; empty where that is not known."""
        if self.per_hour == 0:
            return "costs nothing"
        amount = self.so_far(now)
        return "" if amount is None else f"{pricing.dollars(amount)} so far"

    def document(self, now: datetime) -> dict[str, Any] | None:
        """Give it JSON-ready; None where it is not known."""
        amount, hours = self.so_far(now), self.hours(now)
        if amount is None or hours is None:
            return None
        return {
            "usd": round(amount, 4),
            "usd_per_hour": self.per_hour,
            "nodes": self.nodes,
            "hours": round(hours, 4),
        }


def utc_now() -> datetime:
    """Give the time that a running job's cost is counted to."""
    return datetime.now(UTC)


def job_cost(session: Session, name: str) -> JobCost:
    """Read what a job's nodes cost and since when it runs.

    A figure must not end what it is only shown beside: what cannot be read is not known.
    """
    try:
        job = find_job(session.cloud, session.outputs, name)
        started, ended = run_times(session.cloud, session.outputs, name)
        nodes = int(getattr(job.resources, "instance_count", None) or 1)
        return JobCost(_per_hour(session, job, nodes), nodes, started, ended)
    except CloudError:
        return JobCost(None)


def _per_hour(session: Session, job: Any, nodes: int) -> float | None:
    if session.is_rehearsal:
        return 0.0
    size, priority = _node(session, str(job.compute or "").rpartition("/")[2])
    price = pricing.price_list(session, size).per_hour(size, priority)
    return None if price is None else price * nodes


def _node(session: Session, cluster: str) -> tuple[str, str]:
    known = session.outputs.clusters.get(cluster)
    if known is None:
        return session.settings.cluster_vm_size, DEDICATED
    return known.vm_size, LOW_PRIORITY if known.is_low_priority else DEDICATED
