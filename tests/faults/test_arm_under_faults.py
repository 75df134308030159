"""Every kind of ARM request under every fault: it is done all the same, and done once.

The retry budget is azure-core's, which `core.arm.Arm` keeps: three more tries after answers
(429 and 5xx) and three after cut connections, at once, after 1.6 s and after 3.2 s, or
as long as `Retry-After` says.
"""

import itertools
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from azure.identity import DefaultAzureCredential
from meetings import BUDGET, FAILING, FAULTS, meeting

from core.arm import Arm
from core.errors import CloudError
from core.settings import Settings
from infra.engine import Existing
from infra.site import Site
from infra.teardown.purge import VAULT, Deleted, purge
from infra.teardown.steps import Steps
from local import faults
from local.faults import Fault
from local.process import LocalAzure

GROUPS = "2021-04-01"
STORAGE = "2024-01-01"
IDENTITIES = "2023-01-31"
VAULTS = "2024-11-01"
_numbers = itertools.count(1)


@dataclass
class Place:
    """A resource group of a test's own, in a subscription that has been used before."""

    arm: Arm
    subscription: str
    id: str

    @property
    def unique(self) -> str:
        return self.id.rsplit("/", 1)[-1].replace("-", "")

    @property
    def account(self) -> str:
        return f"{self.id}/providers/Microsoft.Storage/storageAccounts/{self.unique}"

    @property
    def identity(self) -> str:
        return f"{self.id}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/some"

    @property
    def vault(self) -> str:
        return f"{self.id}/providers/Microsoft.KeyVault/vaults/{self.unique}"

    def put_account(self) -> None:
        body = {"location": "eastus2", "kind": "StorageV2", "sku": {"name": "Standard_LRS"}}
        made = self.arm.put(self.account, STORAGE, body)
        assert made["properties"]["provisioningState"] == "Succeeded"

    def put_identity(self) -> None:
        self.arm.put(self.identity, IDENTITIES, {"location": "eastus2"})

    def put_and_delete_vault(self) -> None:
        about = {
            "tenantId": os.environ["AZURE_TENANT_ID"],
            "sku": {"family": "A", "name": "standard"},
        }
        self.arm.put(self.vault, VAULTS, {"location": "eastus2", "properties": about})
        self.arm.delete(self.vault, VAULTS)

    def purge_vault(self) -> None:
        site = Site(Settings(), self.subscription, "faults")
        deleted = Deleted(Existing(self.unique, VAULT, self.vault), "eastus2", "")
        assert purge(self.arm, site, [deleted], Steps(lambda event: None)) == {}

    def names(self) -> list[str]:
        return [row["name"] for row in self.arm.get_list(f"{self.id}/resources", GROUPS)]

    def deleted_vaults(self) -> list[str]:
        path = f"/subscriptions/{self.subscription}/providers/Microsoft.KeyVault/deletedVaults"
        return [row["name"] for row in self.arm.get_list(path, VAULTS)]


def nothing(place: Place) -> None:
    """Prepare nothing."""


@dataclass(frozen=True)
class Kind:
    """A kind of request: what it needs, what sends it, which it is, and what must be true then."""

    act: Callable[[Place], Any]
    meant: Callable[[Place], Fault]
    is_done: Callable[[Place], bool]
    prepare: Callable[[Place], None] = nothing


def sign_in_and_read(place: Place) -> None:
    assert Arm(DefaultAzureCredential()).get(place.id, GROUPS)


