"""Tokens per minute in use: what deployed models hold of a location's limits, in thousands.

What a deployment takes is free again as soon as it is deleted; at Azure that may be 20 s late.
"""

from collections import Counter

from local.models import Model, base_of
from local.quota import Quota, of_tokens
from local.state import Document, State

ACCOUNTS = "Microsoft.CognitiveServices/accounts"
DEPLOYMENTS = f"{ACCOUNTS}/deployments"


def used(state: State, location: str, *, but: str = "") -> Counter[str]:
    """Count the capacity of deployments in a location, by the name of the quota.

    `but` is the id of a deployment to leave out: one that is about to be changed.
    """
    found: Counter[str] = Counter()
    here = {
        id.lower()
        for id, account in state.find(ACCOUNTS)
        if str(account.get("location", "")).lower() == location
    }
    for id, deployment in state.find(DEPLOYMENTS):
        name = quota_name(deployment)
        if id.lower() == but.lower() or not name:
            continue
        if id.lower().rpartition("/deployments/")[0] in here:
            found[name] += int((deployment.get("sku") or {}).get("capacity") or 1)
    return found


def quota_name(deployment: Document) -> str:
    """Name the quota that a deployment takes from; empty where its model is not known."""
    quota = quota_of(deployment)
    return quota.name if quota else ""


def quota_of(deployment: Document) -> Quota | None:
    """Find the quota that a deployment takes from; tuned models have their own."""
    asked = str((deployment["properties"].get("model") or {}).get("name") or "")
    model, is_tuned = base_of(asked)
    sku = str((deployment.get("sku") or {}).get("name") or "Standard")
    kind = offered(model, sku, is_tuned=is_tuned) if model else ""
    return of_tokens(model, kind, is_tuned=is_tuned) if model and kind else None


def offered(model: Model, sku: str, *, is_tuned: bool) -> str:
    """Give a kind of deployment in Azure's spelling; empty where the model has no such."""
    kinds = model.tuned_skus if is_tuned else model.skus
    return next((one for one in kinds if one.lower() == sku.lower()), "")
