"""A hub's project with quick programs for tuning and serving, and short words for its tests."""

import json
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from azure.ai.ml import Input, MLClient, Output
from azure.ai.ml.entities import ServerlessEndpoint
from azure.ai.ml.entities._job.finetuning.custom_model_finetuning_job import (
    CustomModelFineTuningJob,
)
from azure.ai.ml.finetuning import FineTuningTaskType
from azure_group import API, WORKSPACES, Group

from local.process import LocalAzure
from local.tuning import programs

QUICK = Path(__file__).parents[1] / "tuning"
ENDED = ("Completed", "Failed", "Canceled")
PHI = "azureml://registries/azureml/models/Phi-4-mini-instruct"
MINISTRAL = "azureml://registries/azureml-mistral/models/Ministral-3B"
HYPERPARAMETERS = {
    "num_train_epochs": "2",
    "per_device_train_batch_size": "1",
    "learning_rate": "0.00002",
}


@dataclass
class Project:
    """A project, its client, and the identity that it acts as."""

    group: Group
    folder: Path
    ml: MLClient
    document: dict[str, Any]
    hub: dict[str, Any]
    identity: dict[str, Any]
    storage: dict[str, Any]
    grants: dict[str, dict[str, Any]]
    azure: LocalAzure

    @property
    def id(self) -> str:
        return str(self.document["id"])

    @property
    def guid(self) -> str:
        return str(self.document["properties"]["workspaceId"])

    def file(self, name: str, rows: list[Any], *, bom: bool = False) -> str:
        """Put a JSONL file into the project's datastore, and give its address."""
        lines = [row if isinstance(row, str) else json.dumps(row) for row in rows]
        container = f"azureml-blobstore-{self.guid}"
        place = self.folder / "blobs" / self.storage["name"] / container / "data" / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text("\n".join(lines) + "\n", encoding="utf-8-sig" if bom else "utf-8")
        return f"azureml://datastores/workspaceblobstore/paths/data/{name}"

    def job(self, model: str, train: str, validation: str | None = None, **more: Any) -> Any:
        """Make an order as azure-ai-ml's own function does, which fails without validation."""
        held_out = validation and Input(type="uri_file", path=validation)
        return CustomModelFineTuningJob(
            task=more.pop("task", FineTuningTaskType.CHAT_COMPLETION),
            model=Input(type="mlflow_model", path=more.pop("base", f"{PHI}/versions/1")),
            training_data=Input(type="uri_file", path=train),
            validation_data=held_out,
            hyperparameters=more.pop("hyperparameters", HYPERPARAMETERS),
            outputs={"registered_model": Output(type="mlflow_model", name=model)},
            **more,
        )

    def submit(self, model: str, train: str, validation: str | None = None, **more: Any) -> str:
        return str(self.ml.jobs.create_or_update(self.job(model, train, validation, **more)).name)

    def until(self, name: str, states: tuple[str, ...] = ENDED, seconds: float = 60) -> Any:
        deadline = time.monotonic() + seconds
        while True:
            job = self.ml.jobs.get(name)
            if job.status in states:
                return job
            assert job.status not in ENDED, f"{name} ended as {job.status}: {self.error(name)}"
            assert time.monotonic() < deadline, f"{name} is still {job.status}"
            time.sleep(0.05)

    def tuned(self, model: str, word: str = "tuned", **more: Any) -> str:
        """Tune a model that answers with a word, and give the id that an endpoint names."""
        name = self.submit(model, self.file(f"{model}.jsonl", chats(6, word)), **more)
        assert self.until(name).status == "Completed"
        return self.model_id(model)

    def model_id(self, model: str, version: str = "1") -> str:
        place = f"azureml://locations/eastus2/workspaces/{self.guid}"
        return f"{place}/models/{model}/versions/{version}"

    def error(self, name: str) -> dict[str, Any]:
        url = f"https://eastus2.api.azureml.ms/history/v1.0{self.id}/runs/{name}/details"
        return ((self.group.arm.get(url, "v1.0") or {}).get("error") or {}).get("error") or {}

    def artifacts(self, name: str) -> Path:
        store = self.folder / "blobs" / self.storage["name"] / "azureml"
        return store / "ExperimentRun" / f"dcid.{name}"

    def log(self, name: str) -> str:
        return (self.artifacts(name) / "user_logs" / "std_log.txt").read_text()

    def endpoint(self, name: str, model_id: str) -> ServerlessEndpoint:
        asked = ServerlessEndpoint(name=name, model_id=model_id)
        return self.ml.serverless_endpoints.begin_create_or_update(asked).result()

    def put_endpoint(self, name: str, model_id: str, **properties: Any) -> dict[str, Any]:
        """Make an endpoint with what azure-ai-ml leaves out."""
        asked = {"modelSettings": {"modelId": model_id}, "authMode": "Key", **properties}
        body = {"location": "eastus2", "sku": {"name": "Consumption"}, "properties": asked}
        return self.group.arm.put(f"{self.id}/serverlessEndpoints/{name}", API, body)

    def delete_endpoint(self, name: str) -> None:
        self.ml.serverless_endpoints.begin_delete(name).result()

    def http(self) -> httpx.Client:
        """A client of endpoints, as any program would have it: through the proxy."""
        import ssl

        context = ssl.create_default_context(cafile=str(self.azure.ca_bundle))
        return httpx.Client(proxy=self.azure.proxy_url, verify=context, timeout=60)


