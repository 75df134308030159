"""MLflow's REST API as Azure ML serves it: experiments and runs. Metrics are in `metrics`.

Everything is a document below the workspace, so it goes when the workspace goes. Model registry,
traces and MLflow's own artifact store are not played: artifacts are listed from the job's files.
"""

import uuid
from collections.abc import Callable
from typing import Any

from local.ml.filters import fits, parse_filter
from local.ml.locations import artifacts_of
from local.ml.runs import (
    EXPERIMENT,
    RUN,
    find_experiment,
    full_run,
    make_experiment,
    make_run,
    milliseconds,
    pleasant_name,
    put_run,
    run_id,
)
from local.ml.workspace import PATH, TYPE, workspace
from local.operations import ML_API, Answer, Call, operation
from local.state import Document

BASE = f"/mlflow/{{mlflow_version}}{PATH}/api/2.0/mlflow"
NOT_THERE = "RESOURCE_DOES_NOT_EXIST"
INVALID = "INVALID_PARAMETER_VALUE"
Handle = Callable[[Call, str], Answer | dict[str, Any]]


class Fault(Exception):
    """An answer in MLflow's error shape."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.answer = Answer({"error_code": code, "message": message}, status)


def row(method: str, path: str, right: str, note: str = "as MLflow") -> Callable[[Handle], Handle]:
    """Register a call of MLflow's API; `right` is what follows `workspaces/`."""
    action = f"{TYPE}/{right}"

    def register(handle: Handle) -> Handle:
        def handler(call: Call) -> Answer | dict[str, Any]:
            owner = str(workspace(call)["id"])
            try:
                return handle(call, owner)
            except Fault as fault:
                return fault.answer

        operation(method, f"{BASE}/{path}", host=ML_API, action=action, note=note)(handler)
        return handle

    return register


@row("POST", "experiments/create", "experiments/write")
def create_experiment(call: Call, owner: str) -> dict[str, Any]:
    """Make an experiment."""
    name = str(call.body.get("name") or "")
    if not name:
        raise Fault(400, INVALID, "An experiment needs a name.")
    if find_experiment(call.world.state, owner, name):
        raise Fault(400, "RESOURCE_ALREADY_EXISTS", f"The experiment '{name}' already exists.")
    document = make_experiment(call.world.state, owner, name, call.body.get("tags"))
    return {"experiment_id": document["experiment_id"]}


@row("GET", "experiments/get", "experiments/read")
def get_experiment(call: Call, owner: str) -> dict[str, Any]:
    """Read an experiment by its id."""
    id = call.query.get("experiment_id", "")
    found = call.world.state.get(f"{owner}/mlflow/experiments/{id}")
    if found is None:
        raise Fault(404, NOT_THERE, f"There is no experiment with the id '{id}'.")
    return {"experiment": found}


@row("GET", "experiments/get-by-name", "experiments/read")
def get_experiment_by_name(call: Call, owner: str) -> dict[str, Any]:
    """Read an experiment by its name."""
    name = call.query.get("experiment_name", "")
    found = find_experiment(call.world.state, owner, name)
    if found is None:
        raise Fault(404, NOT_THERE, f"There is no experiment named '{name}'.")
    return {"experiment": found}


@row("POST", "experiments/search", "experiments/read", "filter by name only")
def search_experiments(call: Call, owner: str) -> dict[str, Any]:
    """List experiments."""
    found = [d for _, d in call.world.state.find(EXPERIMENT, below=f"{owner}/mlflow")]
    clauses = _clauses(call.body.get("filter") or "")
    kept = [one for one in found if all(fits(_attributes(one), clause) for clause in clauses)]
    return {"experiments": kept}


@row("POST", "runs/create", "experiments/runs/write")
def create_run(call: Call, owner: str) -> dict[str, Any]:
    """Make a run."""
    body, state = call.body, call.world.state
    experiment = str(body.get("experiment_id") or "")
    if state.get(f"{owner}/mlflow/experiments/{experiment}") is None:
        raise Fault(404, NOT_THERE, f"There is no experiment with the id '{experiment}'.")
    tags = {tag["key"]: tag["value"] for tag in body.get("tags") or []}
    document = make_run(
        state,
        owner,
        str(uuid.uuid4()),
        experiment,
        str(body.get("run_name") or tags.get("mlflow.runName") or pleasant_name()),
        tags,
        user=str(body.get("user_id") or call.principal.name),
        started=int(body.get("start_time") or milliseconds()),
    )
    return {"run": full_run(state, owner, document)}


