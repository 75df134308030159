"""A fresh subscription: what must be registered first, and who does it."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from azure.identity import DefaultAzureCredential
from azure_group import API, Group, MintedCredential

from core.arm import Arm
from core.errors import CloudError
from local.access import Principal
from local.process import LocalAzure

IDENTITY = "Microsoft.ManagedIdentity/userAssignedIdentities/one"


@pytest.fixture
def group(fresh_azure: Callable[[], LocalAzure]) -> Group:
    """A group in a subscription that nobody has used."""
    fresh_azure()
    arm = Arm(DefaultAzureCredential())
    id = f"/subscriptions/{os.environ['AZURE_SUBSCRIPTION_ID']}/resourceGroups/g"
    arm.put(id, API, {"location": "eastus2"})
    return Group(arm, id)


def provider(group: Group, name: str) -> str:
    return f"{group.id.partition('/resourceGroups/')[0]}/providers/{name}"


def state(group: Group, name: str) -> str:
    found = group.arm.get(provider(group, name), API)
    assert found is not None
    return str(found["registrationState"])


def test_a_namespace_is_registered_by_polls_before_it_is_used(group: Group) -> None:
    name = "Microsoft.ManagedIdentity"
    assert state(group, "Microsoft.Authorization") == "Registered"
    assert state(group, name) == "NotRegistered"
    with pytest.raises(CloudError, match=rf"not registered to use namespace '{name}'") as caught:
        group.arm._send("PUT", group.path(IDENTITY), API, {"location": "eastus2"})
    assert (caught.value.status, caught.value.code) == (409, "MissingSubscriptionRegistration")
    asked = group.arm.post(f"{provider(group, name.lower())}/register", API)
    assert asked["registrationState"] == "Registering"
    assert [state(group, name) for _ in range(2)] == ["Registering", "Registered"]
    again = group.arm.post(f"{provider(group, name)}/register", API)
    assert again["registrationState"] == "Registered"
    assert group.arm._send("PUT", group.path(IDENTITY), API, {"location": "eastus2"})


def test_our_client_registers_what_it_needs(group: Group) -> None:
    assert group.identity("one")["properties"]["principalId"]
    assert state(group, "Microsoft.ManagedIdentity") == "Registered"
    assert state(group, "Microsoft.Storage") == "NotRegistered"


def test_who_may_not_register_is_told_so(group: Group, tmp_path: Path) -> None:
    identity = group.identity("contributor")
    group.grant(identity, "Contributor", group.id)
    who = Principal("ServicePrincipal", identity["properties"]["principalId"], "contributor")
    other = Group(Arm(MintedCredential(tmp_path / "local", who)), group.id)
    with pytest.raises(CloudError, match=r"Microsoft\.Storage/register/action") as caught:
        other.storage()
    assert caught.value.status == 403
