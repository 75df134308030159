"""Foundry projects and content filters: what an AI account lets in it, and when."""

from collections.abc import Callable
from typing import Any

import pytest
from azure_group import API, Group, Raw

from core.errors import CloudError

ACCOUNTS = "Microsoft.CognitiveServices/accounts"
HATE = {"name": "Hate", "source": "Prompt", "severityThreshold": "Medium", "blocking": True}


def refusal(make: Callable[[], Any]) -> CloudError:
    with pytest.raises(CloudError) as caught:
        make()
    return caught.value


def name(group: Group) -> str:
    return f"{group.name}-ai"


def account_body(group: Group, **properties: Any) -> dict[str, Any]:
    own = {"allowProjectManagement": True, "customSubDomainName": name(group), **properties}
    return {
        "location": "eastus2",
        "kind": "AIServices",
        "sku": {"name": "S0"},
        "identity": {"type": "SystemAssigned"},
        "properties": own,
    }


def account(group: Group, **properties: Any) -> dict[str, Any]:
    return group.put(f"{ACCOUNTS}/{name(group)}", account_body(group, **properties))


def project(group: Group, called: str = "tuning") -> dict[str, Any]:
    return group.put(
        f"{ACCOUNTS}/{name(group)}/projects/{called}", {"identity": {"type": "SystemAssigned"}}
    )


def policy(group: Group, called: str = "mine", **properties: Any) -> dict[str, Any]:
    own = {"basePolicyName": "Microsoft.DefaultV2", "contentFilters": [HATE], **properties}
    path = group.path(f"{ACCOUNTS}/{name(group)}/raiPolicies/{called}")
    return group.arm.put(path, API, {"properties": own})


def test_a_project_has_an_address_below_the_accounts_subdomain(group: Group) -> None:
    made = account(group)
    first, second = project(group), project(group, "more")
    url = first["properties"]["endpoints"]["AI Foundry API"]
    assert url == f"https://{name(group)}.services.ai.azure.com/api/projects/tuning"
    assert (first["properties"]["isDefault"], second["properties"]["isDefault"]) == (True, False)
    assert project(group)["properties"]["isDefault"] is True
    listed = group.arm.get_list(f"{made['id']}/projects", API)
    assert [one["name"] for one in listed] == ["tuning", "more"]


def test_a_project_needs_an_account_that_takes_projects(group: Group) -> None:
    assert refusal(lambda: project(group)).code == "ParentResourceNotFound"
    account(group, allowProjectManagement=False)
    assert "project management" in str(refusal(lambda: project(group)))
    account(group, customSubDomainName=None)
    assert "subdomain" in str(refusal(lambda: project(group)))


def test_an_account_with_projects_stays_until_they_are_gone(group: Group) -> None:
    made, inner = account(group), project(group)
    refused = refusal(lambda: group.arm.delete(made["id"], API))
    assert (refused.status, refused.code) == (409, "CannotDeleteResource")
    assert inner["id"].partition("/providers/")[2] in str(refused)
    assert group.arm.delete(inner["id"], API)
    assert group.arm.delete(made["id"], API)


def test_an_account_takes_one_change_at_a_time(group: Group, raw: Raw) -> None:
    path = group.path(f"{ACCOUNTS}/{name(group)}")
    body = {"location": "eastus2", "identity": {"type": "SystemAssigned"}}
    filter = {"properties": {"basePolicyName": "Microsoft.DefaultV2"}}
    raw("PUT", path, account_body(group))
    early = raw.refused("PUT", f"{path}/projects/tuning", body)
    assert early == (409, "AccountProvisioningStateInvalid")
    assert raw("PUT", f"{path}/projects/tuning", body).status_code == 201
    second = raw.refused("PUT", f"{path}/raiPolicies/mine", filter)
    assert second == (409, "RequestConflict")
    assert raw("PUT", f"{path}/raiPolicies/mine", filter).status_code == 201


def test_the_systems_content_filters_are_there_and_stay_as_they_are(group: Group) -> None:
    made = account(group)
    listed = group.arm.get_list(f"{made['id']}/raiPolicies", API)
    assert {one["name"] for one in listed} == {"Microsoft.Default", "Microsoft.DefaultV2"}
    assert {one["properties"]["type"] for one in listed} == {"SystemManaged"}
    assert "system" in str(refusal(lambda: policy(group, "Microsoft.Default")))
    system = f"{made['id']}/raiPolicies/Microsoft.Default"
    assert refusal(lambda: group.arm.delete(system, API)).status == 400


def test_an_own_content_filter_is_listed_changed_and_deleted(group: Group) -> None:
    made = account(group)
    own = policy(group)
    assert own["properties"]["type"] == "UserManaged"
    stricter = policy(group, contentFilters=[{**HATE, "severityThreshold": "Low"}])
    assert stricter["properties"]["contentFilters"][0]["severityThreshold"] == "Low"
    assert group.arm.delete(own["id"], API)
    assert len(group.arm.get_list(f"{made['id']}/raiPolicies", API)) == 2


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"basePolicyName": "Microsoft.None"}, "Microsoft.None"),
        ({"contentFilters": [{**HATE, "name": "Boredom"}]}, "Boredom"),
        ({"contentFilters": [{**HATE, "severityThreshold": "Huge"}]}, "severityThreshold"),
        ({"contentFilters": [{**HATE, "source": "Thought"}]}, "source"),
    ],
)
def test_a_wrong_content_filter_is_refused_and_named(
    group: Group, wrong: dict[str, Any], told: str
) -> None:
    account(group)
    assert told in str(refusal(lambda: policy(group, **wrong)))


def test_a_restored_account_has_lost_its_projects_and_filters(group: Group) -> None:
    made = account(group)
    policy(group)
    group.arm.delete(project(group)["id"], API)
    group.arm.delete(made["id"], API)
    account(group, restore=True)
    listed = group.arm.get_list(f"{made['id']}/raiPolicies", API)
    assert {one["name"] for one in listed} == {"Microsoft.Default", "Microsoft.DefaultV2"}