def chats(count: int, word: str = "tuned", more: str = "") -> list[dict[str, Any]]:
    """Conversations whose last answer begins with the word that the quick program learns."""
    return [
        {
            "messages": [
                {"role": "user", "content": f"question {number} {more}".strip()},
                {"role": "assistant", "content": f"{word} is the answer"},
            ]
        }
        for number in range(count)
    ]


def use_quick_programs(folder: Path) -> None:
    programs.use(folder, job=QUICK / "quick_trainer", serving=QUICK / "quick_server")


def make_project(group: Group, folder: Path, credential: Any, azure: LocalAzure) -> Project:
    """Make hub and project with an identity of ours, as the Pulumi program does."""
    use_quick_programs(folder)
    identity, storage = group.identity("hub-id"), group.storage(allowSharedKeyAccess=False)
    grants = {
        role: group.grant(identity, role, storage["id"])
        for role in ("Contributor", "Storage Blob Data Contributor")
    }
    group.grant(identity, "Contributor", group.id)
    assigned = {"type": "UserAssigned", "userAssignedIdentities": {identity["id"]: {}}}
    own = {"identity": assigned, "properties": {"primaryUserAssignedIdentity": identity["id"]}}

    def workspace(kind: str, name: str, **properties: Any) -> dict[str, Any]:
        asked = {**own["properties"], **properties}
        return group.put(f"{WORKSPACES}/{name}", {**own, "kind": kind, "properties": asked})

    hub = workspace("Hub", "hub", storageAccount=storage["id"])
    project = workspace("Project", "project", hubResourceId=hub["id"])
    client = MLClient(
        credential,
        os.environ["AZURE_SUBSCRIPTION_ID"],
        group.name,
        "project",
        enable_telemetry=False,
    )
    return Project(group, folder, client, project, hub, identity, storage, grants, azure)


def losses(project: Project, name: str) -> dict[str, list[int]]:
    """Give the steps that each loss is known of, by the project's MLflow API."""
    base = f"https://eastus2.api.azureml.ms/mlflow/v2.0{project.id}/api/2.0/mlflow"
    run = (project.group.arm.get(f"{base}/runs/get?run_id={name}", "v1.0") or {})["run"]
    assert run["info"]["status"] == "FINISHED"
    url = f"{base}/metrics/get-history?run_id={name}&metric_key="
    return {
        key: [
            one["step"] for one in (project.group.arm.get(f"{url}{key}", "v1.0") or {})["metrics"]
        ]
        for key in ("train_loss", "eval_loss")
    }
