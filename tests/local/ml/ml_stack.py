"""A workspace with everything that jobs and endpoints need, and short words for its tests."""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from azure.ai.ml import MLClient, command
from azure.ai.ml.entities import (
    Environment,
    Job,
    ManagedIdentityConfiguration,
)
from azure.identity import DefaultAzureCredential
from azure_group import API, Group

ENDED = ("Completed", "Failed", "Canceled")
BARE = {"name": "bare", "dependencies": ["python=3.11"]}
SERVING = {
    "name": "serving",
    "dependencies": ["python=3.11", {"pip": ["azureml-inference-server-http==1.5.1"]}],
}
IMAGE = "mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu22.04"
CONTRIBUTOR, READER = "Storage Blob Data Contributor", "Storage Blob Data Reader"


@dataclass
class Stack:
    """A workspace, its client and its identities."""

    group: Group
    folder: Path
    ml: MLClient
    workspace: dict[str, Any]
    storage: dict[str, Any]
    registry: dict[str, Any]
    job: dict[str, Any]
    endpoint: dict[str, Any]
    grants: dict[str, dict[str, Any]] = field(default_factory=dict)

    def grant(self, who: dict[str, Any], role: str, scope: str) -> None:
        self.grants[f"{who['name']}: {role}"] = self.group.grant(who, role, scope)

    def revoke(self, name: str) -> Callable[[], None]:
        """Take a grant away; gives what puts it back."""
        grant = self.grants[name]
        self.group.arm.delete(grant["id"], API)
        properties = {
            key: grant["properties"][key]
            for key in ("roleDefinitionId", "principalId", "principalType")
        }
        return lambda: self.group.arm.put(grant["id"], API, {"properties": properties})

    def submit(self, code: Path, line: str, **more: Any) -> Job:
        conda = more.pop("conda", BARE)
        job = command(
            code=str(code),
            command=line,
            environment=Environment(image=IMAGE, conda_file=conda),
            compute=more.pop("compute", "cluster"),
            identity=ManagedIdentityConfiguration(client_id=self.job["properties"]["clientId"]),
            experiment_name="contract",
            **more,
        )
        return self.ml.jobs.create_or_update(job)

    def ended(self, name: str, seconds: float = 60) -> Job:
        return self.until(name, ENDED, seconds)

    def until(self, name: str, states: tuple[str, ...], seconds: float = 60) -> Job:
        deadline = time.monotonic() + seconds
        while True:
            job = self.ml.jobs.get(name)
            if job.status in states:
                return job
            assert time.monotonic() < deadline, f"{name} is still {job.status}"
            assert job.status not in ENDED, f"{name} ended as {job.status}: {self.error(name)}"
            time.sleep(0.05)

    def details(self, name: str) -> dict[str, Any]:
        url = f"https://eastus2.api.azureml.ms/history/v1.0{self.workspace['id']}/runs/{name}"
        return self.group.arm.get(f"{url}/details", "v1.0") or {}

    def error(self, name: str) -> dict[str, Any]:
        return (self.details(name).get("error") or {}).get("error") or {}

    def tracking(self, path: str) -> dict[str, Any]:
        """Ask the workspace's MLflow API as the person."""
        base = f"https://eastus2.api.azureml.ms/mlflow/v2.0{self.workspace['id']}"
        return self.group.arm.get(f"{base}/api/2.0/mlflow/{path}", "v1.0") or {}

    def blobs(self, container: str) -> Path:
        return self.folder / "blobs" / self.storage["name"] / container

    def artifacts(self, name: str) -> Path:
        return self.blobs("azureml") / "ExperimentRun" / f"dcid.{name}"


def make_stack(group: Group, folder: Path, credential: Any) -> Stack:
    storage = group.storage(allowSharedKeyAccess=False)
    vault = group.put(
        f"Microsoft.KeyVault/vaults/{group.unique[:20]}",
        {
            "properties": {
                "tenantId": os.environ["AZURE_TENANT_ID"],
                "sku": {"family": "A", "name": "standard"},
                "enableRbacAuthorization": True,
            }
        },
    )
    logs = group.put("Microsoft.OperationalInsights/workspaces/logs", {"properties": {}})
    insights = group.put(
        "Microsoft.Insights/components/insights",
        {
            "kind": "web",
            "properties": {"Application_Type": "web", "WorkspaceResourceId": logs["id"]},
        },
    )
    registry = group.put(
        f"Microsoft.ContainerRegistry/registries/{group.unique}", {"sku": {"name": "Standard"}}
    )
    owner, job, endpoint = (group.identity(name) for name in ("workspace", "job", "endpoint"))
    for role, scope in (
        ("Contributor", group.id),
        ("Key Vault Administrator", vault["id"]),
        (CONTRIBUTOR, storage["id"]),
    ):
        group.grant(owner, role, scope)
    workspace = group.put(
        "Microsoft.MachineLearningServices/workspaces/main",
        {
            "identity": {"type": "UserAssigned", "userAssignedIdentities": {owner["id"]: {}}},
            "properties": {
                "storageAccount": storage["id"],
                "keyVault": vault["id"],
                "applicationInsights": insights["id"],
                "containerRegistry": registry["id"],
                "primaryUserAssignedIdentity": owner["id"],
                "systemDatastoresAuthMode": "Identity",
            },
        },
    )
    for name, most in (("cluster", 2), ("single", 1)):
        cluster(group, name, most, job)
    client = MLClient(
        credential, os.environ["AZURE_SUBSCRIPTION_ID"], group.name, "main", enable_telemetry=False
    )
    stack = Stack(group, folder, client, workspace, storage, registry, job, endpoint)
    stack.grant(job, CONTRIBUTOR, storage["id"])
    stack.grant(job, "AcrPull", registry["id"])
    stack.grant(job, "AzureML Data Scientist", workspace["id"])
    stack.grant(endpoint, READER, storage["id"])
    stack.grant(endpoint, "AcrPull", registry["id"])
    stack.grant(person(), CONTRIBUTOR, storage["id"])
    return stack


def cluster(group: Group, name: str, most: int, identity: dict[str, Any]) -> dict[str, Any]:
    return group.put(
        f"Microsoft.MachineLearningServices/workspaces/main/computes/{name}",
        {
            "identity": {"type": "UserAssigned", "userAssignedIdentities": {identity["id"]: {}}},
            "properties": {
                "computeType": "AmlCompute",
                "properties": {
                    "vmSize": "Standard_E4s_v3",
                    "scaleSettings": {"minNodeCount": 0, "maxNodeCount": most},
                },
            },
        },
    )


def person() -> dict[str, Any]:
    """The person as `Group.grant` takes an identity."""
    import base64
    import json

    token = DefaultAzureCredential().get_token("https://management.azure.com/.default").token
    part = token.split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return {"id": "person", "name": "person", "properties": {"principalId": claims["oid"]}}
