"""What Azure keeps after a deletion: names held, things brought back, purged, and gone by date."""

import json
import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from azure.core.credentials import TokenCredential
from azure_group import API, Group

from core.arm import Arm
from core.errors import CloudError
from local.process import status

VAULTS = "Microsoft.KeyVault/vaults"
ACCOUNTS = "Microsoft.CognitiveServices/accounts"
LOGS = "Microsoft.OperationalInsights/workspaces"
WORKSPACES = "Microsoft.MachineLearningServices/workspaces"


def vault(group: Group, **more: Any) -> dict[str, Any]:
    body = {
        "properties": {
            "tenantId": os.environ["AZURE_TENANT_ID"],
            "sku": {"family": "A", "name": "standard"},
            "enableRbacAuthorization": True,
            **more.pop("properties", {}),
        },
        **more,
    }
    return group.put(f"{VAULTS}/{group.name}-kv", body)


def account(group: Group, **properties: Any) -> dict[str, Any]:
    return group.put(
        f"{ACCOUNTS}/{group.name}-ai",
        {"kind": "AIServices", "sku": {"name": "S0"}, "properties": properties},
    )


def workspace(group: Group) -> dict[str, Any]:
    insights = {"kind": "web", "properties": {"Application_Type": "web"}}
    return group.put(
        f"{WORKSPACES}/main",
        {
            "identity": {"type": "SystemAssigned"},
            "properties": {
                "storageAccount": group.storage()["id"],
                "keyVault": vault(group)["id"],
                "applicationInsights": group.put("Microsoft.Insights/components/i", insights)["id"],
            },
        },
    )


def base(group: Group) -> str:
    return group.id.partition("/resourceGroups/")[0]


def deleted_vault(group: Group) -> str:
    place = f"{base(group)}/providers/Microsoft.KeyVault/locations/eastus2"
    return f"{place}/deletedVaults/{group.name}-kv"


def deleted_account(group: Group) -> str:
    return (
        f"{base(group)}/providers/Microsoft.CognitiveServices/locations/eastus2"
        f"/resourceGroups/{group.name}/deletedAccounts/{group.name}-ai"
    )


def let_lapse(folder: Path, name: str) -> None:
    """Put the date until which something of that name is kept into the past."""
    past = (datetime.now(UTC) - timedelta(seconds=1)).isoformat()
    with closing(sqlite3.connect(folder / "state.sqlite")) as rows, rows:
        found = rows.execute(
            "SELECT id, body FROM documents WHERE id LIKE 'deleted:%' AND body LIKE ?",
            (f"%{name}%",),
        ).fetchall()
        assert found
        for id, body in found:
            record = {**json.loads(body), "purged": past}
            rows.execute("UPDATE documents SET body = ? WHERE id = ?", (json.dumps(record), id))


def refusal(make: Callable[[], Any]) -> CloudError:
    with pytest.raises(CloudError) as caught:
        make()
    return caught.value


def test_a_deleted_vault_holds_its_name_everywhere_and_is_listed(arm: Arm, group: Group) -> None:
    made = vault(group, properties={"softDeleteRetentionInDays": 7}, tags={"stack": "mine"})
    assert arm.delete(made["id"], API)
    assert arm.get(made["id"], API) is None

    held = arm.get(deleted_vault(group), API)
    assert held is not None
    shown = held["properties"]
    assert (shown["vaultId"], shown["tags"]) == (made["id"], {"stack": "mine"})
    dates = [datetime.fromisoformat(shown[k]) for k in ("deletionDate", "scheduledPurgeDate")]
    assert dates[1] - dates[0] == timedelta(days=7)
    listed = arm.get_list(f"{base(group)}/providers/Microsoft.KeyVault/deletedVaults", API)
    assert held in listed

    assert refusal(lambda: vault(group)).code == "ConflictError"
    other = Group(arm, f"{group.id}-other")
    arm.put(other.id, API, {"location": "eastus2"})
    body = {"properties": made["properties"]}
    same_name = f"{VAULTS}/{group.name}-kv"
    assert refusal(lambda: other.put(same_name, body)).status == 409
    arm.delete(other.id, API)


