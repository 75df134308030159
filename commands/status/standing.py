"""What a stack has, what runs in it and what that costs an hour: as documents."""

from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from commands import pricing
from commands.managed.standing import hosted_document, running_documents
from commands.session import Session

if TYPE_CHECKING:
    from core.price_list import PriceList
    from infra.standing.workloads import Workloads

Document = dict[str, Any]


def everything(session: Session) -> Document:
    """Find every stack of the session's subscription; no stack file is read."""
    from infra.standing.stacks import all_stacks
    from infra.standing.workloads import total

    now, cloud = datetime.now(UTC), session.cloud
    found = all_stacks(cloud.arm, cloud.subscription_id, now)
    return {
        "subscription": cloud.subscription_id,
        "is_rehearsal": session.is_rehearsal,
        "as_of": now.isoformat(timespec="seconds"),
        "stacks": [{**view.document(), "age": age(view.created, now)} for view in found],
        "per_hour": total([view.per_hour for view in found]),
    }


def age(created: str, now: datetime) -> str:
    """Write how long something has stood, as a person would say it."""
    if not created:
        return ""
    hours = (now - datetime.fromisoformat(created)).total_seconds() / 3600
    return f"{hours:.0f} h" if hours < 48 else f"{hours / 24:.0f} days"


def standing(session: Session) -> Document:
    """Ask what the stack has, what runs in it and what all of it costs an hour."""
    return {**made(session), **running(session, found_workloads(session))}


def made(session: Session) -> Document:
    """Give what `up` made, by the engine alone."""
    return {
        "stack": session.stack,
        "is_up": session.engine.outputs() is not None,
        "resources": [asdict(item) for item in session.engine.resources()],
        "is_rehearsal": session.is_rehearsal,
    }


def found_workloads(session: Session) -> "Workloads":
    """Ask what was made in the stack after `up`; nothing where it is not up."""
    from infra.standing.workloads import Workloads, workloads

    outputs = session.engine.outputs()
    return workloads(session.cloud.arm, outputs) if outputs else Workloads()


def running(session: Session, found: "Workloads") -> Document:
    """Give what runs, JSON-ready, and what an hour of all that stands costs."""
    from infra.prices import per_hour, prices
    from infra.standing.costs import burn, vm_sizes

    listed = pricing.price_list(session, *vm_sizes(found), asks=False)
    is_there = bool(session.engine.resources())
    base = per_hour(prices(session.settings, listed), "standing") if is_there else 0.0
    now = burn(found, listed)
    return {
        "endpoints": _endpoints(session, found, listed),
        "hosted": [hosted_document(one) for one in found.hosted],
        "jobs": [asdict(job) for job in found.jobs],
        "tuning": running_documents(session, {job.name for job in found.jobs}),
        "nodes": found.nodes,
        "per_hour": None if base is None or now is None else round(base + now, 4),
    }


def _endpoints(session: Session, found: "Workloads", listed: "PriceList") -> list[Document]:
    from commands.endpoint.ending import told_expiry
    from infra.standing.costs import deployment_price

    return [
        {
            **asdict(item),
            **told_expiry(session, item.name),
            "per_hour": [deployment_price(one, listed) for one in item.deployments],
        }
        for item in found.endpoints
    ]
