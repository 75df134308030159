"""The marketplace subscription that a model of another maker than Microsoft needs."""

import re

from core.errors import CloudError
from core.managed_models import ServerlessOffer
from training.managed.contract import Tell
from training.managed.serverless.project import ENDPOINTS_API, Project

PREFIX = "tunestack-"
RIGHTS = (
    "Subscribing takes, on the subscription, Microsoft.MarketplaceOrdering/agreements/offers/plans/"
    "sign/action and Microsoft.SaaS/register/action, on the resource group"
    " Microsoft.SaaS/resources/write, and on the project"
    " Microsoft.MachineLearningServices/workspaces/marketplaceSubscriptions/write: Contributor or"
    " Owner of the subscription has them all."
)
GOOD = ("subscribed", "pendingfulfillmentstart")


def ensure_subscription(project: Project, offer: ServerlessOffer, tell: Tell) -> None:
    """Subscribe the project to a model that is sold, unless it is or the model needs none.

    Raises:
        CloudError: Azure refused; where a right is missing the hint names what it takes.
    """
    if not offer.is_sold:
        return
    for found in project.get_list("marketplaceSubscriptions", ENDPOINTS_API):
        properties = found.get("properties") or {}
        is_same = str(properties.get("modelId")).lower() == offer.model_id.lower()
        if is_same and str(properties.get("marketplaceSubscriptionStatus")).lower() in GOOD:
            return
    tell(f"Subscribing to {offer.name} on Azure's marketplace; its tokens are billed there.")
    path = f"{project.path}/marketplaceSubscriptions/{subscription_name(offer)}"
    try:
        project.cloud.arm.put(path, ENDPOINTS_API, {"properties": {"modelId": offer.model_id}})
    except CloudError as error:
        if error.status in (401, 403):
            error.hint = f"{RIGHTS} {error.hint}".strip()
        raise


def subscription_name(offer: ServerlessOffer) -> str:
    """Name the subscription after its model; dots are not allowed in it."""
    return PREFIX + re.sub(r"[^a-zA-Z0-9]+", "-", offer.name).strip("-").lower()


def our_subscriptions(project: Project) -> list[str]:
    """List the subscriptions that were made here, by name."""
    found = project.get_list("marketplaceSubscriptions", ENDPOINTS_API)
    return [str(one["name"]) for one in found if str(one["name"]).startswith(PREFIX)]


def delete_subscription(project: Project, name: str) -> None:
    """End a subscription; endpoints with its model stop answering."""
    project.cloud.arm.delete(f"{project.path}/marketplaceSubscriptions/{name}", ENDPOINTS_API)
