"""What Azure checks of a model's deployment before it makes one: model, kind, quota, filter.

Codes and words of DeploymentModelNotSupported, ServiceModelDeprecated, InvalidResourceProperties
for a kind, and InsufficientQuota are as users report them (thunderbug1/LibreChatAzureDeployment#5,
microsoft-foundry-for-vscode#491, azurechat#447, PubSec-Info-Assistant#880), and so is
CannotChangeDeploymentModel (azure-search-openai-demo#1330 and #1429; its status is assumed). The
rest is worded here; that a wrong format of an open model is a bare 500 is a field note of
Microsoft's.
"""

from datetime import date
from pathlib import Path

from local import quota
from local.ai.models import find_model
from local.customers import is_closed
from local.models import Model, base_of
from local.operations import Call, Refusal
from local.state import Document, State
from local.tokens import DEPLOYMENTS, offered, quota_of, used

MOST_TUNED = 5
"""Deployments of tuned models in an account."""

UPGRADES = ("OnceNewDefaultVersionAvailable", "OnceCurrentVersionExpired", "NoAutoUpgrade")
DEFAULT_POLICY = "Microsoft.DefaultV2"


def check_deployment(
    call: Call, account: Document, document: Document, before: Document | None
) -> None:
    """Refuse what Azure would not make; fill in what it chooses itself."""
    model = check_model(call.world.state, account, document)
    _check_same_model(document, before)
    _check_retired(call.world.state, model, document, before)
    _check_sku(model, document)
    _check_options(call.world.state, account, document)
    _check_count(call.world.state, account, document)
    _check_quota(call.world.state, account, document)


def _check_same_model(document: Document, before: Document | None) -> None:
    """Refuse another model for a deployment that stands; another version may be."""
    if before is None:
        return
    names = [str(one["properties"]["model"]["name"]).lower() for one in (before, document)]
    if names[0] != names[1]:
        raise Refusal(
            400, "CannotChangeDeploymentModel", "The model of deployment cannot be changed."
        )


def check_model(state: State, account: Document, document: Document) -> Model:
    """Give the table's row for the model that is deployed; refuse one that there is not."""
    asked = document["properties"].get("model")
    if not isinstance(asked, dict) or not asked.get("name") or not asked.get("format"):
        raise _wrong("The model's 'format' and 'name' are required.")
    found = find_model(state, account["id"], str(asked["name"]))
    if found is not None:
        asked["name"] = found.name  # a checkpoint may be named by its id
    model, is_tuned = base_of(str(asked["name"]))
    version = "1" if is_tuned else model.version if model else ""
    asked["version"] = str(asked.get("version") or version)
    is_there = found is not None if is_tuned else _has_format(account, model)
    if model is None or asked["version"] != version or not is_there:
        raise _unsupported(asked)
    if str(asked["format"]).lower() != model.format.lower():
        if model.provider == "OpenAI":
            raise _unsupported(asked)
        raise Refusal(500, "InternalServerError", "An error occurred.")
    asked["format"] = model.format
    return model


def folder_of(state: State, account: str, name: str) -> Path | None:
    """Give the folder of a tuned model or of a checkpoint; None where the account has none."""
    found = find_model(state, account, name)
    return found.folder if found else None


def _has_format(account: Document, model: Model | None) -> bool:
    """Say whether an account's kind has the model: one of kind OpenAI has OpenAI's alone."""
    return model is None or account.get("kind") == "AIServices" or model.provider == "OpenAI"


def is_tuned(document: Document) -> bool:
    """Say whether a deployment serves a tuned model."""
    return base_of(str(document["properties"]["model"]["name"]))[1]


def _check_retired(state: State, model: Model, document: Document, before: Document | None) -> None:
    """Refuse a retired base model to who did not have it: tuned ones outlive it by a year."""
    if is_tuned(document) or not is_closed(state, model):
        return
    if before is not None and before["properties"]["model"] == document["properties"]["model"]:
        return
    since = date.fromisoformat(model.retired).strftime("%m/%d/%Y 00:00:00")
    raise Refusal(
        400,
        "ServiceModelDeprecated",
        f"The model 'Format:{model.format},Name:{model.name},Version:{model.version}' has been"
        f" deprecated since {since}.",
    )


def _check_sku(model: Model, document: Document) -> None:
    sku = document["sku"]
    if not isinstance(sku, dict):
        raise _wrong("'sku' must be an object.")
    kind = offered(model, str(sku.get("name") or "Standard"), is_tuned=is_tuned(document))
    if not kind:
        asked = document["properties"]["model"]
        raise _wrong(
            f"The specified SKU '{sku.get('name')}' of account deployment is not supported by the"
            f" model '{asked['name']}' version: '{asked['version']}'."
        )
    capacity = sku.get("capacity", 1)
    if not isinstance(capacity, int) or isinstance(capacity, bool) or capacity < 1:
        raise _wrong(f"The capacity '{capacity}' of account deployment is not a number above 0.")
    document["sku"] = {"name": kind, "capacity": capacity}


def _check_options(state: State, account: Document, document: Document) -> None:
    properties = document["properties"]
    upgrade = properties.setdefault("versionUpgradeOption", UPGRADES[0])
    if upgrade not in UPGRADES:
        raise _wrong(f"versionUpgradeOption '{upgrade}' is none of {', '.join(UPGRADES)}.")
    policy = properties.setdefault("raiPolicyName", DEFAULT_POLICY)
    found = state.get(f"{account['id']}/raiPolicies/{policy}")
    if found is None:
        raise _wrong(f"The RAI policy '{policy}' does not exist in the account.")
    properties["raiPolicyName"] = found["name"]


def _check_count(state: State, account: Document, document: Document) -> None:
    if not is_tuned(document):
        return
    others = [
        one
        for id, one in state.find(DEPLOYMENTS, below=account["id"])
        if id.lower() != document["id"].lower() and is_tuned(one)
    ]
    if len(others) >= MOST_TUNED:
        # Status from a field note of Microsoft's; code and words are ours.
        raise Refusal(
            429,
            "DeploymentLimitReached",
            f"The account '{account['name']}' has {MOST_TUNED} deployments of tuned models, which"
            " is the most. Delete one of them first.",
        )


def _check_quota(state: State, account: Document, document: Document) -> None:
    """Refuse more capacity than a location has left; a change is counted without what it was."""
    row = quota_of(document)
    assert row is not None  # check_model and _check_sku were before
    place = account["location"]
    limit = quota.limit(state, row.name, place)
    others = used(state, place, but=document["id"])[row.name]
    current = used(state, place)[row.name]
    if others + document["sku"]["capacity"] <= limit:
        return
    wanted = document["sku"]["capacity"] - (current - others)
    raise Refusal(
        400,
        "InsufficientQuota",
        f"This operation require {wanted} new capacity in quota {row.words}, which is bigger than"
        f" the current available capacity {max(0, limit - current)}. The current quota usage is"
        f" {current} and the quota limit is {limit} for quota {row.words}.",
    )


def _unsupported(asked: Document) -> Refusal:
    named = {key: asked.get(key.lower(), "") for key in ("Publisher", "Format", "Name", "Version")}
    told = ", ".join(f"{key}: {value}" for key, value in named.items())
    return Refusal(
        400,
        "DeploymentModelNotSupported",
        f"The model '{told}, Source: {asked.get('source', '')}, SourceAccount:"
        f" {asked.get('sourceAccount', '')}' of account deployment is not supported.",
    )


def _wrong(message: str) -> Refusal:
    return Refusal(400, "InvalidResourceProperties", message)
