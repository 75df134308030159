"""Resource groups, clients and identities for the contract tests."""

import itertools
import os
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from azure.core.credentials import TokenCredential
from azure.identity import DefaultAzureCredential
from azure_group import API, LINKED, Group, MintedCredential, Raw

from core.arm import Arm
from core.home import environments
from local.access import Principal
from local.process import LocalAzure, start, stop

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def arm(local_azure: LocalAzure) -> Arm:
    """A client of a subscription that has been used before: the namespaces are registered."""
    arm = Arm(DefaultAzureCredential())
    providers = f"/subscriptions/{os.environ['AZURE_SUBSCRIPTION_ID']}/providers"
    for item in arm.get_list(providers, API):
        path = f"{providers}/{item['namespace']}"
        arm.post(f"{path}/register", API)
        while (arm.get(path, API) or {})["registrationState"] != "Registered":
            pass
    return arm


@pytest.fixture
def group(arm: Arm) -> Iterator[Group]:
    subscription = os.environ["AZURE_SUBSCRIPTION_ID"]
    id = f"/subscriptions/{subscription}/resourceGroups/group-{next(_numbers)}"
    arm.put(id, API, {"location": "eastus2"})
    yield Group(arm, id)
    arm.delete(id, API)


@pytest.fixture
def parts(group: Group) -> dict[str, dict[str, Any]]:
    """What a workspace is made of, with its identity's grants."""
    logs = group.put("Microsoft.OperationalInsights/workspaces/logs", {})
    vault = {
        "tenantId": os.environ["AZURE_TENANT_ID"],
        "sku": {"family": "A", "name": "standard"},
        "enableRbacAuthorization": True,
    }
    insights = {"Application_Type": "web", "WorkspaceResourceId": logs["id"]}
    made = {
        "logs": logs,
        "storageAccount": group.storage(allowSharedKeyAccess=False),
        "keyVault": group.put(f"Microsoft.KeyVault/vaults/{group.name}-kv", {"properties": vault}),
        "applicationInsights": group.put(
            "Microsoft.Insights/components/insights", {"kind": "web", "properties": insights}
        ),
        "containerRegistry": group.put(
            f"Microsoft.ContainerRegistry/registries/{group.unique}", {"sku": {"name": "Basic"}}
        ),
        "identity": group.identity("workspace-id"),
    }
    for name in LINKED:
        group.grant(made["identity"], "Contributor", made[name]["id"])
    group.grant(made["identity"], "Key Vault Administrator", made["keyVault"]["id"])
    group.grant(made["identity"], "Storage Blob Data Contributor", made["storageAccount"]["id"])
    return made


@pytest.fixture
def raw(local_azure: LocalAzure) -> Iterator[Raw]:
    """Send single requests as the person."""
    token = DefaultAzureCredential().get_token("https://management.azure.com/.default").token
    context = ssl.create_default_context(cafile=str(local_azure.ca_bundle))
    with httpx.Client(proxy=local_azure.proxy_url, verify=context) as client:
        yield Raw(client, token)


@pytest.fixture
def fresh_azure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[], LocalAzure]]:
    """Start (again) a local Azure of the test's own, and point this process at it."""
    folder = tmp_path / "local"

    def begin() -> LocalAzure:
        azure = start(folder, environments=environments())
        for name, value in azure.environment.items():
            monkeypatch.setenv(name, value)
        return azure

    yield begin
    stop(folder)


@pytest.fixture
def acting_as(azure_folder: Path) -> Callable[[dict[str, Any]], TokenCredential]:
    """Give the credential of a user-assigned identity."""

    def credential(identity: dict[str, Any]) -> TokenCredential:
        principal = Principal(
            "ServicePrincipal", identity["properties"]["principalId"], identity["name"]
        )
        return MintedCredential(azure_folder, principal)

    return credential
