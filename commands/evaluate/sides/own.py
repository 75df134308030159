"""Sides of the own-GPU route: models and checkpoints on a node, and what the endpoint serves."""

from typing import Any

from commands.evaluate.asked import Asked, OnNode
from commands.evaluate.sides import overfits
from commands.evaluate.sides.places import OwnModel, Places, live
from commands.evaluate.sides.prices import UNTRAINED, on_azure, own_deployment, own_training
from commands.models.price import paid_for
from core.errors import CloudError, PrerequisiteError, UserError
from core.refs import ModelRef
from deploy.access import open_access
from deploy.endpoint import DeploymentState
from evaluation.cases import fingerprint
from evaluation.sides import Price, Side
from training.artifacts import output_folder
from training.evaluating import NodeSide
from training.exporting import EXPORT, EXPORTED_FROM
from training.jobs import find_job
from training.kept_orders import KeptOrder, read_order, whole_steps
from training.model_files import model_folder, model_manifest
from training.models import is_export

ROUTE = "azureml"
BASE_EXPORT = "base"
"""The export that holds the base model's plain weights."""


def model_side(places: Places, name: str, model: OwnModel) -> Asked:
    """Have a registered model answer on a node.

    Raises:
        UserError: it is an export, which answers where it is deployed alone.
    """
    ref = f"{model['name']}:{model['version']}"
    if is_export(model) and model["tags"].get(EXPORT) != BASE_EXPORT:
        raise _answers_deployed(places, ref, model)
    manifest = model_manifest(model_folder(places.session.cloud, places.session.outputs, model))
    side = Side(
        name=name,
        model=ref,
        role="base" if is_export(model) else "tuned",
        route=ROUTE,
        where="node",
        identity={
            "scope": places.scope,
            "model": ref,
            "job": str(model["tags"].get("job", "")),
            "created": model["created"],
            "weights": _weights(manifest),
        },
        price=UNTRAINED if is_export(model) else own_training(places.session, model),
        overfit=overfits.from_manifest(manifest),
    )
    return Asked(side, OnNode(NodeSide(name, training_job(places, model), "model", model=ref)))


def base_side(places: Places, name: str, job: str) -> Asked:
    """Have the base model of a training answer on a node.

    Raises:
        UserError: the job's order was not kept.
    """
    kept = read_order(places.session.cloud, places.session.outputs, job)
    base = kept.recipe.base
    side = Side(
        name=name,
        model=base.id,
        role="base",
        route=ROUTE,
        where="node",
        identity={
            "scope": places.scope,
            "base": fingerprint(base.model_dump(mode="json")),
            "weights": kept.base_model,
            # A random base is made by the seed, its tokenizer and template by the texts.
            "data": kept.train.sha256,
            "seed": str(kept.recipe.training.seed),
        },
        price=UNTRAINED,
    )
    return Asked(side, OnNode(NodeSide(name, job, "base")))


def checkpoint_side(places: Places, name: str, job: str, step: int) -> Asked:
    """Have a kept checkpoint of a run answer on a node.

    Raises:
        UserError: the job, its order or the checkpoint is not there; lists what is.
    """
    cloud, outputs = places.session.cloud, places.session.outputs
    entity, kept = find_job(cloud, outputs, job), read_order(cloud, outputs, job)
    run = kept.place.run or job
    steps = whole_steps(cloud, outputs, run)
    if step not in steps:
        told = ", ".join(map(str, steps)) or "none"
        raise UserError(
            f"{name}: no whole checkpoint of step {step} is kept; kept are {told}.",
            hint=f"tunestack jobs show {job} {places.on}",
        )
    judged = None
    if kept.recipe.objective == "sft":
        report = output_folder(cloud, outputs, entity, "report").read("metrics.json")
        judged = overfits.from_report(report, step)
    side = Side(
        name=name,
        model=f"{job}@{step}",
        role="checkpoint",
        route=ROUTE,
        where="node",
        identity={"scope": places.scope, "run": run, "job": job, "step": str(step)},
        price=_run_price(places, kept),
        overfit=judged,
    )
    return Asked(side, OnNode(NodeSide(name, job, "checkpoint", step=step)))


def deployed_model_side(places: Places, name: str, model: OwnModel) -> Asked:
    """Ask a registered model where it is deployed.

    Raises:
        PrerequisiteError: it is not.
    """
    ref = f"{model['name']}:{model['version']}"
    if (deployment := places.deployed(ref)) is None:
        raise PrerequisiteError(
            f"{name}: {ref} is not deployed.", hint=f"tunestack deploy --model {ref} {places.on}"
        )
    return deployment_side(places, name, deployment)


