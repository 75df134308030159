"""The MLflow run of each job: made on the workspace's server, known by the job's name.

Azure ML gives a job's run the job's name as its id; MLflow's server makes ids of its own. So the
state keeps which is which, and ids are exchanged on the way in and out.
"""

import re
import time
from typing import Any

from local.runner import tracking
from local.runner.mlflow_server import ARTIFACTS
from local.state import Document, State
from local.world import World

JOB_RUN = "mlflow/job-run"
OUTCOMES = {"Completed": "FINISHED", "Failed": "FAILED", "Canceled": "KILLED"}
ARTIFACT_URI = re.compile(rf"{ARTIFACTS}/([^/\"]+)/([^/\"]+)/artifacts")
OWN_ID = re.compile(r"\b[0-9a-f]{32}\b")
ID_FIELDS = frozenset(("run_id", "run_uuid", "run_ids"))
ID_FILTER = re.compile(r"(run_id`?\s*(?:=|!=)\s*)(['\"])(.*?)\2")


def begin_job_run(world: World, owner: str, job: Document) -> Document:
    """Make the run that a job's program logs to, once; give what the state keeps of it."""
    id = run_id(owner, job["name"])
    known = world.state.get(id)
    if known is not None:
        return known
    properties = job["properties"]
    experiment = _experiment(world, owner, str(properties["experimentName"]))
    tags = {"mlflow.runName": properties["displayName"], "azureml.jobName": job["name"]}
    asked = {
        "experiment_id": experiment,
        "user_id": str(job["systemData"]["createdBy"]),
        "run_name": properties["displayName"],
        "start_time": milliseconds(),
        "tags": [{"key": key, "value": value} for key, value in tags.items()],
    }
    made = _asked(world, owner, "runs/create", asked)["run"]["info"]
    document = {"job": job["name"], "run_id": made["run_id"], "experiment_id": experiment}
    with world.state.transaction():
        world.state.put(id, JOB_RUN, document)
        world.state.put(_name_id(owner, made["run_id"]), f"{JOB_RUN}/name", {"job": job["name"]})
    return document


def finish_job_run(world: World, owner: str, job: Document, status: str) -> None:
    """Let a job's run end as the job did; one that was canceled at once has none yet."""
    known = world.state.get(run_id(owner, job["name"]))
    if known is not None:
        end = {"status": OUTCOMES[status], "end_time": milliseconds()}
        _asked(world, owner, "runs/update", {"run_id": known["run_id"], **end})


def forget_job_run(world: World, owner: str, job: str) -> None:
    """Delete the run of a job that is deleted."""
    known = world.state.get(run_id(owner, job))
    if known is not None:
        _asked(world, owner, "runs/delete", {"run_id": known["run_id"]})
        world.state.delete(_name_id(owner, known["run_id"]))
        world.state.delete(run_id(owner, job))


def is_job_run(state: State, owner: str, id: str) -> bool:
    """Tell whether an id, as Azure ML's clients know it, is a job's."""
    return state.get(run_id(owner, id)) is not None


def inward(state: State, owner: str, value: Any, key: str = "") -> Any:
    """Exchange, in what a client sends, the names of jobs for MLflow's own ids."""
    if isinstance(value, dict):
        return {name: inward(state, owner, one, name) for name, one in value.items()}
    if isinstance(value, list):
        return [inward(state, owner, one, key) for one in value]
    if key == "filter" and isinstance(value, str):
        return ID_FILTER.sub(lambda m: f"{m[1]}'{_own_id(state, owner, m[3])}'", value)
    return _own_id(state, owner, value) if key in ID_FIELDS and isinstance(value, str) else value


def outward(state: State, owner: str, host: str, text: str) -> str:
    """Exchange, in what MLflow answers, its own ids and places for Azure ML's."""

    def name(found: re.Match[str]) -> str:
        known = state.get(_name_id(owner, found[0]))
        return str(known["job"]) if known else found[0]

    below = f"azureml://{host}/mlflow/v2.0{owner}/experiments"
    return ARTIFACT_URI.sub(rf"{below}/\1/runs/\2/artifacts", OWN_ID.sub(name, text))


def run_id(owner: str, job: str) -> str:
    """Give the id of what the state keeps of a job's run."""
    return f"{owner}/mlflow/runs/{job}"


def milliseconds() -> int:
    """Give this moment as MLflow counts."""
    return int(time.time() * 1000)


def _own_id(state: State, owner: str, id: str) -> str:
    known = state.get(run_id(owner, id)) if id else None
    return str(known["run_id"]) if known else id


def _name_id(owner: str, own_id: str) -> str:
    return f"{owner}/mlflow/names/{own_id}"


def _experiment(world: World, owner: str, name: str) -> str:
    """Give the id of an experiment, which is made where it is not there."""
    asked = {"experiment_name": name}
    found = tracking.ask(world, owner, "GET", "experiments/get-by-name", params=asked)
    if found.status_code == 200:
        return str(found.json()["experiment"]["experiment_id"])
    made = tracking.ask(world, owner, "POST", "experiments/create", json={"name": name})
    if made.status_code == 200:
        return str(made.json()["experiment_id"])
    # Two jobs of a new experiment may begin at once.
    found = tracking.ask(world, owner, "GET", "experiments/get-by-name", params=asked)
    return str(found.raise_for_status().json()["experiment"]["experiment_id"])


def _asked(world: World, owner: str, route: str, body: dict[str, Any]) -> dict[str, Any]:
    answer = tracking.ask(world, owner, "POST", route, json=body)
    return dict(answer.raise_for_status().json())
