"""MLflow's logging calls: metrics with their whole history, parameters, tags and inputs."""

import math
import time
import uuid
from typing import Any

from local.ml.mlflow import INVALID, Fault, row, run_of
from local.ml.runs import METRIC, metrics_of, put_run
from local.operations import Call
from local.state import Document

WRITE = "experiments/runs/write"
READ = "experiments/runs/read"


@row("POST", "runs/log-metric", WRITE)
def log_metric(call: Call, owner: str) -> dict[str, Any]:
    """Add a value to a metric."""
    run = run_of(call, owner, call.body)
    _add_metrics(call, owner, run, [call.body])
    return {}


@row("POST", "runs/log-parameter", WRITE)
def log_parameter(call: Call, owner: str) -> dict[str, Any]:
    """Set a parameter, once."""
    _change_run(call, owner, params=[call.body])
    return {}


@row("POST", "runs/set-tag", WRITE)
def set_tag(call: Call, owner: str) -> dict[str, Any]:
    """Set a tag."""
    _change_run(call, owner, tags=[call.body])
    return {}


@row("POST", "runs/log-batch", WRITE)
def log_batch(call: Call, owner: str) -> dict[str, Any]:
    """Log metrics, parameters and tags, all or none."""
    body = call.body
    with call.world.state.transaction():
        run = _change_run(call, owner, params=body.get("params") or [], tags=body.get("tags") or [])
        _add_metrics(call, owner, run, body.get("metrics") or [])
    return {}


@row("POST", "runs/log-inputs", WRITE, "kept and given back, not looked into")
def log_inputs(call: Call, owner: str) -> dict[str, Any]:
    """Note which data sets a run read."""
    with call.world.state.transaction():
        run = run_of(call, owner, call.body)
        run["inputs"] = [*run["inputs"], *(call.body.get("datasets") or [])]
        put_run(call.world.state, owner, run)
    return {}


@row("GET", "metrics/get-history", READ)
def get_history(call: Call, owner: str) -> dict[str, Any]:
    """Give every value of a metric."""
    run = run_of(call, owner, call.query)
    key = call.query.get("metric_key", "")
    return {"metrics": [m for m in _history(call, owner, run) if m["key"] == key]}


@row("GET", "metrics/get-history-bulk-interval", READ, "evenly thinned to max_results")
def get_history_in_bulk(call: Call, owner: str) -> dict[str, Any]:
    """Give a metric's values for plotting."""
    source = {"run_id": call.query.get("run_ids") or call.query.get("run_id") or ""}
    run = run_of(call, owner, source)
    key, most = call.query.get("metric_key", ""), int(call.query.get("max_results") or 1000)
    values = [m for m in _history(call, owner, run) if m["key"] == key]
    every = max(1, math.ceil(len(values) / most))
    run_id = run["info"]["run_id"]
    return {"metrics": [{**value, "run_id": run_id} for value in values[::every]]}


def _history(call: Call, owner: str, run: Document) -> list[Document]:
    return metrics_of(call.world.state, owner, run["info"]["run_id"])


def _add_metrics(call: Call, owner: str, run: Document, sent: list[dict[str, Any]]) -> None:
    below = f"{owner}/mlflow/runs/{run['info']['run_id']}/metrics"
    with call.world.state.transaction():
        for metric in sent:
            if not metric.get("key") or metric.get("value") is None:
                raise Fault(400, INVALID, "A metric needs a key and a value.")
            document = {
                "key": str(metric["key"]),
                "value": _plain(metric["value"]),
                "timestamp": int(metric.get("timestamp") or time.time() * 1000),
                "step": int(metric.get("step") or 0),
            }
            # Ordered by name where two were stored in the same instant.
            name = f"{time.monotonic_ns():020d}-{uuid.uuid4().hex[:6]}"
            call.world.state.put(f"{below}/{name}", METRIC, document)


def _plain(value: Any) -> float | str:
    """Give a number that JSON can carry; what it cannot, MLflow writes as text."""
    number = float(value)
    if math.isnan(number):
        return "NaN"
    if math.isinf(number):
        return "Infinity" if number > 0 else "-Infinity"
    return number


def _change_run(
    call: Call,
    owner: str,
    *,
    params: list[dict[str, Any]] | None = None,
    tags: list[dict[str, Any]] | None = None,
) -> Document:
    with call.world.state.transaction():
        run = run_of(call, owner, call.body)
        for param in params or []:
            key, value = str(param.get("key") or ""), str(param.get("value", ""))
            if run["params"].get(key, value) != value:
                raise Fault(400, INVALID, f"The parameter '{key}' is already logged otherwise.")
            run["params"][key] = value
        for tag in tags or []:
            run["tags"][str(tag.get("key") or "")] = str(tag.get("value", ""))
        put_run(call.world.state, owner, run)
    return run
