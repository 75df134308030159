"""The runs of a stack as its page shows them: newest first, with losses, verdict and cost."""

import math
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import groupby
from typing import Any

from commands.jobs.listing import by_time
from commands.managed.documents import job_document
from commands.session import Session
from commands.status.reading import Reader
from training.jobs import is_training, list_jobs
from training.managed.contract import TuningService
from training.managed.following import figures
from training.managed.services import services
from training.metrics import LOSSES, Tracking

Document = dict[str, Any]

MOST = 20
"""Runs on a page: each asks for its curves."""
AT_ONCE = 8


def runs(session: Session, reader: Reader) -> list[Document]:
    """List the newest training runs of every route, each with its losses by step."""
    found = services(session.cloud, session.outputs)
    jobs = reader.read("runs", "jobs of the workspace", partial(_own, session), list[Document]())
    for service in found:
        what = f"jobs of the route {service.route}"
        jobs += reader.read("runs", what, partial(_managed, service), list[Document]())
    newest = sorted(jobs, key=by_time, reverse=True)[:MOST]
    return _with_curves(session, reader, found, newest)


def judged(history: Sequence[Mapping[str, Any]], settings: Mapping[str, str]) -> Document | None:
    """Say by its losses whether a run was over-fit; None before it has been evaluated.

    `settings` are what the run tells of its recipe; of a managed one nothing, and what its
    service keeps is the last step.
    """
    curve = [dict(point) for point in history if "loss" in point]
    evaluations = [dict(point) for point in history if "eval_loss" in point]
    measured = [point for point in evaluations if point["step"] > 0]
    if not measured:
        return None
    from core.overfit import judge

    finite = [point for point in measured if math.isfinite(float(point["eval_loss"]))]
    best = min(finite or measured, key=lambda point: float(point["eval_loss"]))
    keeps_best = settings.get("training.keep") == "best"
    kept = best["step"] if keeps_best else measured[-1]["step"]
    verdict = judge(curve, evaluations, kept, settings.get("objective", "sft"))
    return {**verdict.as_dict(), "best_step": best["step"], "kept_step": kept}


def with_costs(found: list[Document], items: Sequence[Mapping[str, Any]]) -> list[Document]:
    """Add to each run how long it took and what it has cost, as `cost` counts it."""
    known = {item["name"]: item for item in items if item["kind"] in ("job", "tuning")}
    fields = ("hours", "usd", "estimate")
    return [
        {**run, **{name: known.get(run["name"], {}).get(name) for name in fields}} for run in found
    ]


def _own(session: Session) -> list[Document]:
    listed = list_jobs(session.cloud, session.outputs)
    return [{"route": "azureml", **job} for job in listed if is_training(job)]


def _managed(service: TuningService) -> list[Document]:
    return [job_document(job) for job in service.jobs()]


def _with_curves(
    session: Session, reader: Reader, found: Sequence[TuningService], jobs: list[Document]
) -> list[Document]:
    """Read the curves, every route's for itself: one that refuses hides no other's."""
    sources: dict[str, Any] = {service.route: partial(_service_curve, service) for service in found}
    curves: dict[str, Document] = {}
    for route, those in groupby(sorted(jobs, key=_route), _route):
        names = [job["name"] for job in those]
        is_own = route == "azureml"
        ask = partial(_own_curves, session) if is_own else partial(_at_once, sources[route])
        what = f"losses of the route {route}"
        curves |= reader.read("runs", what, partial(ask, names), dict[str, Document]())
    return [{**job, **curves.get(job["name"], {"history": [], "verdict": None})} for job in jobs]


def _own_curves(session: Session, names: list[str]) -> dict[str, Document]:
    tracking = Tracking(session.cloud, session.outputs)  # one for all: it asks where to ask

    def read(name: str) -> Document:
        points = [
            {"step": step, loss: value}
            for loss in LOSSES
            for step, value in tracking.curve(name, loss)
        ]
        history = sorted(points, key=lambda point: float(point["step"]))
        return {"history": history, "verdict": judged(history, tracking.settings(name))}

    return _at_once(read, names)


def _service_curve(service: TuningService, name: str) -> Document:
    shown = [figures(row) for row in service.curve(name)]
    history = [
        {key: row[key] for key in ("step", *LOSSES) if key in row} for row in shown if "step" in row
    ]
    return {"history": history, "verdict": judged(history, {})}


def _at_once(read: Any, names: list[str]) -> dict[str, Document]:
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return dict(zip(names, pool.map(read, names), strict=True))


def _route(job: Document) -> str:
    return str(job["route"])