@row("GET", "runs/get", "experiments/runs/read")
def get_run(call: Call, owner: str) -> dict[str, Any]:
    """Read a run with its latest metrics."""
    return {"run": full_run(call.world.state, owner, run_of(call, owner, call.query))}


@row("POST", "runs/update", "experiments/runs/write")
def update_run(call: Call, owner: str) -> dict[str, Any]:
    """Change a run's status, end or name; a job's run ends with the job, not by this."""
    state = call.world.state
    with state.transaction():
        document = run_of(call, owner, call.body)
        for key in ("status", "end_time", "run_name"):
            if call.body.get(key) is not None and not (
                key != "run_name" and document["tags"].get("azureml.jobName")
            ):
                document["info"][key] = call.body[key]
        put_run(state, owner, document)
    return {"run_info": document["info"]}


@row("POST", "runs/delete", "experiments/runs/delete")
def delete_run(call: Call, owner: str) -> dict[str, Any]:
    """Mark a run as deleted."""
    with call.world.state.transaction():
        document = run_of(call, owner, call.body)
        document["info"]["lifecycle_stage"] = "deleted"
        put_run(call.world.state, owner, document)
    return {}


@row("POST", "runs/search", "experiments/runs/read", "comparisons joined by AND, newest first")
def search_runs(call: Call, owner: str) -> dict[str, Any]:
    """List the runs of experiments."""
    state, body = call.world.state, call.body
    wanted = {str(id) for id in body.get("experiment_ids") or []}
    clauses = _clauses(body.get("filter") or "")
    view = body.get("run_view_type") or "ACTIVE_ONLY"
    found = []
    for _, document in state.find(RUN, below=f"{owner}/mlflow"):
        info = document["info"]
        is_active = info["lifecycle_stage"] == "active"
        if info["experiment_id"] not in wanted or (view != "ALL") * (
            is_active != (view == "ACTIVE_ONLY")
        ):
            continue
        run = full_run(state, owner, document)
        if all(fits(_run_values(run), clause) for clause in clauses):
            found.append(run)
    found.sort(key=lambda run: -int(run["info"]["start_time"]))
    return {"runs": found[: int(body.get("max_results") or 1000)]}


@row(
    "GET", "artifacts/list", "experiments/runs/read", "the files of the job that the run belongs to"
)
def list_artifacts(call: Call, owner: str) -> dict[str, Any]:
    """List the files of a run."""
    document = run_of(call, owner, call.query)
    base = artifacts_of(call.world, owner, document["info"]["run_id"]).folder(call.world)
    path = call.query.get("path") or ""
    if ".." in path.split("/"):
        raise Fault(400, INVALID, f"The path '{path}' leads out of the run.")
    files = [
        {
            "path": str(entry.relative_to(base)),
            "is_dir": entry.is_dir(),
            **({} if entry.is_dir() else {"file_size": entry.stat().st_size}),
        }
        for entry in sorted((base / path).glob("*"))
    ]
    return {"root_uri": document["info"]["artifact_uri"], "files": files}


def run_of(call: Call, owner: str, source: dict[str, Any]) -> Document:
    """Read the run that a call names."""
    id = str(source.get("run_id") or source.get("run_uuid") or "")
    found = call.world.state.get(run_id(owner, id)) if id else None
    if found is None:
        raise Fault(404, NOT_THERE, f"There is no run with the id '{id}'.")
    return found


def _attributes(experiment: Document) -> dict[str, Any]:
    return {"attribute.name": experiment["name"]}


def _run_values(run: dict[str, Any]) -> dict[str, Any]:
    values = {f"attribute.{key}": value for key, value in run["info"].items()}
    for kind in ("metrics", "params", "tags"):
        for item in run["data"][kind]:
            values[f"{kind.rstrip('s')}.{item['key']}"] = item["value"]
    return values


def _clauses(text: str) -> list[dict[str, str]]:
    try:
        return parse_filter(text)
    except ValueError as error:
        raise Fault(400, INVALID, str(error)) from error