def deployed_base_side(places: Places, name: str, model: OwnModel) -> Asked:
    """Ask the deployed base model of a tuned one.

    Raises:
        PrerequisiteError: none is deployed, or another model's.
    """
    deployment = places.endpoint.serving("base") if places.endpoint else None
    wanted = _base_of(model)
    if deployment is not None:
        served = _registered(places, deployment.model)
        if served is not None and _base_of(served) == wanted:
            return deployment_side(places, name, deployment)
    told = f"; {deployment.name} serves {deployment.model}" if deployment else ""
    raise PrerequisiteError(
        f"{name}: the base model {wanted[0]} is not deployed{told}.",
        hint=f"tunestack deploy --model {model['name']}:{model['version']} --with-base {places.on}",
    )


def route_side(places: Places, name: str, side: str) -> Asked:
    """Ask what the endpoint serves as `tuned` or `base`.

    Raises:
        PrerequisiteError: nothing does.
    """
    deployment = places.endpoint.serving(side) if places.endpoint else None
    if deployment is None:
        more = " --with-base" if side == "base" else ""
        raise PrerequisiteError(
            f"{name}: nothing of the stack's endpoint answers as the {side} model.",
            hint=f"tunestack deploy{more} {places.on}",
        )
    return deployment_side(places, name, deployment)


def deployment_side(places: Places, name: str, deployment: DeploymentState) -> Asked:
    """Ask a deployment of the stack's endpoint."""
    session, state = places.session, places.endpoint
    assert state is not None
    model = _registered(places, deployment.model)
    is_base = deployment.serves == "base"
    training, judged = (UNTRAINED if is_base else Price()), None
    if model is not None and not is_base:
        trained = _trained(places, model)
        training = own_training(session, trained)
        manifest = model_manifest(model_folder(session.cloud, session.outputs, trained))
        judged = overfits.from_manifest(manifest)
    side = Side(
        name=name,
        model=(_base_of(model)[0] if model and is_base else "") or deployment.model,
        role=deployment.serves,
        route=ROUTE,
        where="endpoint",
        identity={
            "scope": places.scope,
            "endpoint": state.ref.name,
            "deployment": deployment.name,
            "created": deployment.created,
            "model": deployment.model,
            "runtime": deployment.runtime,
        },
        price=own_deployment(session, deployment, training),
        overfit=judged,
    )
    ref = state.ref
    opened = live(lambda: open_access(session.cloud, session.outputs, ref), deployment.name)
    return Asked(side, opened)


def training_job(places: Places, model: OwnModel) -> str:
    """Name the job that trained a model, or the one that an export was made of."""
    return str(_trained(places, model)["tags"].get("job", ""))


def _trained(places: Places, model: OwnModel) -> OwnModel:
    """Give the tuned model that an export was made of, or the model itself."""
    source = model["tags"].get(EXPORTED_FROM)
    return places.own_model(ModelRef.parse(source)) if source else model


def _registered(places: Places, ref: str) -> OwnModel | None:
    """Give a deployment's model; None where somebody deleted it since."""
    try:
        return places.own_model(ModelRef.parse(ref)) if ref else None
    except CloudError:
        raise
    except UserError:
        return None


def _base_of(model: OwnModel) -> tuple[str, str]:
    return str(model["tags"].get("base", "")), str(model["tags"].get("base_revision", ""))


def _weights(manifest: dict[str, Any]) -> str:
    """Name weights, tokenizer and template by their content; empty where nobody hashed them."""
    files = manifest.get("files_sha256")
    return fingerprint(files) if files else ""


def _run_price(places: Places, kept: KeptOrder) -> Price:
    """Give what the run up to this job has cost: a checkpoint has no price of its own."""
    if places.session.is_rehearsal:
        return on_azure(places.session, kept.job)
    paid = paid_for(places.session, kept.job)
    if paid is None:
        return Price()
    return Price(training_usd=paid.usd, training_source=f"the whole run: {paid.source}")


def _answers_deployed(places: Places, ref: str, model: OwnModel) -> UserError:
    kind = model["tags"].get(EXPORT, "")
    deployment = places.deployed(ref)
    return UserError(
        f"{ref} is an export ({kind}) of {model['tags'].get(EXPORTED_FROM)}: it answers where it is"
        " deployed, not on a node.",
        hint=f"It is deployed as endpoint/{deployment.name}: name that, or add --live."
        if deployment
        else f"tunestack deploy --model {ref} {places.on}; then add --live, or name"
        " endpoint/DEPLOYMENT.",
    )
