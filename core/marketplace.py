"""Open models of Azure's registries, and the marketplace subscription that some makers' need.

Microsoft's own (Phi) need none; Azure refuses a subscription to what needs none. One is for a
project: its tuning jobs and its endpoints use the same.
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
GOOD = ("subscribed", "pendingfulfillmentstart")
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


def subscribe(arm: "Arm", workspace: str, model_id: str, tell: Callable[[str], None]) -> None:
    """Subscribe a project to a model, unless it needs none or has it; `workspace` is its ARM id.

    Raises:
        CloudError: Azure refused; says which right the marketplace wants.
    """
    if not needs_subscription(model_id):
        return
    model_id = registry_model(model_id)
    for found in arm.get_list(f"{workspace}/marketplaceSubscriptions", API):
        properties = found.get("properties") or {}
        is_same = str(properties.get("modelId")).lower() == model_id.lower()
        if is_same and str(properties.get("marketplaceSubscriptionStatus")).lower() in GOOD:
            return
    tell(f"Subscribing to {model_id.rsplit('/', 1)[-1]} in the Azure Marketplace; its maker bills.")
    path = f"{workspace}/marketplaceSubscriptions/{subscription_name(model_id)}"
    try:
        arm.put(path, API, {"properties": {"modelId": model_id}})
    except CloudError as refused:
        raise CloudError(
            f"No subscription to {model_id}: {refused}",
            hint="It takes the actions Microsoft.MarketplaceOrdering/agreements/offers/plans/*"
            " and Microsoft.SaaS/resources/* on the subscription or its group (an owner has"
            " them), and a way of paying that the marketplace takes.",
            operation=refused.operation,
            code=refused.code,
            status=refused.status,
            request_id=refused.request_id,
        ) from refused


def subscription_name(model_id: str) -> str:
    """Name the subscription after its model, as tuning does: `destroy` ends those of the prefix."""
    slug = re.sub(r"[^a-zA-Z0-9]+", "-", model_id.rsplit("/", 1)[-1])
    return PREFIX + slug.strip("-").lower()
