"""MLflow's REST API as Azure ML serves it: each call goes to the workspace's own MLflow server.

What is Azure's is done here: who may, which ids the runs of jobs have, that a job's run ends with
the job, and that artifacts are the job's files. Model registry and traces are not passed on.
"""

import json
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from local.ml.locations import artifacts_of
from local.ml.runs import inward, is_job_run, outward
from local.ml.workspace import PATH, TYPE, workspace
from local.operations import ML_API, Answer, Call, operation
from local.runner.tracking import ask

BASE = f"/mlflow/{{mlflow_version}}{PATH}/api/2.0/mlflow"

PASSED_ON = {
    "experiments/write": (
        ("POST", "experiments/create"),
        ("POST", "experiments/update"),
        ("POST", "experiments/set-experiment-tag"),
    ),
    "experiments/read": (
        ("GET", "experiments/get"),
        ("GET", "experiments/get-by-name"),
        ("GET", "experiments/search"),
        ("POST", "experiments/search"),
    ),
    "experiments/runs/write": (
        ("POST", "runs/create"),
        ("POST", "runs/log-metric"),
        ("POST", "runs/log-parameter"),
        ("POST", "runs/log-batch"),
        ("POST", "runs/log-inputs"),
        ("POST", "runs/set-tag"),
        ("POST", "runs/delete-tag"),
        ("POST", "runs/restore"),
    ),
    "experiments/runs/read": (
        ("GET", "runs/get"),
        ("POST", "runs/search"),
        ("GET", "metrics/get-history"),
        ("GET", "metrics/get-history-bulk-interval"),
    ),
    "experiments/runs/delete": (("POST", "runs/delete"),),
}
"""By right, as it follows `workspaces/`: the calls that MLflow's server answers."""


def _register(method: str, route: str, right: str) -> None:
    note = "answered by a real MLflow server"

    def passed_on(call: Call) -> Answer:
        return _pass_on(call, method, route)

    operation(method, f"{BASE}/{route}", host=ML_API, action=f"{TYPE}/{right}", note=note)(
        passed_on
    )


for _right, _calls in PASSED_ON.items():
    for _method, _route in _calls:
        _register(_method, _route, _right)


@operation(
    "POST",
    f"{BASE}/runs/update",
    host=ML_API,
    action=f"{TYPE}/experiments/runs/write",
    note="answered by a real MLflow server; a job's run ends with the job, not by this",
)
def update_run(call: Call) -> Answer:
    """Change a run's status, end or name."""
    owner = str(workspace(call)["id"])
    id = str(call.body.get("run_id") or call.body.get("run_uuid") or "")
    if is_job_run(call.world.state, owner, id):
        for key in ("status", "end_time"):
            call.body.pop(key, None)
    return _pass_on(call, "POST", "runs/update")


@operation(
    "GET",
    f"{BASE}/artifacts/list",
    host=ML_API,
    action=f"{TYPE}/experiments/runs/read",
    note="the files of the job that the run belongs to",
)
def list_artifacts(call: Call) -> Answer:
    """List the files of a run."""
    owner, path = str(workspace(call)["id"]), call.query.get("path") or ""
    id = str(call.query.get("run_id") or call.query.get("run_uuid") or "")
    found = ask(call.world, owner, "GET", "runs/get", params=_sent(call, owner)[0])
    if found.status_code != 200:
        return Answer(found.json(), found.status_code)
    if ".." in path.split("/"):
        message = f"The path '{path}' leads out of the run."
        return Answer({"error_code": "INVALID_PARAMETER_VALUE", "message": message}, 400)
    base = artifacts_of(call.world, owner, id).folder(call.world)
    root = json.loads(_outward(call, owner, found.text))["run"]["info"]["artifact_uri"]
    files = [
        {
            "path": str(entry.relative_to(base)),
            "is_dir": entry.is_dir(),
            **({} if entry.is_dir() else {"file_size": entry.stat().st_size}),
        }
        for entry in sorted((base / path).glob("*"))
    ]
    return Answer({"root_uri": root, "files": files})


def _pass_on(call: Call, method: str, route: str) -> Answer:
    owner = str(workspace(call)["id"])
    params, body = _sent(call, owner)
    sent: dict[str, Any] = {"params": params} if method == "GET" else {"json": body}
    answer = ask(call.world, owner, method, route, **sent)
    text = _outward(call, owner, answer.text)
    return Answer(json.loads(text) if text else {}, answer.status_code)


def _outward(call: Call, owner: str, text: str) -> str:
    return outward(call.world.state, owner, call.headers.get("host", ""), text)


def _sent(call: Call, owner: str) -> tuple[list[tuple[str, str]], dict[str, Any]]:
    """Give the query and the body as MLflow's server knows the runs."""
    state = call.world.state
    query = parse_qsl(urlsplit(str(call.request.url)).query, keep_blank_values=True)
    return (
        [(key, inward(state, owner, value, key)) for key, value in query],
        inward(state, owner, call.body),
    )
