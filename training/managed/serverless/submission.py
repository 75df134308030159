"""Send a serverless fine-tuning job: data assets, subscription, then the job itself."""

import re
import time
import uuid
from decimal import Decimal
from typing import Any

from core.azure_errors import operation, quietly
from core.errors import CloudError, UserError
from core.managed_models import SERVERLESS, ServerlessOffer, serverless_offer
from core.managed_recipe import ServerlessRecipe
from core.marketplace import subscribe
from core.refs import JobRef
from training.assets import ensure_data
from training.managed.contract import TOKENS_TAG, ManagedOrder, Prepared, Tell
from training.managed.serverless.jobs import OUTPUT
from training.managed.serverless.project import Project
from training.submission import ESTIMATE_TAG, EXPERIMENT, job_ref

TASK = "chatCompletion"


def submit(project: Project, order: ManagedOrder, tell: Tell) -> JobRef:
    """Upload the files, each content once, and create the job; it then runs without us.

    Raises:
        UserError: hub projects do not tune the recipe's model.
        CloudError: Azure refused; `operation` says which step.
    """
    recipe = order.recipe
    assert isinstance(recipe, ServerlessRecipe)
    offer = serverless_offer(recipe.base.id)
    if offer is None:
        names = ", ".join(offer.name for offer in SERVERLESS)
        raise UserError(f"Hub projects do not tune {recipe.base.id}.", hint=f"One of {names}.")
    model = model_uri(project, offer, tell)
    subscribe(project.cloud.arm, project.path, offer.model_id, tell)
    train = _upload(project, "train", order.train, tell)
    validation = _upload(project, "validation", order.validation, tell)
    job = _job(recipe, order, model, train, validation)
    with operation("submit the serverless tuning job"), quietly():
        made = project.cloud.workspace(project.outputs).jobs.create_or_update(job)
    return job_ref(made)


def model_uri(project: Project, offer: ServerlessOffer, tell: Tell) -> str:
    """Give the registry's newest version of a model; the first where the registry is silent."""
    try:
        version = _newest(project, offer)
    except CloudError:
        told = f"The registry {offer.registry} does not tell its newest {offer.name}"
        tell(f"{told}: version {offer.version} is taken.")
        version = offer.version
    return f"{offer.model_id}/versions/{version}"


def job_tags(recipe: ServerlessRecipe, order: ManagedOrder) -> dict[str, str]:
    """Give what a job, and later its model, is to be known by."""
    tags = {
        "recipe": recipe.name,
        "model_name": recipe.model_name,
        "route": recipe.route,
        "base": recipe.base.id,
        "data_sha256": order.train.sha256,
        "validation_sha256": order.validation.sha256 if order.validation else "",
        ESTIMATE_TAG: "" if order.estimate is None else f"{order.estimate:.4f}",
        TOKENS_TAG: str(order.train.tokens * recipe.training.epochs),
    }
    return {key: value for key, value in tags.items() if value}


def hyperparameters(recipe: ServerlessRecipe) -> dict[str, str]:
    """Write the recipe's choices as the service takes them: texts, without an exponent."""
    chosen = recipe.training
    return {
        "num_train_epochs": str(chosen.epochs),
        "per_device_train_batch_size": str(chosen.batch_size),
        "learning_rate": f"{Decimal(str(chosen.learning_rate)):f}",
    }


def job_name(recipe: ServerlessRecipe) -> str:
    """Make a fresh name: jobs are events, so a clock and chance may name them."""
    stamp = time.strftime("%Y%m%d-%H%M%S", time.gmtime())
    start = re.sub(r"[^a-zA-Z0-9]+", "-", recipe.name).strip("-")[:40]
    return f"{start or 'tuning'}-{stamp}-{uuid.uuid4().hex[:6]}"


def _job(
    recipe: ServerlessRecipe, order: ManagedOrder, model: str, train: str, validation: str
) -> Any:
    """Make the SDK's job; its own `create_finetuning_job` fails where nothing validates."""
    from azure.ai.ml import Input, Output
    from azure.ai.ml.entities import CustomModelFineTuningJob

    name = job_name(recipe)
    return CustomModelFineTuningJob(
        name=name,
        display_name=name,
        experiment_name=EXPERIMENT,
        description=recipe.description,
        tags=job_tags(recipe, order),
        task=TASK,
        model=Input(type="mlflow_model", path=model),
        training_data=Input(type="uri_file", path=train),
        validation_data=Input(type="uri_file", path=validation) if validation else None,
        hyperparameters=hyperparameters(recipe),
        outputs={OUTPUT: Output(type="mlflow_model", name=recipe.model_name)},
    )


def _upload(project: Project, part: str, file: Prepared | None, tell: Tell) -> str:
    if file is None:
        return ""
    tell(f"{part}: {file.rows} examples, {file.bytes:,} bytes")
    name = f"tunestack-serverless-{part}"
    return ensure_data(project.cloud, project.outputs, name, file.path, file.sha256)


def _newest(project: Project, offer: ServerlessOffer) -> str:
    from azure.ai.ml import MLClient

    with operation(f"ask the registry {offer.registry} for {offer.name}"), quietly():
        client = MLClient(
            project.cloud.credential, registry_name=offer.registry, enable_telemetry=False
        )
        found = client.models.get(offer.name, label="latest")
    return str(found.version)
