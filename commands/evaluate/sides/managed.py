"""Sides of the managed routes: their models answer where they are deployed, and nowhere else."""

import re
from typing import Literal

from commands.evaluate.asked import Asked
from commands.evaluate.sides import overfits
from commands.evaluate.sides.places import MOST_WORKERS, Places, live, newest
from commands.evaluate.sides.prices import UNTRAINED, managed_deployment, managed_training
from commands.managed.choosing import checkpoint_of
from commands.managed.undeploying import Pair
from core.errors import PrerequisiteError, UserError
from deploy.managed.contract import Hosted
from evaluation.sides import Overfit, Side
from training.managed.contract import ManagedJob, TunedModel, TuningService
from training.managed.following import figures
from training.managed.services import services

Serves = Literal["tuned", "base"]

CAPACITY_OF_A_WORKER = 10
"""Thousands of tokens a minute for each question at a time; else most of them would wait."""


def model_side(
    places: Places, name: str, service: TuningService, model: TunedModel, side: Serves
) -> Asked:
    """Ask a tuned model, or its base model, where it is deployed.

    Raises:
        PrerequisiteError: it is not; names the command.
    """
    wanted = model.base if side == "base" else model.path or model.ref.name
    pair = places.hosted(model.route, wanted, side)
    if pair is None:
        told = f"the base model {model.base}" if side == "base" else str(model.ref)
        more = " --with-base" if side == "base" else ""
        raise PrerequisiteError(
            f"{name}: {told} is not deployed, and nowhere else does a managed model answer.",
            hint=f"tunestack deploy --model {model.ref}{more} {places.on}",
        )
    return _asked(places, name, pair, service, model)


def checkpoint_side(
    places: Places, name: str, service: TuningService, job: ManagedJob, step: int
) -> Asked:
    """Ask a checkpoint of a managed job where it is deployed.

    Raises:
        UserError: there is no such checkpoint, or the job has no model yet.
        PrerequisiteError: it is not deployed; names the command.
    """
    model = _model_of(places, name, service, job)
    wanted = checkpoint_of(places.session, service, model, step)
    pair = places.hosted(model.route, wanted, "tuned")
    if pair is None:
        raise PrerequisiteError(
            f"{name}: the checkpoint {wanted} is not deployed.",
            hint=f"tunestack deploy --model {model.ref} --checkpoint {step} {places.on}",
        )
    return _asked(places, name, pair, service, model, step)


def base_side(places: Places, name: str, service: TuningService, job: ManagedJob) -> Asked:
    """Ask the base model of a managed job where it is deployed.

    Raises:
        UserError: the job has no model yet.
        PrerequisiteError: the base is not deployed; names the command.
    """
    return model_side(places, name, service, _model_of(places, name, service, job), "base")


def route_side(places: Places, name: str, route: str, side: str) -> Asked:
    """Ask what a route serves as `tuned` or `base`: the newest that is ready.

    Raises:
        PrerequisiteError: nothing does; says what stands and is not ready.
    """
    those = [pair for pair in places.managed if (pair[0].route, pair[1].serves) == (route, side)]
    pair = newest([pair for pair in those if pair[1].is_ready])
    if pair is None:
        states = ", ".join(f"{one.name} is {one.state}" for _, one in those)
        more = " --with-base" if side == "base" else ""
        raise PrerequisiteError(
            f"{name}: nothing answers as the {side} model{f' ({states})' if states else ''}.",
            hint=f"tunestack deploy{more} {places.on}",
        )
    return deployment_side(places, name, pair)


def deployment_side(places: Places, name: str, pair: Pair) -> Asked:
    """Ask a managed deployment, whosever model it is."""
    hosted = pair[1]
    for service in services(places.session.cloud, places.session.outputs):
        if service.route != hosted.route or hosted.serves == "base":
            continue
        for model in service.models():
            own = model.path or model.ref.name
            if hosted.is_of(own, "tuned") or hosted.model.startswith(f"{own}:"):
                return _asked(places, name, pair, service, model, _step(hosted))
    return _asked(places, name, pair, None, None)


def _asked(
    places: Places,
    name: str,
    pair: Pair,
    service: TuningService | None,
    model: TunedModel | None,
    step: int | None = None,
) -> Asked:
    hosting, hosted = pair
    outputs = places.session.outputs
    account = outputs.ai_account if hosted.route == "openai" else outputs.project
    is_tuned = hosted.serves == "tuned"
    job = service.job(model.job) if service and model and model.job and is_tuned else None
    training = managed_training(places.session, job) if is_tuned else UNTRAINED
    base = model.base if model else plain(hosted.model)
    side = Side(
        name=name,
        model=_told(hosted, model, step),
        role="checkpoint" if step is not None and is_tuned else hosted.serves,
        route=hosted.route,
        where="endpoint",
        identity={
            "scope": places.scope,
            "account": account,
            "deployment": hosted.name,
            "created": hosted.created,
            "model": hosted.model,
            "filter": hosted.content_filter,
        },
        price=managed_deployment(hosted, base, training),
        overfit=_overfit(service, job, step) if service and job else None,
    )
    return Asked(side, live(lambda: hosting.access(hosted), workers=workers(hosted)))


def workers(hosted: Hosted) -> int:
    """Say how many questions at a time a deployment's limits allow."""
    if not hosted.capacity:
        return MOST_WORKERS
    return max(1, min(MOST_WORKERS, hosted.capacity // CAPACITY_OF_A_WORKER))


def plain(model: str) -> str:
    """Give the name in the id of a model that a registry or a project has."""
    found = re.search(r"/models/([^/]+)", model)
    return found[1] if found else model


def _told(hosted: Hosted, model: TunedModel | None, step: int | None) -> str:
    if hosted.serves == "base":
        return plain(hosted.model)
    return hosted.model if model is None or step is not None else str(model.ref)


def _model_of(places: Places, name: str, service: TuningService, job: ManagedJob) -> TunedModel:
    found = next((model for model in service.models() if model.job == job.name), None)
    if found is None:
        raise UserError(
            f"{name}: the job {job.name} is {job.status} and has no model.",
            hint=f"tunestack jobs show {job.name} {places.on}",
        )
    return found


def _step(hosted: Hosted) -> int | None:
    """Read the step in a checkpoint's name; None of a finished model."""
    found = re.search(r":ckpt-step-(\d+)$", hosted.model)
    return int(found[1]) if found else None


def _overfit(service: TuningService, job: ManagedJob, step: int | None) -> Overfit | None:
    """Judge by the service's losses; those of preferences have no bands."""
    if job.tags.get("method") == "dpo":
        return None
    return overfits.from_points([figures(row) for row in service.curve(job.name)], step)
