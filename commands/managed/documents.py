"""Managed jobs and models as documents, in the form that those of a cluster have."""

from typing import Any

from training.managed.contract import Checkpoint, ManagedJob
from training.managed.following import figures

Document = dict[str, Any]


def job_document(job: ManagedJob) -> Document:
    """Give what is worth showing of a job."""
    return {
        **job.ref().model_dump(),
        "route": job.route,
        "created": job.created,
        "finished": job.finished,
        "compute": "",
        "service_status": job.service_status,
        "base": job.base,
        "tuned": job.tuned,
        "trained_tokens": job.trained_tokens,
        "are_tokens_estimated": job.are_tokens_estimated,
        "error": job.error,
        "tags": dict(job.tags),
    }


def checkpoint_document(checkpoint: Checkpoint) -> Document:
    """Give what is worth showing of a checkpoint; its name is what `deploy` takes."""
    return {
        "name": checkpoint.model,
        "step": checkpoint.step,
        "created": checkpoint.created,
        "id": checkpoint.id,
        "metrics": {"step": checkpoint.step, **figures(checkpoint.metrics)},
    }


def curve_ends(curve: list[dict[str, float]]) -> Document:
    """Give the first, last and best point of each loss, as for a job on a cluster."""
    found: Document = {}
    history = [figures(row) for row in curve]
    for name in ("loss", "eval_loss"):
        points = [{"step": int(row["step"]), "value": row[name]} for row in history if name in row]
        if points:
            best = min(points, key=lambda point: point["value"])
            found[name] = {"first": points[0], "last": points[-1], "best": best}
    return found
