"""Experiments, runs and metrics as documents below their workspace: they go when it goes."""

import random
import time
import uuid
from typing import Any

from local.state import Document, State

EXPERIMENT = "mlflow/experiment"
RUN = "mlflow/run"
METRIC = "mlflow/metric"
OUTCOMES = {"Completed": "FINISHED", "Failed": "FAILED", "Canceled": "KILLED"}


def begin_job_run(state: State, owner: str, job: Document) -> None:
    """Make the run that a job's program logs to, before the program starts."""
    name = str(job["properties"]["experimentName"])
    experiment = find_experiment(state, owner, name) or make_experiment(state, owner, name, None)
    tags = {"mlflow.runName": job["properties"]["displayName"], "azureml.jobName": job["name"]}
    make_run(
        state,
        owner,
        job["name"],
        experiment["experiment_id"],
        tags["mlflow.runName"],
        tags,
        user=str(job["systemData"]["createdBy"]),
        started=milliseconds(),
    )


def finish_job_run(state: State, owner: str, job: str, status: str) -> None:
    """Let a job's run end as the job did."""
    with state.transaction():
        document = state.get(run_id(owner, job))
        if document is not None:
            document["info"].update(status=OUTCOMES[status], end_time=milliseconds())
            put_run(state, owner, document)


def forget_run(state: State, owner: str, run: str) -> None:
    """Delete a run with its metrics."""
    state.delete(run_id(owner, run))


def find_experiment(state: State, owner: str, name: str) -> Document | None:
    """Find an experiment by its name."""
    experiments = state.find(EXPERIMENT, below=f"{owner}/mlflow")
    return next((d for _, d in experiments if d["name"] == name), None)


def make_experiment(state: State, owner: str, name: str, tags: Any) -> Document:
    """Store a new experiment."""
    moment, id = milliseconds(), str(uuid.uuid4())
    document: Document = {
        "experiment_id": id,
        "name": name,
        "artifact_location": "",
        "lifecycle_stage": "active",
        "creation_time": moment,
        "last_update_time": moment,
        "tags": tags or [],
    }
    state.put(f"{owner}/mlflow/experiments/{id}", EXPERIMENT, document)
    return document


def make_run(
    state: State,
    owner: str,
    id: str,
    experiment: str,
    name: str,
    tags: dict[str, str],
    *,
    user: str,
    started: int,
) -> Document:
    """Store a new run that is running."""
    document: Document = {
        "info": {
            "run_id": id,
            "run_uuid": id,
            "run_name": name,
            "experiment_id": experiment,
            "user_id": user,
            "status": "RUNNING",
            "start_time": started,
            "artifact_uri": f"azureml://experiments/{experiment}/runs/{id}/artifacts",
            "lifecycle_stage": "active",
        },
        "params": {},
        "tags": tags,
        "inputs": [],
    }
    put_run(state, owner, document)
    return document


def put_run(state: State, owner: str, document: Document) -> None:
    """Store a run as it is now."""
    state.put(run_id(owner, document["info"]["run_id"]), RUN, document)


def full_run(state: State, owner: str, document: Document) -> dict[str, Any]:
    """Write a run as MLflow does, with the last value of each metric."""
    last: dict[str, Document] = {}
    for metric in metrics_of(state, owner, document["info"]["run_id"]):
        before = last.get(metric["key"])
        if before is None or _moment(metric) >= _moment(before):
            last[metric["key"]] = metric
    return {
        "info": document["info"],
        "data": {
            "metrics": list(last.values()),
            "params": _pairs(document["params"]),
            "tags": _pairs(document["tags"]),
        },
        "inputs": {"dataset_inputs": document["inputs"]},
    }


def metrics_of(state: State, owner: str, run: str) -> list[Document]:
    """List every logged value of a run, in the order of logging."""
    return [d for _, d in state.find(METRIC, below=f"{run_id(owner, run)}/metrics")]


def _pairs(values: dict[str, str]) -> list[dict[str, str]]:
    return [{"key": key, "value": value} for key, value in values.items()]


def _moment(metric: Document) -> tuple[int, int]:
    return int(metric["step"]), int(metric["timestamp"])


def run_id(owner: str, run: str) -> str:
    """Give the id of a run's document."""
    return f"{owner}/mlflow/runs/{run}"


def milliseconds() -> int:
    """Give this moment as MLflow counts."""
    return int(time.time() * 1000)


def pleasant_name() -> str:
    """Make up a name for a run that was given none."""
    first = random.choice(("amber", "brisk", "calm", "dusky", "eager", "frosty", "gentle"))
    second = random.choice(("aspen", "brook", "cedar", "dune", "ember", "fern", "grove"))
    return f"{first}_{second}_{uuid.uuid4().hex[:8]}"