def test_a_purged_vault_frees_its_name(arm: Arm, group: Group) -> None:
    arm.delete(vault(group)["id"], API)
    arm.post(f"{deleted_vault(group)}/purge", API)
    assert arm.get(deleted_vault(group), API) is None
    assert refusal(lambda: arm.post(f"{deleted_vault(group)}/purge", API)).status == 404
    assert vault(group)["properties"]["provisioningState"] == "Succeeded"


def test_a_vault_comes_back_as_it_was(arm: Arm, group: Group) -> None:
    recover = {"properties": {"createMode": "recover"}}
    missing = refusal(lambda: vault(group, **recover))
    assert (missing.status, missing.code) == (404, "SoftDeletedVaultDoesNotExist")
    made = vault(group, properties={"softDeleteRetentionInDays": 30}, tags={"stack": "mine"})
    arm.delete(made["id"], API)
    back = vault(group, **recover)
    assert back["properties"]["softDeleteRetentionInDays"] == 30
    assert back["tags"] == {"stack": "mine"}
    assert "createMode" not in back["properties"]
    assert arm.get(deleted_vault(group), API) is None


def test_a_protected_vault_is_not_purged_and_stays_protected(
    arm: Arm, group: Group, azure_folder: Path
) -> None:
    assert "irreversible" in str(
        refusal(lambda: vault(group, properties={"enablePurgeProtection": False}))
    )
    vault(group, properties={"enablePurgeProtection": True})
    assert refusal(lambda: vault(group, properties={"enablePurgeProtection": False})).status == 400
    made = vault(group)
    assert made["properties"]["enablePurgeProtection"] is True
    arm.delete(made["id"], API)
    refused = refusal(lambda: arm.post(f"{deleted_vault(group)}/purge", API))
    assert (refused.status, refused.code) == (405, "MethodNotAllowed")
    held = arm.get(deleted_vault(group), API)
    assert held is not None
    assert held["properties"]["purgeProtectionEnabled"] is True
    let_lapse(azure_folder, made["name"])
    assert arm.get(deleted_vault(group), API) is None


def test_a_hold_ends_by_its_date(arm: Arm, group: Group, azure_folder: Path) -> None:
    arm.delete(vault(group)["id"], API)
    refusal(lambda: vault(group))
    let_lapse(azure_folder, f"{group.name}-kv")
    assert vault(group)


def test_a_retention_outside_azure_s_limits_is_refused_and_does_not_change(group: Group) -> None:
    for days in (6, 91):
        wrong = {"softDeleteRetentionInDays": days}
        assert refusal(lambda wrong=wrong: vault(group, properties=wrong)).status == 400
    vault(group, properties={"softDeleteRetentionInDays": 7})
    assert (
        refusal(lambda: vault(group, properties={"softDeleteRetentionInDays": 8})).code
        == "BadRequest"
    )


def test_purging_takes_a_right_at_the_subscription(
    arm: Arm, group: Group, acting_as: Callable[[dict[str, Any]], TokenCredential]
) -> None:
    identity = group.identity("owner-of-the-group")
    group.grant(identity, "Owner", group.id)
    arm.delete(vault(group)["id"], API)
    arm.delete(account(group)["id"], API)
    other = Arm(acting_as(identity))
    for make, action in (
        (lambda: other.post(f"{deleted_vault(group)}/purge", API), "deletedVaults/purge/action"),
        (lambda: other.delete(deleted_account(group), API), "deletedAccounts/delete"),
    ):
        refused = refusal(make)
        assert refused.status == 403
        assert action in str(refused)