KINDS = {
    "token": Kind(
        sign_in_and_read, lambda p: Fault("POST", "login.*", "*/token"), lambda p: True
    ),
    "get": Kind(
        lambda p: p.arm.get(p.id, GROUPS), lambda p: Fault("GET", path=p.id), lambda p: True
    ),
    "list": Kind(
        Place.names, lambda p: Fault("GET", path=f"{p.id}/resources"), lambda p: p.names() == []
    ),
    "put": Kind(
        Place.put_account,
        lambda p: Fault("PUT", path=p.account),
        lambda p: p.names() == [p.unique],
    ),
    "poll": Kind(
        Place.put_account,
        lambda p: Fault("GET", path="*/Microsoft.Storage/*/operationStatuses/*"),
        lambda p: p.names() == [p.unique],
    ),
    "delete": Kind(
        lambda p: p.arm.delete(p.identity, IDENTITIES),
        lambda p: Fault("DELETE", path=p.identity),
        lambda p: p.names() == [],
        Place.put_identity,
    ),
    "long-delete": Kind(
        lambda p: p.arm.delete(p.account, STORAGE),
        lambda p: Fault("DELETE", path=p.account),
        lambda p: p.names() == [],
        Place.put_account,
    ),
    "action": Kind(
        Place.purge_vault,
        lambda p: Fault("POST", path=f"*/deletedVaults/{p.unique}/purge"),
        lambda p: p.unique not in p.deleted_vaults(),
        Place.put_and_delete_vault,
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def arm(local_azure: LocalAzure) -> Arm:
    arm = Arm(DefaultAzureCredential())
    providers = f"/subscriptions/{os.environ['AZURE_SUBSCRIPTION_ID']}/providers"
    for name in ("Storage", "ManagedIdentity", "KeyVault"):
        arm.post(f"{providers}/Microsoft.{name}/register", GROUPS)
        while (arm.get(f"{providers}/Microsoft.{name}", GROUPS) or {})[
            "registrationState"
        ] != "Registered":
            pass
    return arm


@pytest.fixture
def places(arm: Arm, azure_folder: Path) -> Iterator[Callable[[], Place]]:
    """Make places; clear faults and places away."""
    made: list[Place] = []
    subscription = os.environ["AZURE_SUBSCRIPTION_ID"]

    def make() -> Place:
        id = f"/subscriptions/{subscription}/resourceGroups/faults-{next(_numbers)}"
        arm.put(id, GROUPS, {"location": "eastus2"})
        made.append(Place(arm, subscription, id))
        return made[-1]

    yield make
    faults.clear(azure_folder)
    for place in made:
        arm.delete(place.id, GROUPS)


def meet(azure: Path, place: Place, kind: Kind, fault: Fault, times: int) -> None:
    """Do what sends a kind of request while a fault hits it."""
    kind.prepare(place)
    with meeting(azure, kind.meant(place), fault, times):
        kind.act(place)


WAITS = pytest.param("429", marks=pytest.mark.slow)
"""Slow: every kind of request waits for the second that Azure asks for."""


@pytest.mark.parametrize("fault", [WAITS if name == "429" else name for name in FAULTS])
@pytest.mark.parametrize("kind", KINDS)
def test_a_fault_is_got_over(
    places: Callable[[], Place], azure_folder: Path, kind: str, fault: str
) -> None:
    place = places()
    meet(azure_folder, place, KINDS[kind], FAULTS[fault], times=1)
    assert KINDS[kind].is_done(place)


@pytest.mark.slow
@pytest.mark.parametrize("fault", FAILING)
def test_as_many_faults_as_the_budget_has_are_got_over(
    places: Callable[[], Place], azure_folder: Path, fault: str
) -> None:
    """Slow: the third try comes after five seconds; all kinds wait side by side."""
    made = {name: places() for name in KINDS if name not in ("token", "poll")}
    with ThreadPoolExecutor(len(made)) as pool:
        done = {
            name: pool.submit(meet, azure_folder, place, KINDS[name], FAULTS[fault], BUDGET)
            for name, place in made.items()
        }
    refused = {name: future.exception() for name, future in done.items() if future.exception()}
    assert refused == {}
    assert [name for name, place in made.items() if not KINDS[name].is_done(place)] == []


@pytest.mark.slow
@pytest.mark.parametrize("fault", FAILING)
def test_beyond_the_budget_the_error_names_the_operation(
    places: Callable[[], Place], azure_folder: Path, fault: str
) -> None:
    """Slow: the budget is used up first."""
    place = places()
    with pytest.raises(CloudError) as caught:
        meet(azure_folder, place, KINDS["put"], FAULTS[fault], times=0)
    assert caught.value.operation == f"PUT {place.account}"
    assert caught.value.exit_code == 4
    faults.clear(azure_folder)
    KINDS["put"].act(place)
    assert KINDS["put"].is_done(place)
