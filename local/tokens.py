"""Tokens per minute in use: what deployed models hold of a location's limits, in thousands."""

from collections import Counter

from local.models import MODELS, Model
from local.quota import of_tokens
from local.state import Document, State

ACCOUNTS = "Microsoft.CognitiveServices/accounts"
DEPLOYMENTS = f"{ACCOUNTS}/deployments"
TUNED = ".ft-"
"""What the name of a tuned model has between its base model and its own id."""


def used(state: State, location: str) -> Counter[str]:
    """Count the capacity of deployments in a location, by the name of the quota."""
    found: Counter[str] = Counter()
    here = {
        id.lower()
        for id, account in state.find(ACCOUNTS)
        if str(account.get("location", "")).lower() == location
    }
    for id, deployment in state.find(DEPLOYMENTS):
        name = quota_name(deployment)
        if name and id.lower().rpartition("/deployments/")[0] in here:
            found[name] += int((deployment.get("sku") or {}).get("capacity") or 1)
    return found


def quota_name(deployment: Document) -> str:
    """Name the quota that a deployment takes from; empty where its model is not known."""
    asked = str((deployment["properties"].get("model") or {}).get("name") or "")
    base, is_tuned, _ = asked.partition(TUNED)
    model = _model(base)
    sku = str((deployment.get("sku") or {}).get("name") or "Standard").lower()
    kind = next((one for one in model.skus if one.lower() == sku), "") if model else ""
    return of_tokens(model, kind, is_tuned=bool(is_tuned)).name if model and kind else ""


def _model(name: str) -> Model | None:
    """Find a model by its name, with or without its version behind it."""
    wanted = name.lower()
    for model in MODELS:
        if wanted in (model.name.lower(), f"{model.name}-{model.version}".lower()):
            return model
    return None
