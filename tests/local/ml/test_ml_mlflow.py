"""MLflow tracking through mlflow's own client, as a job uses it."""

import math
import os
import re
import subprocess
import sys
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
from azure.core.exceptions import HttpResponseError
from azure.storage.blob import BlobClient
from ml_stack import Stack


@pytest.fixture
def client(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> Any:
    from mlflow.tracking import MlflowClient

    token = stack.ml._credential.get_token("https://ml.azure.com/.default").token
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", token)
    return MlflowClient(f"https://eastus2.api.azureml.ms/mlflow/v2.0{stack.workspace['id']}")


def test_what_a_run_logs_is_read_back(client: Any) -> None:
    from mlflow.entities import Metric, Param, RunTag

    name = f"experiment-{uuid.uuid4().hex[:6]}"
    experiment = client.create_experiment(name)
    assert client.get_experiment_by_name(name).experiment_id == experiment
    assert client.get_experiment_by_name(f"{name}-not") is None
    run = client.create_run(experiment, run_name="first").info.run_id
    values = [Metric("loss", 3.0 - step, 1000 + step, step) for step in range(3)]
    client.log_batch(run, values, [Param("rate", "0.1")], [RunTag("kind", "test")])
    client.log_metric(run, "odd", math.nan)
    client.set_tag(run, "more", "yes")
    client.set_terminated(run)

    data = client.get_run(run).data
    assert data.metrics["loss"] == 1.0 and math.isnan(data.metrics["odd"])
    assert data.params == {"rate": "0.1"}
    assert (data.tags["kind"], data.tags["more"]) == ("test", "yes")
    assert [(m.step, m.value) for m in client.get_metric_history(run, "loss")] == [
        (0, 3.0),
        (1, 2.0),
        (2, 1.0),
    ]
    assert client.get_run(run).info.status == "FINISHED"


def test_runs_are_found_by_what_they_logged(client: Any) -> None:
    experiment = client.create_experiment(f"search-{uuid.uuid4().hex[:6]}")
    runs = [client.create_run(experiment).info.run_id for _ in range(3)]
    for number, run in enumerate(runs):
        client.log_metric(run, "loss", number)
        client.log_param(run, "which", f"r{number}")
    found = client.search_runs([experiment], "metrics.loss >= 1 and params.which != 'r2'")
    assert [run.info.run_id for run in found] == [runs[1]]
    client.delete_run(runs[1])
    assert {run.info.run_id for run in client.search_runs([experiment])} == {runs[0], runs[2]}


def test_a_parameter_does_not_change_and_a_run_must_be_there(client: Any) -> None:
    from mlflow.exceptions import MlflowException

    run = client.create_run(client.create_experiment(f"e-{uuid.uuid4().hex[:6]}")).info.run_id
    client.log_param(run, "rate", "1")
    with pytest.raises(MlflowException, match="already logged"):
        client.log_param(run, "rate", "2")
    with pytest.raises(MlflowException, match="nothing not found"):
        client.log_metric("nothing", "loss", 1.0)


FLUENT = """
import mlflow

mlflow.set_experiment("fluent")
with mlflow.start_run() as run:
    mlflow.log_params({"a": 1})
    mlflow.log_metrics({"loss": 0.5}, step=2)
print(run.info.run_id)
"""


def test_the_fluent_api_logs_to_the_same_place(stack: Stack, client: Any) -> None:
    """In a process of its own: the fluent API keeps its address and experiment for good."""
    environment = {**os.environ, "MLFLOW_TRACKING_URI": client.tracking_uri}
    child = [sys.executable, "-c", FLUENT]
    said = subprocess.run(child, env=environment, check=True, capture_output=True, text=True)
    run = next(line for line in said.stdout.splitlines() if re.fullmatch(r"[0-9a-f-]+", line))
    read = stack.tracking(f"runs/get?run_id={run}")["run"]
    assert read["data"]["metrics"][0]["value"] == 0.5


def test_a_tracking_server_that_is_killed_comes_back_with_what_was_logged(
    stack: Stack, client: Any
) -> None:
    run = client.create_run(client.create_experiment(f"kept-{uuid.uuid4().hex[:6]}")).info.run_id
    client.log_metric(run, "loss", 0.25)
    servers = [
        process
        for process in psutil.process_iter(["cmdline"])
        if any(str(part).endswith("mlflow_server.py") for part in process.info["cmdline"] or [])
        and any(str(stack.folder) in str(part) for part in process.info["cmdline"])
    ]
    assert len(servers) == 1
    servers[0].kill()
    psutil.wait_procs(servers, timeout=10)
    assert client.get_run(run).data.metrics == {"loss": 0.25}


def test_the_run_of_a_job_has_the_jobs_name_for_an_id(
    stack: Stack, client: Any, code: Callable[..., Path]
) -> None:
    job = stack.submit(code(x=""), "true")
    assert stack.ended(job.name).status == "Completed"
    run = client.get_run(job.name)
    assert (run.info.run_id, run.info.status) == (job.name, "FINISHED")
    place = (
        f"{stack.workspace['id']}/experiments/{run.info.experiment_id}/runs/{job.name}/artifacts"
    )
    assert run.info.artifact_uri == f"azureml://eastus2.api.azureml.ms/mlflow/v2.0{place}"
    found = client.search_runs([run.info.experiment_id], f"attributes.run_id = '{job.name}'")
    assert [one.info.run_id for one in found] == [job.name]
    client.log_metric(job.name, "late", 1.0)
    client.set_terminated(job.name, "KILLED")
    again = client.get_run(job.name)
    assert (again.info.status, again.data.metrics) == ("FINISHED", {"late": 1.0})


def test_a_file_that_a_run_logs_lies_beside_the_jobs_logs(
    stack: Stack, code: Callable[..., Path]
) -> None:
    """As azureml-mlflow does it: an empty place, a write by its signature, a list, a read."""
    job = stack.submit(code(x=""), "true")
    assert stack.ended(job.name).status == "Completed"
    base = f"https://eastus2.api.azureml.ms/history/v1.0{stack.workspace['id']}"
    files = f"{base}/experimentids/1/runs/{job.name}/artifacts"
    asked = {"paths": [{"path": "report/curve.png"}]}
    made = stack.group.arm.post(f"{files}/batch/metadata", "v1.0", asked) or {}
    place = made["artifactContentInformation"]["report/curve.png"]["contentUri"]
    BlobClient.from_blob_url(place).upload_blob(b"a picture")
    assert (stack.artifacts(job.name) / "report" / "curve.png").read_bytes() == b"a picture"
    listed = stack.group.arm.get(files, "v1.0") or {}
    assert "report/curve.png" in [one["path"] for one in listed["value"]]
    found = stack.group.arm.get(f"{files}/contentinfo?path=report/curve.png", "v1.0") or {}
    reader = BlobClient.from_blob_url(found["contentUri"])
    assert reader.download_blob().readall() == b"a picture"
    with pytest.raises(HttpResponseError, match="not to write"):
        reader.upload_blob(b"another", overwrite=True)
