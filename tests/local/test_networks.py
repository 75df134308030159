"""A workspace's managed network: what is refused, what is added, when it is there."""

from collections.abc import Callable
from typing import Any

import pytest
from azure_group import API, Group, workspace_body

from core.errors import CloudError

WORKSPACES = "Microsoft.MachineLearningServices/workspaces"
PREMIUM = {"sku": {"name": "Premium"}}
COMPUTE = {
    "properties": {
        "computeType": "AmlCompute",
        "properties": {"vmSize": "Standard_E4s_v3", "scaleSettings": {"maxNodeCount": 1}},
    }
}
Make = Callable[..., dict[str, Any]]


@pytest.fixture
def make(group: Group, parts: dict[str, dict[str, Any]]) -> Make:
    """Make or change the workspace, with a managed network of these rules."""
    group.grant(parts["identity"], "Contributor", group.id)

    def put(mode: str = "AllowInternetOutbound", **more: Any) -> dict[str, Any]:
        body, rules = workspace_body(parts), more.pop("rules", {})
        network = {"isolationMode": mode, "outboundRules": rules}
        body["properties"] |= {"managedNetwork": network, **more}
        return group.put(f"{WORKSPACES}/private", body)

    return put


def endpoint(target: dict[str, Any], part: str) -> dict[str, Any]:
    destination = {"serviceResourceId": target["id"], "subresourceTarget": part}
    return {"type": "PrivateEndpoint", "destination": destination}


def network(group: Group) -> dict[str, Any]:
    found = group.arm.get(group.path(f"{WORKSPACES}/private"), API)
    assert found is not None
    asked: dict[str, Any] = found["properties"]["managedNetwork"]
    return asked


def test_a_network_waits_for_the_first_cluster(
    group: Group, parts: dict[str, dict[str, Any]], make: Make
) -> None:
    make(rules={"blob": endpoint(parts["storageAccount"], "blob")})
    assert network(group)["status"]["status"] == "Inactive"
    assert network(group)["outboundRules"]["blob"]["status"] == "Inactive"
    group.put(f"{WORKSPACES}/private/computes/cpu", COMPUTE)
    assert network(group)["status"]["status"] == "Active"
    rule = group.arm.get(group.path(f"{WORKSPACES}/private/outboundRules/blob"), API)
    assert rule and rule["properties"]["status"] == "Active"


def test_a_network_may_be_made_with_the_workspace(group: Group, make: Make) -> None:
    make(provisionNetworkNow=True)
    assert network(group)["status"]["status"] == "Active"
    assert network(group)["networkId"]


def test_azure_makes_the_endpoint_to_what_has_no_public_access(
    group: Group, parts: dict[str, dict[str, Any]], make: Make
) -> None:
    shut = {**PREMIUM, "properties": {"publicNetworkAccess": "Disabled"}}
    group.put(f"Microsoft.ContainerRegistry/registries/{group.unique}", shut)
    make(rules={"blob": endpoint(parts["storageAccount"], "blob")})
    rules = network(group)["outboundRules"]
    (required,) = (rule for rule in rules.values() if rule["category"] == "Required")
    assert required["destination"]["serviceResourceId"] == parts["containerRegistry"]["id"]
    with pytest.raises(CloudError, match="same destination"):
        make(rules={"mine": endpoint(parts["containerRegistry"], "registry")})


def test_a_basic_registry_takes_no_private_endpoint(
    parts: dict[str, dict[str, Any]], make: Make
) -> None:
    with pytest.raises(CloudError, match="Premium"):
        make(rules={"registry": endpoint(parts["containerRegistry"], "registry")})


def test_a_network_that_lets_all_out_takes_no_rules_about_names(make: Make) -> None:
    with pytest.raises(CloudError, match="PrivateEndpoint only"):
        make(rules={"pypi": {"type": "FQDN", "destination": "example.com"}})


def test_an_endpoint_to_nothing_is_refused(parts: dict[str, dict[str, Any]], make: Make) -> None:
    with pytest.raises(CloudError, match="was not found"):
        make(rules={"gone": endpoint({"id": f"{parts['keyVault']['id']}x"}, "vault")})


def test_the_identity_must_be_able_to_approve_an_endpoint(
    group: Group, parts: dict[str, dict[str, Any]], make: Make
) -> None:
    other = group.put(
        f"Microsoft.Storage/storageAccounts/{group.unique}b",
        {"kind": "StorageV2", "sku": {"name": "Standard_LRS"}, "properties": {}},
    )
    rules = {"other": endpoint(other, "blob")}
    for item in group.arm.get_list(
        f"{group.id}/providers/Microsoft.Authorization/roleAssignments", "2022-04-01"
    ):
        if item["properties"]["scope"].lower() == group.id.lower():
            group.arm.delete(item["id"], "2022-04-01")
    with pytest.raises(CloudError, match="privateEndpointConnections/write"):
        make(rules=rules)
    role = "Azure AI Enterprise Network Connection Approver"
    group.grant(parts["identity"], role, other["id"])
    make(rules=rules)


def test_a_network_is_never_opened_again(make: Make) -> None:
    make()
    with pytest.raises(CloudError, match="cannot be changed"):
        make("Disabled")
    make("AllowOnlyApprovedOutbound")
    with pytest.raises(CloudError, match="cannot be changed"):
        make("AllowInternetOutbound")


def test_clusters_that_exist_are_not_brought_into_a_network(group: Group, make: Make) -> None:
    make("Disabled")
    group.put(f"{WORKSPACES}/private/computes/cpu", COMPUTE)
    with pytest.raises(CloudError, match="delete them first"):
        make("AllowInternetOutbound")


def test_a_rule_may_come_and_go_by_itself(
    group: Group, parts: dict[str, dict[str, Any]], make: Make
) -> None:
    make()
    rule = f"{WORKSPACES}/private/outboundRules/vault"
    group.arm.put(group.path(rule), API, {"properties": endpoint(parts["keyVault"], "vault")})
    assert list(network(group)["outboundRules"]) == ["vault"]
    assert [
        item["name"]
        for item in group.arm.get_list(group.path(f"{WORKSPACES}/private/outboundRules"), API)
    ] == ["vault"]
    group.arm.delete(group.path(rule), API)
    assert network(group)["outboundRules"] == {}
