"""Resource groups, clients and identities for the contract tests."""

import itertools
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from azure.core.credentials import TokenCredential
from azure.identity import DefaultAzureCredential
from azure_group import API, Group, MintedCredential

from core.cloud import Arm
from local.access import Principal
from local.process import LocalAzure

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def arm(local_azure: LocalAzure) -> Arm:
    return Arm(DefaultAzureCredential())


@pytest.fixture
def group(arm: Arm) -> Iterator[Group]:
    subscription = os.environ["AZURE_SUBSCRIPTION_ID"]
    id = f"/subscriptions/{subscription}/resourceGroups/group-{next(_numbers)}"
    arm.put(id, API, {"location": "eastus2"})
    yield Group(arm, id)
    arm.delete(id, API)


@pytest.fixture
def acting_as(azure_folder: Path) -> Callable[[dict[str, Any]], TokenCredential]:
    """Give the credential of a user-assigned identity."""

    def credential(identity: dict[str, Any]) -> TokenCredential:
        principal = Principal(
            "ServicePrincipal", identity["properties"]["principalId"], identity["name"]
        )
        return MintedCredential(azure_folder, principal)

    return credential