def test_a_deleted_ai_account_is_held_restored_and_purged(arm: Arm, group: Group) -> None:
    domain = group.name
    made = account(group, customSubDomainName=domain, disableLocalAuth=True)
    assert made["properties"]["endpoint"] == f"https://{domain}.cognitiveservices.azure.com/"
    assert arm.delete(made["id"], API)
    refused = refusal(lambda: account(group))
    assert (refused.status, refused.code) == (409, "FlagMustBeSetForRestore")

    listed = arm.get_list(
        f"{base(group)}/providers/Microsoft.CognitiveServices/deletedAccounts", API
    )
    held = next(item for item in listed if item["name"] == made["name"])
    assert held["id"] == deleted_account(group)
    shown = [
        datetime.fromisoformat(held["properties"][key])
        for key in ("deletionDate", "scheduledPurgeDate")
    ]
    assert shown[1] - shown[0] == timedelta(hours=48)

    back = account(group, restore=True)
    assert back["properties"]["disableLocalAuth"] is True
    assert "restore" not in back["properties"]
    assert back["properties"]["internalId"] == made["properties"]["internalId"]
    arm.delete(back["id"], API)
    assert arm.delete(deleted_account(group), API)
    assert not arm.delete(deleted_account(group), API)
    new = account(group)
    assert new["properties"]["internalId"] != made["properties"]["internalId"]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"kind": "AIServices"}, "InvalidRequestContent"),
        ({"kind": "Face", "sku": {"name": "S0"}}, "InvalidApiKind"),
    ],
)
def test_an_ai_account_that_is_not_played_is_refused(
    group: Group, body: dict[str, Any], code: str
) -> None:
    assert refusal(lambda: group.put(f"{ACCOUNTS}/{group.name}-ai", body)).code == code


def test_log_analytics_comes_back_by_its_name_in_its_group(arm: Arm, group: Group) -> None:
    listing = f"{base(group)}/providers/Microsoft.OperationalInsights/deletedWorkspaces"
    made = group.put(f"{LOGS}/logs", {})
    arm.delete(made["id"], API)
    in_group = f"{group.id}/providers/Microsoft.OperationalInsights/deletedWorkspaces"
    assert [item["id"] for item in arm.get_list(in_group, API)] == [made["id"]]
    assert made["id"] in [item["id"] for item in arm.get_list(listing, API)]
    back = group.put(f"{LOGS}/logs", {})
    assert back["properties"]["customerId"] == made["properties"]["customerId"]
    assert arm.get_list(in_group, API) == []

    assert arm.delete(f"{made['id']}?force=true", API)
    assert arm.get_list(in_group, API) == []
    new = group.put(f"{LOGS}/logs", {})
    assert new["properties"]["customerId"] != made["properties"]["customerId"]


def test_a_deleted_workspace_holds_its_name_until_it_is_purged(arm: Arm, group: Group) -> None:
    made = workspace(group)
    assert arm.delete(made["id"], API)
    assert arm.get(made["id"], API) is None
    assert "Soft-deleted workspace exists" in str(refusal(lambda: workspace(group)))
    assert arm.delete(f"{made['id']}?forceToPurge=true", API)
    assert not arm.delete(f"{made['id']}?forceToPurge=true", API)
    again = workspace(group)
    assert again["properties"]["workspaceId"] != made["properties"]["workspaceId"]
    assert arm.delete(f"{again['id']}?forceToPurge=true", API)
    assert workspace(group)


def test_a_deleted_group_soft_deletes_what_was_in_it(
    arm: Arm, group: Group, azure_folder: Path
) -> None:
    other = Group(arm, f"{group.id}-full")
    before = status(azure_folder)
    arm.put(other.id, API, {"location": "eastus2"})
    made = workspace(other)
    account(other)
    logs = other.put(f"{LOGS}/logs", {})
    assert arm.delete(other.id, API)

    assert arm.get(deleted_vault(other), API)
    assert arm.get(deleted_account(other), API)
    assert logs["id"] in [
        item["id"]
        for item in arm.get_list(
            f"{base(other)}/providers/Microsoft.OperationalInsights/deletedWorkspaces", API
        )
    ]
    assert status(azure_folder) == before, "what is held does not count as being there"
    everything = arm.get_list(f"{base(other)}/resources", API)
    assert not [item for item in everything if f"/{other.name}/" in item["id"]]

    purge = f"{made['id']}?forceToPurge=true"
    assert not arm.delete(purge, API), "Azure does not find it without its group"
    arm.put(other.id, API, {"location": "eastus2"})
    assert arm.delete(purge, API)
    arm.post(f"{deleted_vault(other)}/purge", API)
    arm.delete(deleted_account(other), API)
    arm.delete(other.id, API)
