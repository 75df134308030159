"""Open models of Azure's registries, and the marketplace subscription that some makers' need.

Microsoft's own (Phi) need none; Azure refuses a subscription to what needs none. One is for a
project, whose ARM id is `workspace` below: its tuning jobs and its endpoints use the same.
"""

import re
from collections.abc import Callable
from typing import TYPE_CHECKING

from core.errors import CloudError
from core.managed_models import serverless_offer

if TYPE_CHECKING:
    from core.arm import Arm

API = "2024-10-01"
PREFIX = "tunestack-"
ON_SUBSCRIPTION = (
    "Microsoft.MarketplaceOrdering/agreements/offers/plans/read",
    "Microsoft.MarketplaceOrdering/agreements/offers/plans/sign/action",
    "Microsoft.MarketplaceOrdering/offerTypes/publishers/offers/plans/agreements/read",
    "Microsoft.Marketplace/offerTypes/publishers/offers/plans/agreements/read",
    "Microsoft.SaaS/register/action",
)
ON_GROUP = ("Microsoft.SaaS/resources/read", "Microsoft.SaaS/resources/write")
"""Actions that subscribing takes, on the subscription and on the group, besides the one that
writes to the project: azure-ai-docs, "Permissions required to subscribe to model offerings"."""

MICROSOFT = ("azureml", "azureml-msr", "azureml-deepseek", "azureml-staging")
"""Registries of models that Azure itself sells: they need no subscription."""
MAKERS = (
    (r"(Meta-)?Llama-.*", "azureml-meta"),
    (r"(Mistral|Ministral|Codestral|Mixtral)-.*", "azureml-mistral"),
    (r"Cohere-.*", "azureml-cohere"),
    (r"(AI21-)?Jamba-.*", "azureml-ai21"),
)
"""Model names, and the registry that their maker has; all others are in Microsoft's."""


def registry_model(name: str) -> str:
    """Give a model's id in its registry, without a version: endpoints are refused with one.

    `name` may be such an id already, with a version or not.
    """
    if name.startswith("azureml://registries/"):
        return re.sub(r"/(versions|labels)/[^/]+$", "", name)
    if (offer := serverless_offer(name)) is not None:
        return offer.model_id
    registry = next((maker for pattern, maker in MAKERS if re.fullmatch(pattern, name)), "azureml")
    return f"azureml://registries/{registry}/models/{name}"


def needs_subscription(model_id: str) -> bool:
    """Say whether a maker other than Microsoft bills for a model."""
    found = re.match(r"azureml://registries/([^/]+)/", model_id)
    return found is not None and found[1] not in MICROSOFT


def subscribe(arm: "Arm", workspace: str, model: str, tell: Callable[[str], None]) -> None:
    """Subscribe a project to a model, by name or id, unless it needs none or has it.

    Raises:
        CloudError: Azure refused; says what the marketplace wants.
    """
    model_id = registry_model(model)
    if not needs_subscription(model_id) or _is_subscribed(arm, workspace, model_id):
        return
    tell(f"Subscribing to {model_id.rsplit('/', 1)[-1]} in the Azure Marketplace; its maker bills.")
    try:
        arm.put(
            f"{workspace}/marketplaceSubscriptions/{subscription_name(model_id)}",
            API,
            {"properties": {"modelId": model_id}},
        )
    except CloudError as refused:
        raise _explained(model_id, refused) from refused


def our_subscriptions(arm: "Arm", workspace: str) -> list[str]:
    """List the subscriptions of a project that were made here, by name."""
    found = arm.get_list(f"{workspace}/marketplaceSubscriptions", API)
    return [str(one["name"]) for one in found if str(one["name"]).startswith(PREFIX)]


def unsubscribe(arm: "Arm", workspace: str, name: str) -> None:
    """End a subscription; endpoints with its model stop answering."""
    arm.delete(f"{workspace}/marketplaceSubscriptions/{name}", API)


def subscription_name(model_id: str) -> str:
    """Name the subscription after its model; dots are not allowed in it."""
    slug = re.sub(r"[^a-zA-Z0-9]+", "-", model_id.rsplit("/", 1)[-1])
    return PREFIX + slug.strip("-").lower()


def _is_subscribed(arm: "Arm", workspace: str, model_id: str) -> bool:
    """Tell whether one to the model is in force, whoever made it."""
    return any(
        str(properties.get("modelId")).lower() == model_id.lower()
        and str(properties.get("marketplaceSubscriptionStatus")).lower() == "subscribed"
        for one in arm.get_list(f"{workspace}/marketplaceSubscriptions", API)
        for properties in [one.get("properties") or {}]
    )


def _explained(model_id: str, refused: CloudError) -> CloudError:
    hint = "The marketplace wants a way of paying, and sells an offer in some countries alone."
    if refused.status in (401, 403):
        hint = (
            f"It takes, on the subscription, {', '.join(ON_SUBSCRIPTION)}, and on the resource"
            f" group {' and '.join(ON_GROUP)}: a Contributor of the subscription has them all."
        )
    return refused.retold(f"No subscription to {model_id}: {refused}", hint)
