"""Whether a name that is one for all of Azure is free, as each provider says it.

Answers are as each provider's published types have them; the messages are as far as they are known
and for people only.
"""

import re
from typing import Any

from local.arm.holds import all_held
from local.arm.types import REGISTRY, STORAGE, ResourceType
from local.arm.vaults import VAULT
from local.names import is_taken
from local.operations import Call, Refusal, operation
from local.state import State
from local.tokens import ACCOUNTS

SUBSCRIPTION = "/subscriptions/{subscription}/providers"


@operation(
    "POST",
    f"{SUBSCRIPTION}/Microsoft.Storage/checkNameAvailability",
    action="Microsoft.Storage/checknameavailability/read",
    note="this world's accounts, and names that `tunestack local name take` gave away",
)
def check_storage_name(call: Call) -> dict[str, Any]:
    """Say whether a storage account may have a name."""
    name = _asked(call, "name", STORAGE.type)
    taken = f"The storage account named {name} is already taken."
    return _answer(call, STORAGE, name, "AccountNameInvalid", taken)


@operation(
    "POST",
    f"{SUBSCRIPTION}/Microsoft.ContainerRegistry/checkNameAvailability",
    action="Microsoft.ContainerRegistry/checkNameAvailability/read",
    note="this world's registries, and names that `tunestack local name take` gave away",
)
def check_registry_name(call: Call) -> dict[str, Any]:
    """Say whether a registry may have a name."""
    name = _asked(call, "name", REGISTRY.type)
    taken = f"The registry {name} is already in use."
    return _answer(call, REGISTRY, name, "Invalid", taken)


@operation(
    "POST",
    f"{SUBSCRIPTION}/Microsoft.KeyVault/checkNameAvailability",
    action="Microsoft.KeyVault/checkNameAvailability/read",
    note="this world's vaults, held ones too, and names that `tunestack local name take` gave away",
)
def check_vault_name(call: Call) -> dict[str, Any]:
    """Say whether a vault may have a name; a deleted vault keeps it."""
    name = _asked(call, "name", VAULT.type)
    taken = f"The vault name '{name}' is already in use. Vault names are globally unique so it"
    taken += " is possible that the name is already taken."
    return _answer(call, VAULT, name, "AccountNameInvalid", taken)


@operation(
    "POST",
    f"{SUBSCRIPTION}/Microsoft.CognitiveServices/checkDomainAvailability",
    action="Microsoft.CognitiveServices/checkDomainAvailability/action",
    note="this world's subdomains, of held accounts too, and names that `tunestack local name"
    " take` gave away",
)
def check_domain(call: Call) -> dict[str, Any]:
    """Say whether an AI account may have a subdomain."""
    name = _asked(call, "subdomainName", ACCOUNTS)
    is_free = not (
        _has_domain(call.world.state, name) or is_taken(call.world.state, ACCOUNTS, name)
    )
    reason = None if is_free else f"Sub domain name '{name}' is already used."
    answer = {"isSubdomainAvailable": is_free, "subdomainName": name, "type": ACCOUNTS}
    return {**answer, "reason": reason, "kind": call.body.get("kind")}


def _asked(call: Call, field: str, type: str) -> str:
    name, kind = call.body.get(field), call.body.get("type")
    if not isinstance(name, str) or not name:
        raise Refusal(400, "InvalidRequestContent", f"The request lacks '{field}'.")
    if str(kind).lower() != type.lower():
        raise Refusal(400, "InvalidRequestContent", f"'type' is {kind!r}: it must be '{type}'.")
    return name


def _answer(call: Call, type: ResourceType, name: str, invalid: str, taken: str) -> dict[str, Any]:
    if not re.fullmatch(type.name_rule, name):
        message = f"'{name}' is not a valid name: it must match {type.name_rule}."
        return {"nameAvailable": False, "reason": invalid, "message": message}
    if _has(call.world.state, type.type, name) or is_taken(call.world.state, type.type, name):
        return {"nameAvailable": False, "reason": "AlreadyExists", "message": taken}
    return {"nameAvailable": True}


def _has(state: State, type: str, name: str) -> bool:
    names = [str(document["name"]) for _, document in state.find(type)]
    names += [str(held.resource["name"]) for held in all_held(state, type)]
    return name.lower() in {one.lower() for one in names}


def _has_domain(state: State, name: str) -> bool:
    documents = [document for _, document in state.find(ACCOUNTS)]
    documents += [held.resource for held in all_held(state, ACCOUNTS)]
    domains = {str(one["properties"].get("customSubDomainName") or "").lower() for one in documents}
    return name.lower() in domains
