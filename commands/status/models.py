"""The models of a stack as its page shows them: where each serves, and how it was evaluated."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any

from commands.evaluate.keeping import find_kept, sides_of
from commands.jobs.listing import by_time
from commands.session import Session
from commands.status.reading import Reader
from training.managed.contract import TuningService
from training.managed.services import services
from training.models import list_models

if TYPE_CHECKING:
    from evaluation.results import Evaluation

Document = dict[str, Any]

MOST = 20
"""Models on a page."""
AT_ONCE = 8


def models(session: Session, reader: Reader) -> list[Document]:
    """List the newest models of every route, each with the outcome of its last evaluation."""
    found = reader.read(
        "models", "models of the registry", partial(_own, session), list[Document]()
    )
    for service in services(session.cloud, session.outputs):
        what = f"models of the route {service.route}"
        found += reader.read("models", what, partial(_managed, service), list[Document]())
    newest = sorted(found, key=by_time, reverse=True)[:MOST]

    def evaluated(model: Document) -> Document:
        name = f"{model['name']}:{model['version']}"
        ask = partial(_evaluation, session, name)
        return {**model, "evaluation": reader.read("models", f"evaluation of {name}", ask, None)}

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(evaluated, newest))


def with_places(found: list[Document], answers: Sequence[Mapping[str, Any]]) -> list[Document]:
    """Add to each model the deployments that serve it, or a checkpoint of it."""
    return [
        {**model, "serves": [one["name"] for one in answers if _is_of(model, one)]}
        for model in found
    ]


def outcome(found: "Evaluation", model: str) -> Document:
    """Say what an evaluation found of a model against its reference, metric by metric."""
    side = sides_of(found, model)[0]
    judged: dict[str, list[str]] = {"better": [], "worse": [], "alike": [], "too few": []}
    for metric in found.metrics:
        if metric.better and side in metric.differences:
            judged[metric.differences[side].judgement].append(metric.title)
    return {
        "made": found.made,
        "suite": found.suite.name,
        "against": found.sides[0].name,
        "cases": len(found.cases),
        **judged,
    }


def _evaluation(session: Session, model: str) -> Document | None:
    found = find_kept(session, model)
    return outcome(found, model) if found else None


def _is_of(model: Document, answer: Mapping[str, Any]) -> bool:
    """Compare by `name:version`, and by what services call a model, which has no version."""
    if answer["serves"] != "tuned":
        return False
    name, served = model["name"], str(answer["model"])
    is_versioned = served == f"{name}:{model['version']}"
    is_managed = model["route"] != "azureml" and served.partition(":")[0] == name
    return is_versioned or is_managed


def _own(session: Session) -> list[Document]:
    return [{"route": "azureml", **one} for one in list_models(session.cloud, session.outputs)]


def _managed(service: TuningService) -> list[Document]:
    return [{"route": service.route, **one.document()} for one in service.models()]
