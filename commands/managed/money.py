"""What a managed training has cost: the tokens that the service trained on, at the table's rate."""

from typing import Any

from commands.pricing import dollars
from commands.session import Session
from core.managed_prices import training
from core.managed_recipe import tier_named
from training.managed.contract import ManagedJob

SERVERLESS = "Serverless"
"""What the table of prices calls serverless tuning, which has no tiers."""

Cost = dict[str, Any]


def tier_of(job: ManagedJob) -> str:
    """Give the tier that a job was ordered with, as recipes say it; empty where it is not told."""
    if job.route == "serverless":
        return SERVERLESS
    return tier_named(job.tags.get("tier", "")) or ""


def trained_cost(session: Session, job: ManagedJob) -> Cost | None:
    """Give what a job's training cost; None while that is not known.

    `is_estimated`: by our count of the tokens, where the service tells none.
    In the rehearsal it is what Azure would ask, and `is_rehearsal` says so.
    """
    quote = training(job.base, tier_of(job))
    if quote is None or job.trained_tokens is None:
        return None
    return {
        "usd": round(job.trained_tokens / 1e6 * quote.per_million, 4),
        "usd_per_million_tokens": quote.per_million,
        "tokens": job.trained_tokens,
        "is_estimated": job.are_tokens_estimated,
        "source": f"{quote.source.origin}, {quote.source.as_of.isoformat()}",
        "is_rehearsal": session.is_rehearsal,
    }


def paid_text(cost: Cost | None) -> str:
    """Say what a training has cost and how that comes about; empty where it is not known."""
    if cost is None:
        return ""
    estimated = ", as estimated when it was sent," if cost["is_estimated"] else ""
    sum_of = (
        f"{cost['tokens']:,} tokens{estimated} at {dollars(cost['usd_per_million_tokens'])} a"
        f" million ({cost['source']})"
    )
    if cost["is_rehearsal"]:
        return f"nothing: a rehearsal; on Azure {dollars(cost['usd'])}: {sum_of}"
    return f"{dollars(cost['usd'])}: {sum_of}"
