"""What a job tracked with MLflow, and why it failed, read back over Azure ML's REST API.

Plain requests: the mlflow package alone would weigh more than all other dependencies.
"""

import math
from datetime import UTC, datetime
from typing import Any

from core.azure_errors import operation
from core.cloud import ML_SCOPE, Cloud
from core.errors import CloudError
from core.refs import StackOutputs

Point = tuple[int, float]

LOSSES = ("loss", "eval_loss")


def job_metrics(cloud: Cloud, outputs: StackOutputs, job: str) -> dict[str, float]:
    """Give the last value of each metric that a job has tracked; empty before the first."""
    found = Tracking(cloud, outputs).get("runs/get", run_id=job)
    metrics = ((found or {}).get("run") or {}).get("data", {}).get("metrics") or []
    return {str(metric["key"]): float(metric["value"]) for metric in metrics}


def metric_history(cloud: Cloud, outputs: StackOutputs, job: str, metric: str) -> list[Point]:
    """Give a metric's curve as (step, value), in the order of steps."""
    return Tracking(cloud, outputs).curve(job, metric)


def failure_reason(cloud: Cloud, outputs: StackOutputs, job: str) -> str:
    """Give the error that Azure ML noted for a run; empty where there is none."""
    found = Tracking(cloud, outputs).history(f"runs/{job}/details")
    error = ((found or {}).get("error") or {}).get("error") or {}
    return ": ".join(part for part in (error.get("code"), error.get("message")) if part)


def curve_summary(cloud: Cloud, outputs: StackOutputs, job: str) -> dict[str, Any]:
    """Give the first, last and best point of each loss that a job has tracked."""
    found, tracking = {}, Tracking(cloud, outputs)
    for metric in LOSSES:
        if points := tracking.curve(job, metric):
            finite = [point for point in points if math.isfinite(point[1])] or points
            best = min(finite, key=lambda point: point[1])
            ends = {"first": points[0], "last": points[-1], "best": best}
            found[metric] = {name: _point(*point) for name, point in ends.items()}
    return found


def _point(step: int, value: float) -> dict[str, float | None]:
    """Give a point JSON-ready: JSON has no word for what is no number."""
    return {"step": step, "value": value if math.isfinite(value) else None}


def run_times(
    cloud: Cloud, outputs: StackOutputs, job: str
) -> tuple[datetime | None, datetime | None]:
    """Give when a job's program began and ended; None for what has not come or is not told."""
    found = Tracking(cloud, outputs).history(f"runs/{job}/details") or {}
    return _moment(found.get("startTimeUtc")), _moment(found.get("endTimeUtc"))


def _moment(text: Any) -> datetime | None:
    try:
        found = datetime.fromisoformat(str(text))
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


class Tracking:
    """The workspace's run history and MLflow service."""

    def __init__(self, cloud: Cloud, outputs: StackOutputs) -> None:
        from azure.core import PipelineClient
        from azure.core.pipeline.policies import BearerTokenCredentialPolicy, RetryPolicy

        self._workspace = (
            f"/subscriptions/{outputs.subscription_id}/resourceGroups/{outputs.resource_group}"
            f"/providers/Microsoft.MachineLearningServices/workspaces/{outputs.workspace}"
        )
        self._client: Any = PipelineClient(
            "https://ml.azure.com",
            policies=[RetryPolicy(), BearerTokenCredentialPolicy(cloud.credential, ML_SCOPE)],
        )
        self._host = self._discover(cloud, outputs)

    def get(self, route: str, **parameters: Any) -> dict[str, Any] | None:
        """Call an MLflow route; None where it knows no such run or metric."""
        url = f"{self._host}/mlflow/v2.0{self._workspace}/api/2.0/mlflow/{route}"
        return self._read(url, {key: value for key, value in parameters.items() if value != ""})

    def curve(self, job: str, metric: str) -> list[Point]:
        """Give a metric's curve as (step, value), in the order of steps."""
        points: list[Point] = []
        page = ""
        while True:
            found = self.get(
                "metrics/get-history",
                run_id=job,
                metric_key=metric,
                max_results=1000,
                page_token=page,
            )
            points += [
                (int(point.get("step", 0)), float(point["value"]))
                for point in (found or {}).get("metrics") or []
            ]
            page = (found or {}).get("next_page_token") or ""
            if not page:
                return sorted(points, key=lambda point: point[0])

    def settings(self, job: str) -> dict[str, str]:
        """Give what a job has told of its recipe, by dotted path; empty before it has."""
        found = (self.get("runs/get", run_id=job) or {}).get("run") or {}
        told = (found.get("data") or {}).get("params") or []
        return {str(one["key"]): str(one["value"]) for one in told}

    def history(self, route: str) -> dict[str, Any] | None:
        """Call a run history route."""
        return self._read(f"{self._host}/history/v1.0{self._workspace}/{route}", {})

    def _discover(self, cloud: Cloud, outputs: StackOutputs) -> str:
        with operation("read the workspace"):
            workspace = cloud.workspace(outputs).workspaces.get(outputs.workspace)
        found = self._read(str(workspace.discovery_url), {})
        if not found or not found.get("api"):
            raise CloudError(f"The workspace {outputs.workspace} names no API host.")
        return str(found["api"]).rstrip("/")

    def _read(self, url: str, parameters: dict[str, Any]) -> dict[str, Any] | None:
        from azure.core.exceptions import HttpResponseError
        from azure.core.rest import HttpRequest

        with operation("read the job's run"):
            answer = self._client.send_request(HttpRequest("GET", url, params=parameters))
            answer.read()
            if answer.status_code == 404:
                return None
            if answer.status_code >= 400:
                raise HttpResponseError(response=answer)
        return dict(answer.json())
