"""What `hardened` closes, and that it never closes what the stack itself needs."""

from typing import Any

import pytest
from recorded_arm import FakeCloud, arm_type, engine, ignore

from core.settings import parse_settings
from infra.firewalls import addresses

ME = "203.0.113.7"
OFFICE = "198.51.100.0/24"


def properties(cloud: FakeCloud, title: str) -> dict[str, Any]:
    (found,) = cloud.arm.of_type(arm_type(title))
    inner: dict[str, Any] = found["properties"]
    return inner


def test_nobody_purges_a_hardened_vault(cloud: FakeCloud) -> None:
    engine(cloud, hardened=True).up(ignore)
    assert properties(cloud, "key vault")["enablePurgeProtection"] is True


def test_a_hardened_vault_answers_allowed_addresses_and_azure_alone(cloud: FakeCloud) -> None:
    engine(cloud, hardened=True, allowedIps=f"{ME},{OFFICE}").up(ignore)
    assert properties(cloud, "key vault")["networkAcls"] == {
        "defaultAction": "Deny",
        "bypass": "AzureServices",
        "ipRules": [{"value": f"{ME}/32"}, {"value": OFFICE}],
        "virtualNetworkRules": [],
    }


def test_hardened_storage_in_a_private_network_denies_by_default(cloud: FakeCloud) -> None:
    engine(cloud, hardened=True, privateNetwork=True, allowedIps=f"{ME},{OFFICE}").up(ignore)
    assert properties(cloud, "storage account")["networkAcls"] == {
        "defaultAction": "Deny",
        "bypass": "AzureServices",
        "ipRules": [{"value": ME, "action": "Allow"}, {"value": OFFICE, "action": "Allow"}],
        "virtualNetworkRules": [],
    }


def test_storage_stays_open_to_nodes_that_have_no_private_way_to_it(cloud: FakeCloud) -> None:
    engine(cloud, hardened=True, allowedIps=ME).up(ignore)
    (cluster,) = cloud.arm.of_type(arm_type("compute cluster"))
    assert cluster["properties"]["properties"]["enableNodePublicIp"] is True
    assert "networkAcls" not in properties(cloud, "storage account")


def test_without_addresses_hardened_stores_answer_nobody_outside(cloud: FakeCloud) -> None:
    engine(cloud, hardened=True, privateNetwork=True).up(ignore)
    for title in ("storage account", "key vault"):
        rules = properties(cloud, title)["networkAcls"]
        assert (rules["defaultAction"], rules["ipRules"]) == ("Deny", [])


def test_hardened_alone_buys_no_other_registry(cloud: FakeCloud) -> None:
    engine(cloud, hardened=True).up(ignore)
    (registry,) = cloud.arm.of_type(arm_type("container registry"))
    assert registry["sku"] == {"name": "Basic"}


def test_a_stack_that_asks_for_nothing_has_no_network_rules(cloud: FakeCloud) -> None:
    engine(cloud).up(ignore)
    for title in ("storage account", "key vault"):
        assert "networkAcls" not in properties(cloud, title)


@pytest.mark.parametrize(
    ("allowed", "written"),
    [
        ([ME], [ME]),
        ([f"{ME}/32"], [ME]),
        (["198.51.100.6/31"], ["198.51.100.6", "198.51.100.7"]),
        (["198.51.100.4/30", OFFICE], ["198.51.100.4/30", OFFICE]),
    ],
)
def test_storage_gets_small_networks_as_single_addresses(
    allowed: list[str], written: list[str]
) -> None:
    assert addresses(allowed) == written


@pytest.mark.parametrize(
    ("chosen", "storage", "vault"),
    [
        ({}, False, False),
        ({"hardened": True}, False, True),
        ({"hardened": True, "allowedIps": ME}, False, True),
        ({"privateNetwork": True}, False, False),
        ({"privateNetwork": True, "allowedIps": ME}, True, True),
        ({"privateNetwork": True, "hardened": True}, True, True),
    ],
)
def test_what_is_closed_follows_from_three_settings(
    chosen: dict[str, Any], storage: bool, vault: bool
) -> None:
    found = parse_settings(chosen)
    assert (found.storage_is_closed, found.vault_is_closed) == (storage, vault)
