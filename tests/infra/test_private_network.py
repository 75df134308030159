"""What `private_network` makes private, what it leaves public, and what it needs for that."""

from typing import Any

import pytest
from recorded_arm import FakeCloud, arm_type, engine, ignore

from core.settings import parse_settings
from infra.roles import Role, Scope, Who
from infra.site import Site


@pytest.fixture
def made(cloud: FakeCloud) -> FakeCloud:
    engine(cloud, privateNetwork=True).up(ignore)
    return cloud


def only(cloud: FakeCloud, title: str) -> dict[str, Any]:
    (found,) = cloud.arm.of_type(arm_type(title))
    return found


def endpoints(cloud: FakeCloud) -> dict[str, tuple[str, str]]:
    rules = only(cloud, "workspace")["properties"]["managedNetwork"]["outboundRules"]
    assert {rule["type"] for rule in rules.values()} == {"PrivateEndpoint"}
    return {
        name: (rule["destination"]["serviceResourceId"], rule["destination"]["subresourceTarget"])
        for name, rule in rules.items()
    }


def test_nodes_reach_storage_and_vault_by_private_endpoints(made: FakeCloud) -> None:
    storage, vault = only(made, "storage account")["id"], only(made, "key vault")["id"]
    assert sorted(endpoints(made).values()) == sorted(
        [(storage, "blob"), (storage, "file"), (vault, "vault")]
    )


def test_the_registry_answers_no_public_address_and_azure_makes_its_endpoint(
    made: FakeCloud,
) -> None:
    registry = only(made, "container registry")
    assert registry["sku"] == {"name": "Premium"}
    assert registry["properties"]["publicNetworkAccess"] == "Disabled"
    assert registry["properties"]["networkRuleBypassOptions"] == "AzureServices"
    # A second rule to what Azure makes a required one for is refused.
    assert registry["id"] not in [target for target, _ in endpoints(made).values()]


def test_no_node_has_a_public_address(cloud: FakeCloud) -> None:
    engine(cloud, privateNetwork=True, lowPriority=True, clusters="Standard_E8s_v3").up(ignore)
    found = cloud.arm.of_type(arm_type("compute cluster"))
    assert len(found) == 3
    for cluster in found:
        assert cluster["properties"]["properties"]["enableNodePublicIp"] is False


def test_packages_and_the_model_hub_stay_in_reach_without_a_firewall(made: FakeCloud) -> None:
    network = only(made, "workspace")["properties"]["managedNetwork"]
    assert network["isolationMode"] == "AllowInternetOutbound"
    assert "firewallSku" not in network


def test_the_network_is_made_with_the_workspace_and_not_with_the_first_job(
    made: FakeCloud,
) -> None:
    assert only(made, "workspace")["properties"]["provisionNetworkNow"] is True


def test_a_laptop_still_reaches_workspace_and_storage(made: FakeCloud) -> None:
    assert only(made, "workspace")["properties"]["publicNetworkAccess"] == "Enabled"
    assert "networkAcls" not in only(made, "storage account")["properties"]


def test_with_allowed_addresses_storage_answers_those_alone(cloud: FakeCloud) -> None:
    engine(cloud, privateNetwork=True, allowedIps="203.0.113.7").up(ignore)
    rules = only(cloud, "storage account")["properties"]["networkAcls"]
    assert rules["defaultAction"] == "Deny"
    assert [rule["value"] for rule in rules["ipRules"]] == ["203.0.113.7"]


@pytest.mark.parametrize(
    ("chosen", "builder", "clusters"),
    [
        ({}, "cpu-e4s-v3", 2),
        ({"lowPriority": True}, "cpu-e4s-v3", 3),
        ({"clusters": "Standard_D4s_v3:lowPriority"}, "cpu-e4s-v3", 3),
        ({"clusters": "Standard_D4s_v3*2"}, "cpu-d4s-v3", 2),
        ({"compute": "cpu"}, "cpu-e16s-v3", 1),
        ({"compute": "cpu", "vmSize": "Standard_Odd_v9"}, "cpu-odd-v9", 1),
    ],
)
def test_a_dedicated_cluster_without_gpus_builds_the_images(
    cloud: FakeCloud, chosen: dict[str, Any], builder: str, clusters: int
) -> None:
    outputs = engine(cloud, privateNetwork=True, **chosen).up(ignore)
    assert only(cloud, "workspace")["properties"]["imageBuildCompute"] == builder
    assert len(outputs.clusters) == clusters
    assert builder in outputs.clusters


def test_without_a_private_network_azures_own_machines_build_the_images(cloud: FakeCloud) -> None:
    engine(cloud, hardened=True).up(ignore)
    properties = only(cloud, "workspace")["properties"]
    assert not {"imageBuildCompute", "managedNetwork", "provisionNetworkNow"} & properties.keys()


def test_it_adds_the_approval_of_endpoints_and_the_push_of_images_and_no_other_right() -> None:
    with_it = Site(parse_settings({"privateNetwork": True}), "sub", "dev").grants
    without = Site(parse_settings({}), "sub", "dev").grants
    added = {(grant.who, grant.role, grant.scope) for grant in set(with_it) - set(without)}
    assert added == {
        (Who.WORKSPACE, Role.NETWORK_APPROVER, Scope.STORAGE),
        (Who.WORKSPACE, Role.NETWORK_APPROVER, Scope.VAULT),
        (Who.WORKSPACE, Role.NETWORK_APPROVER, Scope.REGISTRY),
        (Who.JOB, Role.ACR_PUSH, Scope.REGISTRY),
    }


def test_the_workspace_waits_for_the_right_to_approve(made: FakeCloud) -> None:
    order = [path for method, path in made.arm.requests if method == "PUT"]
    approvals = [
        item["id"]
        for item in made.arm.of_type(arm_type("grant"))
        if item["properties"]["roleDefinitionId"].endswith(Role.NETWORK_APPROVER.guid)
    ]
    assert len(approvals) == 3
    assert max(map(order.index, approvals)) < order.index(only(made, "workspace")["id"])


def test_a_second_up_changes_nothing(made: FakeCloud) -> None:
    assert not engine(made, privateNetwork=True).plan().has_changes
