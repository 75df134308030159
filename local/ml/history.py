"""Run history and what lies beside it on the region's own host: what following a job needs."""

from typing import Any

from local.ml.locations import artifacts_of, long_uri
from local.ml.workspace import PATH, TYPE, bad_request, document_at, workspace
from local.operations import ML_API, Call, operation
from local.runner import jobs as runner
from local.runner.job_record import KIND as JOBS
from local.state import Document
from local.world import World

RUNS = f"{TYPE}/experiments/runs"


@operation(
    "GET", "/discovery", host=ML_API, anonymous=True, note="all services on the region's host"
)
def discover(call: Call) -> dict[str, str]:
    """Name the hosts of a region's services."""
    api = f"https://{call.parameters['region']}.api.azureml.ms"
    return dict.fromkeys(("api", "history", "experimentation", "modelmanagement", "mlflow"), api)


@operation(
    "GET",
    f"/history/v1.0{PATH}/runs/{{run}}/details",
    host=ML_API,
    action=f"{RUNS}/read",
    note="status, log files with signatures, error and warnings",
)
def run_details(call: Call) -> dict[str, Any]:
    """Tell how a run goes, and where its logs are."""
    owner = workspace(call)["id"]
    job = document_at(call.world.state, f"{owner}/jobs/{call.parameters['run']}")
    record = call.world.state.get(f"{job['id']}/run") or {}
    runner.note_followed(call.world, job["id"])
    if job["properties"]["status"] == "Finalizing":
        runner.note_finalizing_seen(call.world, job["id"])
    return {
        "runId": job["name"],
        "target": (job["properties"]["computeId"] or "").rpartition("/")[2],
        "status": job["properties"]["status"],
        "startTimeUtc": record.get("startTimeUtc"),
        "endTimeUtc": record.get("endTimeUtc"),
        "properties": job["properties"]["properties"],
        "inputDatasets": [],
        "outputDatasets": [],
        "logFiles": _log_files(call.world, owner, job),
        "warnings": record.get("warnings") or [],
        "error": record.get("error"),
        "submittedBy": record.get("submitterName"),
    }


@operation(
    "POST",
    f"/history/v1.0{PATH}/rundata",
    host=ML_API,
    action=f"{RUNS}/read",
    note="metadata and outputs of a job's run",
)
def run_data(call: Call) -> dict[str, Any]:
    """Give a run's metadata with the assets that it wrote."""
    owner = workspace(call)["id"]
    job = document_at(call.world.state, f"{owner}/jobs/{call.body.get('runId')}")
    properties = job["properties"]
    return {
        "runMetadata": {
            "runId": job["name"],
            "status": properties["status"],
            "displayName": properties["displayName"],
            "tags": properties["tags"],
            "properties": properties["properties"],
            "outputs": {
                name: {
                    "assetId": f"azureml://jobs/{job['name']}/outputs/{name}",
                    "type": output.get("jobOutputType", "uri_folder"),
                }
                for name, output in properties["outputs"].items()
            },
        }
    }


@operation(
    "PATCH",
    f"/history/v1.0{PATH}/experiments/{{experiment}}/runs/{{run}}",
    host=ML_API,
    action=f"{RUNS}/write",
    note="hidden, displayName, description, tags",
)
def change_run(call: Call) -> dict[str, Any]:
    """Change what may change of a run; `hidden` is how a job is archived."""
    owner, state = workspace(call)["id"], call.world.state
    with state.transaction():
        job = document_at(state, f"{owner}/jobs/{call.parameters['run']}")
        changes = {"hidden": "isArchived", "displayName": "displayName", "tags": "tags"}
        for sent, kept in changes.items():
            if call.body.get(sent) is not None:
                job["properties"][kept] = call.body[sent]
        state.put(job["id"], JOBS, job)
    return {
        "runId": job["name"],
        "status": job["properties"]["status"],
        "hidden": job["properties"]["isArchived"],
    }


@operation(
    "POST",
    f"/data/v1.0{PATH}/dataversion/batchGetResolvedUris",
    host=ML_API,
    action=f"{TYPE}/data/versions/read",
    note="job outputs and data versions",
)
def resolve_data(call: Call) -> dict[str, Any]:
    """Say where assets lie."""
    return _resolved(call)


@operation(
    "POST",
    f"/modelregistry/v1.0{PATH}/models/batchGetResolvedUris",
    host=ML_API,
    action=f"{TYPE}/models/versions/read",
    note="job outputs of a model type, and model versions",
)
def resolve_models(call: Call) -> dict[str, Any]:
    """Say where models lie."""
    return _resolved(call)


def _resolved(call: Call) -> dict[str, Any]:
    owner = workspace(call)["id"]
    ids = call.body.get("values")
    if not isinstance(ids, list):
        raise bad_request("The body needs a list `values`.")
    state = call.world.state
    found = {id: long_uri(state, owner, id) for id in ids}
    return {"values": {id: {"uri": uri, "path": uri} for id, uri in found.items()}}


def _log_files(world: World, workspace: str, job: Document) -> dict[str, str]:
    from local.storage.rights import sas

    place = artifacts_of(world, workspace, job["name"])
    base = place.folder(world)
    signature = sas(world, place.account, place.container, "r")
    names = sorted(
        str(path.relative_to(base))
        for folder in ("user_logs", "azureml-logs")
        for path in (base / folder).glob("**/*")
        if path.is_file()
    )
    return {name: f"{place.url}/{name}?{signature}" for name in names}
