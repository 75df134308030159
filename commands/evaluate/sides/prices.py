"""What sides cost: their training, an hour of what answers, and tokens; None where nobody says.

List prices. In the rehearsal it is what Azure would ask.
"""

from datetime import UTC, datetime

from commands import pricing
from commands.evaluate.sides.places import OwnModel
from commands.jobs.cost import job_cost, utc_now
from commands.managed.money import trained_cost
from commands.session import Session
from core import managed_prices
from core.errors import CloudError, UserError
from deploy.endpoint import DeploymentState
from deploy.managed.contract import Hosted
from evaluation.sides import Price
from training.kept_orders import find_order
from training.managed.contract import ManagedJob

UNTRAINED = Price(training_usd=0.0, training_source="nothing was trained")
CONSUMPTION = "Consumption"


def own_training(session: Session, model: OwnModel) -> Price:
    """Give what the run of a registered model has cost, as it was noted with it."""
    tags = model["tags"]
    if session.is_rehearsal:
        return on_azure(session, str(tags.get("job", "")))
    try:
        usd = float(tags["price_usd"])
    except (KeyError, ValueError):
        return Price()
    return Price(training_usd=usd, training_source=tags.get("price_source", ""))


def on_azure(session: Session, job: str) -> Price:
    """Give what Azure would ask for the hours that a rehearsed job took."""
    try:
        kept = find_order(session.cloud, session.outputs, job)
        hours = job_cost(session, job).hours(utc_now())
    except (CloudError, UserError):  # a figure must not end what it is only shown beside
        return Price()
    if kept is None or kept.price_per_hour_usd is None or hours is None:
        return Price()
    return Price(
        training_usd=round(kept.price_per_hour_usd * hours, 4),
        training_source=f"a rehearsal; on Azure {hours:.3f} h of {kept.vm_size}"
        f" at {pricing.dollars(kept.price_per_hour_usd)} an hour",
    )


def own_deployment(session: Session, deployment: DeploymentState, training: Price) -> Price:
    """Add what the instances of a deployment cost an hour."""
    listed = pricing.price_list(session, deployment.vm_size)
    quote = listed.vm(deployment.vm_size)
    if quote is None:
        return training
    told = quote.told(listed.location, datetime.now(UTC).date())
    return training.model_copy(
        update={
            "per_hour_usd": quote.per_hour * deployment.instances,
            "source": f"{deployment.instances} x {deployment.vm_size}: {told}",
        }
    )


def managed_training(session: Session, job: ManagedJob | None) -> Price:
    """Give what the service has charged for: trained tokens at the table's rate."""
    cost = trained_cost(session, job) if job else None
    if cost is None:
        return Price()
    told = "estimated tokens" if cost["is_estimated"] else "tokens"
    return Price(
        training_usd=cost["usd"],
        training_source=f"{cost['tokens']:,} {told} at"
        f" {pricing.dollars(cost['usd_per_million_tokens'])} a million ({cost['source']})",
    )


def managed_deployment(hosted: Hosted, base: str, training: Price) -> Price:
    """Add an hour of a managed deployment, and what its tokens cost; `base` is the model's name."""
    asked = managed_prices.inference(base, hosted.sku or CONSUMPTION)
    sources = [asked.read.source] if asked else []
    quote = managed_prices.hosting(base, hosted.sku or CONSUMPTION, serves=hosted.serves)
    sources += [quote.source] if quote else []
    return training.model_copy(
        update={
            "per_hour_usd": hosted.per_hour,
            "input_usd_per_million": asked.read.per_million if asked else None,
            "output_usd_per_million": asked.written.per_million if asked else None,
            "source": "; ".join(
                dict.fromkeys(f"{one.origin}, {one.as_of.isoformat()}" for one in sources)
            ),
        }
    )
