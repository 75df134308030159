"""What the run of a model has cost: all its jobs together, also those that lost their nodes."""

from commands import pricing
from commands.jobs.cost import job_cost, utc_now
from commands.session import Session
from core.errors import CloudError, UserError
from training.kept_orders import KeptOrder, find_order
from training.models import Paid


def paid_for(session: Session, job: str) -> Paid | None:
    """Give what the jobs of a run have cost, up to `job`; None where a part is not known."""
    if session.is_rehearsal:
        return Paid(0.0, "a rehearsal on this machine")
    try:
        kept = find_order(session.cloud, session.outputs, job)
        names = [job] if kept is None else _run(kept)
        found = [_one(session, name) for name in names]
    except (CloudError, UserError):  # a figure must not end what it is only shown beside
        return None
    known = [each for each in found if each is not None]
    if len(known) != len(names):
        return None
    return Paid(sum(each.usd for each in known), "; ".join(each.source for each in known))


def _run(kept: KeptOrder) -> list[str]:
    """Name the jobs of a run up to this one."""
    run = kept.place.run or kept.job
    return [run, *(f"{run}-{number}" for number in range(2, kept.place.number + 1))]


def _one(session: Session, job: str) -> Paid | None:
    cost, kept = job_cost(session, job), find_order(session.cloud, session.outputs, job)
    usd, hours = cost.so_far(utc_now()), cost.hours(utc_now())
    if usd is None or hours is None:
        return None
    size = kept.vm_size if kept else session.settings.cluster_vm_size
    priority = kept.priority if kept else "Dedicated"
    quote = pricing.price_list(session, size).vm(size, priority)
    source = f" ({quote.source})" if quote else ""
    return Paid(usd, f"{cost.nodes} x {size} {priority}, {hours:.2f} h{source}")
