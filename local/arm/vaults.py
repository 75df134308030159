"""Key vaults: names that all of Azure shares, also after deletion, and purge protection.

Codes and messages as reported: ConflictError (Azure/azure-cli#29115), the refused
enablePurgeProtection (Azure/azure-rest-api-specs#18106), DeletedVaultPurge
(microsoft/AzureTRE#1446), SoftDeletedVaultDoesNotExist (hashicorp/terraform-provider-azurerm
#12972). Secrets are not played.
"""

from typing import Any

from local.arm.holds import Hold, all_held
from local.arm.types import ResourceType
from local.operations import Call, Refusal
from local.state import Document
from local.tenant import tenant

VAULTS = "Microsoft.KeyVault/vaults"
DAYS = 90
"""How long a deleted vault is kept unless it says otherwise."""


def days(vault: Document) -> float:
    """Say how long a deleted vault is kept."""
    return float(vault["properties"].get("softDeleteRetentionInDays") or DAYS)


def is_protected(vault: Document) -> bool:
    """Say whether nobody may purge a vault before its date."""
    return bool(vault["properties"].get("enablePurgeProtection"))


def _vault(call: Call, document: Document, before: Document | None) -> None:
    properties = document["properties"]
    wanted = str(properties["tenantId"])
    if wanted.lower() != tenant(call.world.folder).tenant_id:
        raise _bad(f"An invalid value was provided for 'tenantId': '{wanted}'.")
    properties.pop("createMode", None)
    _check_protection(properties, (before or {}).get("properties", {}))
    properties["vaultUri"] = f"https://{document['name']}.vault.azure.net/"


def _check_protection(properties: dict[str, Any], earlier: dict[str, Any]) -> None:
    if properties.get("enablePurgeProtection") is False:
        raise _bad(
            'The property "enablePurgeProtection" cannot be set to false. Enabling the purge'
            " protection for a vault is an irreversible action."
        )
    if earlier.get("enablePurgeProtection"):
        properties["enablePurgeProtection"] = True
    kept = earlier.get("softDeleteRetentionInDays")
    asked = properties.setdefault("softDeleteRetentionInDays", kept or DAYS)
    if not isinstance(asked, int) or not 7 <= asked <= DAYS:
        raise _bad(f"softDeleteRetentionInDays is {asked!r}: it must be 7 to {DAYS}.")
    if kept not in (None, asked):
        raise _bad(
            'The property "softDeleteRetentionInDays" has been set already and it can\'t be'
            " modified."
        )
    properties.setdefault("enableSoftDelete", True)


def _meet(call: Call, asked: Document) -> Document | None:
    """Refuse a held name, or bring the vault back where the request says so."""
    name, recovers = asked["name"], asked["properties"].get("createMode") == "recover"
    held = next(
        (
            one.resource
            for one in all_held(call.world.state, VAULTS)
            if one.resource["name"].lower() == name.lower()
        ),
        None,
    )
    is_here = bool(
        held
        and held["id"].lower() == asked["id"].lower()
        and held["location"] == asked.get("location")
    )
    if recovers and not is_here:
        raise Refusal(
            404,
            "SoftDeletedVaultDoesNotExist",
            f"A soft deleted vault with the name '{name}' does not exist in this resource group"
            " and location.",
        )
    if held is not None and not recovers:
        raise Refusal(
            409,
            "ConflictError",
            "A vault with the same name already exists in deleted state. You need to either"
            " recover or purge existing key vault. Follow this link"
            " https://go.microsoft.com/fwlink/?linkid=2149745 for more information on soft"
            " delete.",
        )
    return held


def _bad(message: str) -> Refusal:
    return Refusal(400, "BadRequest", message)


VAULT = ResourceType(
    f"{VAULTS}/{{name}}",
    "(?=.{3,24}$)[a-zA-Z][a-zA-Z0-9]*(?:-[a-zA-Z0-9]+)*",
    name_error="VaultNameNotValid",
    required=("properties.tenantId", "properties.sku.name", "properties.sku.family", "location"),
    polls=1,
    taken_error="VaultAlreadyExists",
    complete=_vault,
    hold=Hold(days, _meet),
    note="held softDeleteRetentionInDays after deletion; createMode recover; purge protection;"
    " network rules are stored, not enforced; secrets are not played",
)
