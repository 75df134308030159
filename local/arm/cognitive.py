"""Azure AI by location and account: which models there are, until when, how much is left."""

from collections.abc import Mapping
from typing import Any

from local import quota
from local.ai.models import KIND, TunedFolder, find_model
from local.ai.records import all_of
from local.arm.checks import check_group
from local.models import MODELS, REGIONAL, Model, find_base
from local.operations import Call, Refusal, operation
from local.quota import Quota, of_tokens, token_quotas
from local.tokens import ACCOUNTS, used

PROVIDER = "Microsoft.CognitiveServices"
SUBSCRIPTION = f"/subscriptions/{{subscription}}/providers/{PROVIDER}"
PATH = f"{SUBSCRIPTION}/locations/{{location}}"
ACCOUNT_MODELS = (
    f"/subscriptions/{{subscription}}/resourceGroups/{{group}}/providers/{ACCOUNTS}/{{name}}/models"
)
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


@operation(
    "GET",
    ACCOUNT_MODELS,
    action=f"{ACCOUNTS}/models/read",
    note="base models, then the account's tuned ones and checkpoints with their base model",
)
def list_account_models(call: Call) -> dict[str, Any]:
    """List what an account can deploy."""
    check_group(call)
    state, id = call.world.state, call.path.rpartition("/")[0]
    account = state.get(id)
    if account is None:
        raise Refusal(404, "ResourceNotFound", f"There is no account '{call.parameters['name']}'.")
    location = str(account["location"])
    names = [str(one["id"]) for one in all_of(state, account["id"], KIND)]
    tuned = [found for name in names if (found := find_model(state, account["id"], name))]
    base = [_listed(model, location)["model"] for model in MODELS]
    return {"value": [*base, *(row for one in tuned if (row := _tuned(one)))]}


@operation(
    "GET",
    f"{PATH}/modelCapacities",
    action=f"{PROVIDER}/locations/modelCapacities/read",
    note="what of the location's limit is left; base models alone",
)
def list_location_capacities(call: Call) -> dict[str, Any]:
    """Say how much of a model can still be deployed in a location."""
    return {"value": _capacities(call, call.parameters["location"].lower())}


@operation(
    "GET",
    f"{SUBSCRIPTION}/modelCapacities",
    action=f"{PROVIDER}/modelCapacities/read",
    note="as by location, for those that have accounts, and the three with regional training",
)
def list_capacities(call: Call) -> dict[str, Any]:
    """Say how much of a model can still be deployed, by location."""
    found = {str(account["location"]) for _, account in call.world.state.find(ACCOUNTS)}
    places = sorted(found | set(REGIONAL))
    return {"value": [row for place in places for row in _capacities(call, place)]}


def _capacities(call: Call, location: str) -> list[dict[str, Any]]:
    asked = [call.query.get(key, "") for key in ("modelFormat", "modelName", "modelVersion")]
    if not all(asked):
        raise Refusal(
            400, "BadRequest", "modelFormat, modelName and modelVersion are required parameters."
        )
    counts = used(call.world.state, location)
    rows = []
    for model in MODELS:
        own = [model.format, model.name, model.version]
        if [part.lower() for part in own] != [part.lower() for part in asked]:
            continue
        rows += [_capacity(call, model, sku, location, counts) for sku in model.skus]
    return rows


def _capacity(
    call: Call, model: Model, sku: str, location: str, counts: Mapping[str, int]
) -> dict[str, Any]:
    row = of_tokens(model, sku)
    left = quota.limit(call.world.state, row.name, location) - counts[row.name]
    kind = f"{PROVIDER}/locations/modelCapacities"
    name = f"{model.format}.{sku}.{model.name}.{model.version}"
    return {
        "id": f"{call.path.partition('/providers/')[0]}/providers/{PROVIDER}/locations/{location}"
        f"/modelCapacities/{name}",
        "name": name,
        "type": kind,
        "location": location,
        "properties": {
            "model": {"format": model.format, "name": model.name, "version": model.version},
            "skuName": sku,
            "availableCapacity": max(0, left),
        },
    }


def _tuned(found: TunedFolder) -> dict[str, Any] | None:
    """Show a tuned model as accounts list it; None where its base is in the table no more."""
    model = find_base(found.base)
    if model is None:
        return None
    base = {"format": model.format, "name": model.name, "version": model.version}
    return {
        "format": model.format,
        "name": found.name,
        "version": "1",
        "isDefaultVersion": True,
        "maxCapacity": 3,
        "lifecycleStatus": "GenerallyAvailable",
        "capabilities": {"chatCompletion": "true", "inference": "true"},
        "baseModel": base,
        "skus": [_sku(model, name, is_tuned=True) for name in model.tuned_skus],
    }


def _usage(row: Quota, limit: int, count: int) -> dict[str, Any]:
    return {
        "name": {"value": row.name, "localizedValue": row.words},
        "currentValue": float(count),
        "limit": float(limit),
        "unit": "Count",
    }


def _listed(model: Model, location: str) -> dict[str, Any]:
    return {
        "kind": "OpenAI" if model.provider == "OpenAI" else "AIServices",
        "skuName": "S0",
        "model": {
            "format": model.format,
            "name": model.name,
            "version": model.version,
            "isDefaultVersion": True,
            "maxCapacity": 3,
            "lifecycleStatus": "Deprecated" if model.is_over() else "GenerallyAvailable",
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


def _sku(model: Model, name: str, *, is_tuned: bool = False) -> dict[str, Any]:
    sku: dict[str, Any] = {
        "name": name,
        "usageName": of_tokens(model, name, is_tuned=is_tuned).name,
        "capacity": {"minimum": 1, "maximum": model.limit, "default": 10, "step": 1},
    }
    is_ending = model.retired and not is_tuned
    return sku | ({"deprecationDate": f"{model.retired}T00:00:00Z"} if is_ending else {})
