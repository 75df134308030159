"""Azure AI by location: which models there are, until when, and how much of each may be used."""

from datetime import UTC, datetime
from typing import Any

from local import quota
from local.models import MODELS, REGIONAL, Model
from local.operations import Call, operation
from local.quota import Quota, of_tokens, token_quotas
from local.tokens import ACCOUNTS, used

PROVIDER = "Microsoft.CognitiveServices"
PATH = f"/subscriptions/{{subscription}}/providers/{PROVIDER}/locations/{{location}}"
ACCOUNT_COUNT = Quota("AccountCount", "Account Count", 100)


@operation(
    "GET",
    f"{PATH}/usages",
    action=f"{PROVIDER}/locations/usages/read",
    note="thousands of tokens per minute of each model and kind of deployment, counted from"
    " deployments; tuned ones apart; limits are made up, or set by `tunestack local quota`",
)
def list_usages(call: Call) -> dict[str, Any]:
    """Count the capacity that deployments hold in a location."""
    state, location = call.world.state, call.parameters["location"].lower()
    accounts = [d for _, d in state.find(ACCOUNTS) if d.get("location") == location]
    counts = used(state, location)
    rows = [
        _usage(row, quota.limit(state, row.name, location), counts[row.name])
        for row in token_quotas()
    ]
    return {"value": [_usage(ACCOUNT_COUNT, ACCOUNT_COUNT.limit, len(accounts)), *rows]}


@operation(
    "GET",
    f"{PATH}/models",
    action=f"{PROVIDER}/locations/models/read",
    note="the table of local/models.py, the same everywhere but for regional training",
)
def list_models(call: Call) -> dict[str, Any]:
    """List the models that accounts in a location can deploy."""
    location = call.parameters["location"].lower()
    return {"value": [_listed(model, location) for model in MODELS]}


def _usage(row: Quota, limit: int, count: int) -> dict[str, Any]:
    return {
        "name": {"value": row.name, "localizedValue": row.words},
        "currentValue": float(count),
        "limit": float(limit),
        "unit": "Count",
    }


def _listed(model: Model, location: str) -> dict[str, Any]:
    is_over = bool(model.retired) and datetime.now(UTC).date().isoformat() >= model.retired
    return {
        "kind": "OpenAI" if model.provider == "OpenAI" else "AIServices",
        "skuName": "S0",
        "model": {
            "format": model.format,
            "name": model.name,
            "version": model.version,
            "isDefaultVersion": True,
            "maxCapacity": 3,
            "lifecycleStatus": "Deprecated" if is_over else "GenerallyAvailable",
            "deprecation": _ends(model),
            "capabilities": _capabilities(model, location),
            "skus": [_sku(model, name) for name in model.skus],
        },
    }


def _ends(model: Model) -> dict[str, str]:
    if not model.retired:
        return {}
    return dict.fromkeys(("inference", "fineTune"), f"{model.retired}T00:00:00Z")


def _capabilities(model: Model, location: str) -> dict[str, str]:
    found = {"chatCompletion": "true", "inference": "true", "globalFineTune": "true"}
    is_regional = model.provider == "OpenAI" and location in REGIONAL
    return found | ({"fineTune": "true"} if is_regional else {})


def _sku(model: Model, name: str) -> dict[str, Any]:
    sku: dict[str, Any] = {
        "name": name,
        "usageName": of_tokens(model, name).name,
        "capacity": {"minimum": 1, "maximum": model.limit, "default": 10, "step": 1},
    }
    return sku | ({"deprecationDate": f"{model.retired}T00:00:00Z"} if model.retired else {})
