"""A role that somebody has put together counts like a built-in one."""

import uuid
from pathlib import Path
from typing import Any

import pytest
from azure_group import Group, MintedCredential

from core.arm import Arm
from core.errors import CloudError
from local.access import Principal
from local.roles import PROVIDER

API = "2022-04-01"


def define(group: Group, *actions: str, name: str = "", guid: str = "", **more: Any) -> str:
    subscription = group.id.partition("/resourceGroups/")[0]
    id = f"{subscription}{PROVIDER}{guid or uuid.uuid4()}"
    properties = {
        "roleName": name or f"role {id[-12:]}",
        "assignableScopes": [subscription],
        "permissions": [{"actions": list(actions), **more}],
    }
    group.arm.put(id, API, {"properties": properties})
    return id


def give(group: Group, role: str, identity: dict[str, Any]) -> str:
    id = f"{group.id}/providers/Microsoft.Authorization/roleAssignments/{uuid.uuid4()}"
    given = {"roleDefinitionId": role, "principalId": identity["properties"]["principalId"]}
    group.arm.put(id, API, {"properties": {**given, "principalType": "ServicePrincipal"}})
    return id


def test_its_actions_are_allowed_and_no_other(group: Group, azure_folder: Path) -> None:
    identity = group.identity("reader")
    role = define(group, "Microsoft.Resources/subscriptions/resourceGroups/read")
    give(group, role, identity)
    who = Principal("ServicePrincipal", identity["properties"]["principalId"], "reader")
    arm = Arm(MintedCredential(azure_folder.resolve(), who))
    assert arm.get(group.id, "2024-03-01")
    with pytest.raises(CloudError, match="resourceGroups/write"):
        arm.put(group.id, "2024-03-01", {"location": "eastus2"})
    wider = "Microsoft.Resources/subscriptions/resourceGroups/*"
    kept = "Microsoft.Resources/subscriptions/resourceGroups/delete"
    define(group, wider, guid=role.rsplit("/", 1)[-1], notActions=[kept])
    assert arm.put(group.id, "2024-03-01", {"location": "eastus2"})
    with pytest.raises(CloudError, match="resourceGroups/delete"):
        arm.delete(group.id, "2024-03-01")


def test_it_is_read_back_and_listed_by_its_name(group: Group) -> None:
    role = define(group, "Microsoft.Storage/storageAccounts/read", name="Looks At Storage")
    found = group.arm.get(role, API)
    assert found is not None
    assert found["properties"]["type"] == "CustomRole"
    subscription = group.id.partition("/resourceGroups/")[0]
    listed = f"{subscription}{PROVIDER.rstrip('/')}?$filter=roleName eq 'Looks At Storage'"
    assert [item["id"] for item in group.arm.get_list(listed, API)] == [role]


def test_two_roles_of_one_name_are_refused(group: Group) -> None:
    define(group, "Microsoft.Storage/storageAccounts/read", name="Twice")
    for name in ("twice", "Contributor"):
        with pytest.raises(CloudError, match="RoleDefinitionWithSameNameExists"):
            define(group, "Microsoft.Storage/storageAccounts/read", name=name)


def test_what_is_no_action_is_refused(group: Group) -> None:
    with pytest.raises(CloudError, match="InvalidActionOrNotAction"):
        define(group, "read everything")


def test_a_role_that_somebody_has_is_not_deleted(group: Group) -> None:
    role = define(group, "Microsoft.Storage/storageAccounts/read")
    assignment = give(group, role, group.identity("holder"))
    with pytest.raises(CloudError, match="RoleDefinitionHasAssignments"):
        group.arm.delete(role, API)
    group.arm.delete(assignment, API)
    assert group.arm.delete(role, API)
    assert not group.arm.delete(role, API)
