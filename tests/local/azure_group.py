"""A resource group and an identity's credential, as the contract tests use them."""

import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from azure.core.credentials import AccessToken

from core.arm import Arm
from local.access import Principal
from local.login.tokens import AUDIENCES, mint
from local.roles import PROVIDER, ROLES

API = "2024-03-01"
WORKSPACES = "Microsoft.MachineLearningServices/workspaces"
LINKED = ("storageAccount", "keyVault", "applicationInsights", "containerRegistry")


@dataclass
class Raw:
    """Single ARM requests as a signed-in client sends them: no waiting, no second try."""

    client: httpx.Client
    token: str

    def __call__(self, method: str, path: str, body: Any = None) -> httpx.Response:
        url = path if path.startswith("https://") else f"https://management.azure.com{path}"
        if "api-version=" not in url:
            url += f"{'&' if '?' in url else '?'}api-version={API}"
        headers = {"Authorization": f"Bearer {self.token}"}
        return self.client.request(method, url, headers=headers, json=body)

    def refused(self, method: str, path: str, body: Any = None) -> tuple[int, str]:
        answer = self(method, path, body)
        return answer.status_code, answer.json()["error"]["code"]


@dataclass
class MintedCredential:
    """A managed identity's credential, minted as the runner does for a job."""

    folder: Path
    principal: Principal

    def get_token(self, *scopes: str, **_: Any) -> AccessToken:
        audience = AUDIENCES[scopes[0].removesuffix("/.default")]
        return AccessToken(mint(self.folder, self.principal, audience), 2**32)


@dataclass
class Group:
    """A resource group and short words for what the tests put into it."""

    arm: Arm
    id: str

    @property
    def name(self) -> str:
        return self.id.rsplit("/", 1)[-1]

    @property
    def unique(self) -> str:
        """A name for what must be unique in the world."""
        return self.name.replace("-", "")

    def path(self, rest: str) -> str:
        return f"{self.id}/providers/{rest}"

    def put(self, rest: str, body: dict[str, Any]) -> dict[str, Any]:
        return self.arm.put(self.path(rest), API, {"location": "eastus2", **body})

    def storage(self, **properties: Any) -> dict[str, Any]:
        return self.put(
            f"Microsoft.Storage/storageAccounts/{self.unique}",
            {"kind": "StorageV2", "sku": {"name": "Standard_LRS"}, "properties": properties},
        )

    def identity(self, name: str) -> dict[str, Any]:
        return self.put(f"Microsoft.ManagedIdentity/userAssignedIdentities/{name}", {})

    def grant(self, identity: dict[str, Any], role: str, scope: str) -> dict[str, Any]:
        guid = next(id for id, known in ROLES.items() if known.name == role)
        name = uuid.uuid5(uuid.NAMESPACE_URL, f"{identity['id']}{role}{scope}")
        return self.arm.put(
            f"{scope}/providers/Microsoft.Authorization/roleAssignments/{name}",
            API,
            {
                "properties": {
                    "roleDefinitionId": f"{PROVIDER}{guid}",
                    "principalId": identity["properties"]["principalId"],
                    "principalType": "ServicePrincipal",
                }
            },
        )


def workspace_body(parts: dict[str, dict[str, Any]]) -> dict[str, Any]:
    identity = parts["identity"]["id"]
    return {
        "kind": "Default",
        "identity": {"type": "UserAssigned", "userAssignedIdentities": {identity: {}}},
        "properties": {
            **{name: parts[name]["id"] for name in LINKED},
            "primaryUserAssignedIdentity": identity,
            "systemDatastoresAuthMode": "identity",
        },
    }
