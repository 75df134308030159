"""How much worse a training left a model on what it has not seen, as far as its losses tell."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from core.overfit import NEAR, band, ratio
from evaluation.sides import Overfit


def from_manifest(manifest: Mapping[str, Any]) -> Overfit | None:
    """Read the verdict that a job wrote beside the weights; None where it wrote none."""
    found = manifest.get("overfit")
    if not isinstance(found, dict) or not found.get("band"):
        return None
    return Overfit(ratio=found.get("ratio"), band=str(found["band"]))


def from_report(report: bytes | None, step: int) -> Overfit | None:
    """Judge a checkpoint by what its job logged; None where nothing was measured at its step."""
    try:
        logged = json.loads(report or b"{}")
    except ValueError:
        return None
    return from_points([*(logged.get("curve") or []), *(logged.get("evaluations") or [])], step)


def from_points(points: Iterable[Mapping[str, Any]], step: int | None = None) -> Overfit | None:
    """Judge by losses per token: `loss` and `eval_loss` at steps. Without `step`, the last."""
    known = sorted(points, key=lambda point: point["step"])
    unseen = {point["step"]: point["eval_loss"] for point in known if "eval_loss" in point}
    at = max(unseen, default=None) if step is None else step
    if at not in unseen or not at:
        return None
    near = [point["loss"] for point in known if "loss" in point and point["step"] <= at][-NEAR:]
    found = ratio(unseen[at], sum(near) / len(near)) if near else None
    return None if found is None else Overfit(ratio=found, band=band(found))
