"""What is soft-deleted, as its service shows it and lets it be purged.

Paths and shapes as in the published APIs (Key Vault 2024-11-01, Cognitive Services 2025-06-01,
Log Analytics 2023-09-01). A held ML workspace is in no list at Azure either. Reading and purging
take rights at subscription scope: a grant on the group, which may be gone, does not do.
"""

from typing import Any

from local.arm.accounts import ACCOUNTS
from local.arm.holds import Held, all_held, release
from local.arm.ids import group_of, name_of
from local.arm.polling import begin
from local.arm.types import LOG_ANALYTICS
from local.arm.vaults import VAULTS, is_protected
from local.operations import Answer, Call, Refusal, operation
from local.state import Document
from local.tenant import tenant

SUBSCRIPTION = "/subscriptions/{subscription}"
KEY_VAULT = f"{SUBSCRIPTION}/providers/Microsoft.KeyVault"
DELETED_VAULT = f"{KEY_VAULT}/locations/{{location}}/deletedVaults/{{name}}"
COGNITIVE = f"{SUBSCRIPTION}/providers/Microsoft.CognitiveServices"
DELETED_ACCOUNT = (
    f"{COGNITIVE}/locations/{{location}}/resourceGroups/{{group}}/deletedAccounts/{{name}}"
)
ACCOUNT_RIGHT = "Microsoft.CognitiveServices/locations/resourceGroups/deletedAccounts"
LOGS = "providers/Microsoft.OperationalInsights/deletedWorkspaces"


@operation("GET", f"{KEY_VAULT}/deletedVaults", action="Microsoft.KeyVault/deletedVaults/read")
def list_vaults(call: Call) -> dict[str, Any]:
    """List the deleted vaults."""
    return {"value": [_vault(call, held) for held in all_held(call.world.state, VAULTS)]}


@operation("GET", DELETED_VAULT, action="Microsoft.KeyVault/locations/deletedVaults/read")
def get_vault(call: Call) -> dict[str, Any]:
    """Read a deleted vault."""
    return _vault(call, _held_vault(call))


@operation(
    "POST",
    f"{DELETED_VAULT}/purge",
    action="Microsoft.KeyVault/locations/deletedVaults/purge/action",
    note="at once, the operation takes a poll; refused where the vault is purge-protected",
)
def purge_vault(call: Call) -> Answer:
    """Delete a vault for good."""
    held = _held_vault(call)
    if is_protected(held.resource):
        raise Refusal(405, "MethodNotAllowed", "Operation 'DeletedVaultPurge' is not allowed.")
    release(call.world.state, held)
    return Answer(status=202, headers=begin(call, call.path, "Microsoft.KeyVault", 1))


@operation(
    "GET", f"{COGNITIVE}/deletedAccounts", action="Microsoft.CognitiveServices/deletedAccounts/read"
)
def list_accounts(call: Call) -> dict[str, Any]:
    """List the deleted AI accounts."""
    return {"value": [_account(call, held) for held in all_held(call.world.state, ACCOUNTS)]}


@operation("GET", DELETED_ACCOUNT, action=f"{ACCOUNT_RIGHT}/read")
def get_account(call: Call) -> dict[str, Any]:
    """Read a deleted AI account."""
    held = _held_account(call)
    if held is None:
        raise Refusal(
            404, "ResourceNotFound", f"The deleted account '{name_of(call.path)}' was not found."
        )
    return _account(call, held)


@operation(
    "DELETE",
    DELETED_ACCOUNT,
    action=f"{ACCOUNT_RIGHT}/delete",
    note="purges: at once, the operation takes a poll",
)
def purge_account(call: Call) -> Answer:
    """Delete an AI account for good; 204 where none is held."""
    held = _held_account(call)
    if held is None:
        return Answer(status=204)
    release(call.world.state, held)
    return Answer(status=202, headers=begin(call, call.path, "Microsoft.CognitiveServices", 1))


@operation(
    "GET", f"{SUBSCRIPTION}/{LOGS}", action="Microsoft.OperationalInsights/deletedWorkspaces/read"
)
def list_logs(call: Call) -> dict[str, Any]:
    """List the deleted Log Analytics workspaces."""
    return {"value": _held_logs(call, "")}


@operation(
    "GET",
    f"{SUBSCRIPTION}/resourceGroups/{{group}}/{LOGS}",
    action="Microsoft.OperationalInsights/deletedWorkspaces/read",
)
def list_group_logs(call: Call) -> dict[str, Any]:
    """List the deleted Log Analytics workspaces of a group."""
    return {"value": _held_logs(call, group_of(call.path))}


def _vault(call: Call, held: Held) -> Document:
    vault, subscription = held.resource, tenant(call.world.folder).subscription
    name, location = vault["name"], vault["location"]
    return {
        "id": f"{subscription}/providers/Microsoft.KeyVault/locations/{location}"
        f"/deletedVaults/{name}",
        "name": name,
        "type": "Microsoft.KeyVault/deletedVaults",
        "properties": {
            "vaultId": vault["id"],
            "location": location,
            "tags": vault.get("tags") or {},
            "deletionDate": held.deleted,
            "scheduledPurgeDate": held.purged,
            "purgeProtectionEnabled": is_protected(vault),
        },
    }


def _held_vault(call: Call) -> Held:
    name, location = call.parameters["name"].lower(), call.parameters["location"].lower()
    for held in all_held(call.world.state, VAULTS):
        if (held.resource["name"].lower(), held.resource["location"]) == (name, location):
            return held
    # Code not verified.
    raise Refusal(
        404,
        "DeletedVaultNotFound",
        f"The deleted vault '{name}' in location '{location}' does not exist.",
    )


def _account(call: Call, held: Held) -> Document:
    account, subscription = held.resource, tenant(call.world.folder).subscription
    place = f"locations/{account['location']}/resourceGroups/{name_of(group_of(held.id))}"
    dates = {"deletionDate": held.deleted, "scheduledPurgeDate": held.purged}
    return {
        **account,
        "id": f"{subscription}/providers/Microsoft.CognitiveServices/{place}"
        f"/deletedAccounts/{account['name']}",
        "type": ACCOUNT_RIGHT,
        "properties": {**account["properties"], **dates},
    }


def _held_account(call: Call) -> Held | None:
    asked = [call.parameters[key].lower() for key in ("location", "group", "name")]
    for held in all_held(call.world.state, ACCOUNTS):
        own = (held.resource["location"], name_of(group_of(held.id)), held.resource["name"])
        if [part.lower() for part in own] == asked:
            return held
    return None


def _held_logs(call: Call, group: str) -> list[Document]:
    """Give the workspaces as they were; the day of the deletion is that of the last change."""
    return [
        {
            **held.resource,
            "properties": {**held.resource["properties"], "modifiedDate": held.deleted},
        }
        for held in all_held(call.world.state, LOG_ANALYTICS.type)
        if not group or group_of(held.id).lower() == group.lower()
    ]
