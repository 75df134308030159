"""The model that a fine-tuning job leaves in its project.

Which properties Azure sets is not known but for the base model's, whose name is that of
Microsoft's own fine-tuning components.
"""

from typing import Any

from local.ml.serverless_models import BASE_PROPERTY
from local.ml.workspace import TYPE, now
from local.runner.job_record import KIND as JOBS
from local.state import Document, State

MODELS = f"{TYPE}/models"
OUTPUT = "registered_model"


def register(state: State, owner: str, job: Document, uri: str, record: dict[str, Any]) -> str:
    """Make a job's model the next version of its name, and say so in the job's output; once.

    Gives the version's id.
    """
    properties = job["properties"]
    output = properties["outputs"][OUTPUT]
    container = f"{owner}/models/{output['assetName']}"
    with state.transaction():
        if version := output.get("assetVersion"):
            return f"{container}/versions/{version}"
        system = _system_data(record)
        document = _document(container, _next(state, container), job, uri, system)
        if state.get(container) is None:
            state.put(container, MODELS, _container(container, system))
        state.put(document["id"], f"{MODELS}/versions", document)
        output |= {"assetVersion": document["name"], "uri": uri}
        state.put(job["id"], JOBS, job)
    return str(document["id"])


def _next(state: State, container: str) -> str:
    versions = state.find(f"{MODELS}/versions", below=f"{container}/versions")
    numbers = [int(one["name"]) for _, one in versions if one["name"].isdecimal()]
    return str(max(numbers, default=0) + 1)


def _document(
    container: str, version: str, job: Document, uri: str, system: dict[str, Any]
) -> Document:
    base = str(job["properties"]["fineTuningDetails"]["model"]["uri"])
    return {
        "id": f"{container}/versions/{version}",
        "name": version,
        "type": f"{MODELS}/versions",
        "systemData": system,
        "properties": {
            **_plain(),
            "modelType": "mlflow_model",
            "modelUri": uri,
            "jobName": job["name"],
            "stage": None,
            "flavors": {},
            "tags": {"baseModel": base},
            "properties": {BASE_PROPERTY: base},
        },
    }


def _container(id: str, system: dict[str, Any]) -> Document:
    name = id.rpartition("/")[2]
    return {
        "id": id,
        "name": name,
        "type": MODELS,
        "systemData": system,
        "properties": {**_plain(), "tags": {}, "properties": {}},
    }


def _plain() -> dict[str, Any]:
    return {
        "description": None,
        "isAnonymous": False,
        "isArchived": False,
        "provisioningState": "Succeeded",
    }


def _system_data(record: dict[str, Any]) -> dict[str, Any]:
    moment, who = now(), str(record.get("submitterName") or "")
    stamp = {"createdAt": moment, "createdBy": who, "createdByType": "ServicePrincipal"}
    changed = {"lastModifiedAt": moment, "lastModifiedBy": who}
    return {**stamp, **changed, "lastModifiedByType": "ServicePrincipal"}
