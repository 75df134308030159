"""An order sent to Azure OpenAI: the files uploaded, the job created exactly once."""

import uuid
from collections.abc import Mapping
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from core.errors import UserError
from core.managed_recipe import TRAINING_TYPES, OpenAIRecipe
from training.managed.contract import TOKENS_TAG, ManagedOrder, Tell
from training.managed.money import expected_epochs
from training.managed.openai.client import Api
from training.managed.openai.files import ensure_file
from training.managed.openai.jobs import OURS, list_jobs
from training.managed.openai.refusals import asking
from training.submission import ESTIMATE_TAG

if TYPE_CHECKING:
    from openai.types.fine_tuning import FineTuningJob

ORDER = "tunestack-order"
"""Among a job's metadata: tells one submission from another of the same recipe and file."""


def submit(api: Api, order: ManagedOrder, tell: Tell) -> "FineTuningJob":
    """Upload the files and create exactly one job.

    Raises:
        UserError: the service cannot read a file.
        CloudError: Azure refused, or did not say whether there is a job now.
    """
    train = ensure_file(api, order.train, tell)
    validation = ensure_file(api, order.validation, tell) if order.validation else ""
    body = job_body(order, train, validation)
    known = {job.id for job in list_jobs(api)}
    return api.make_once(
        lambda: _create(api, body),
        lambda: next((job for job in list_jobs(api) if _is_made_by(job, body, known)), None),
    )


def job_body(order: ManagedOrder, train: str, validation: str) -> dict[str, Any]:
    """Write the arguments of `fine_tuning.jobs.create`; what the service decides is left out."""
    recipe = _recipe(order)
    body: dict[str, Any] = {
        "model": recipe.base.id,
        "training_file": train,
        "method": _method(recipe),
        "metadata": _metadata(order, recipe),
        "extra_body": {"trainingType": TRAINING_TYPES[recipe.tier]},
    }
    chosen = {
        "validation_file": validation or None,
        "suffix": recipe.suffix or None,
        "seed": recipe.training.seed,
    }
    return body | {name: value for name, value in chosen.items() if value is not None}


def _recipe(order: ManagedOrder) -> OpenAIRecipe:
    if isinstance(order.recipe, OpenAIRecipe):
        return order.recipe
    raise UserError(f"{order.recipe.name} is a recipe of the route {order.recipe.route}.")


def _method(recipe: OpenAIRecipe) -> dict[str, Any]:
    training = recipe.training
    chosen = {
        "n_epochs": training.epochs,
        "batch_size": training.batch_size,
        "learning_rate_multiplier": training.learning_rate_multiplier,
        "beta": training.beta,
    }
    # Azure's specification has no "auto": what is not sent, the service decides.
    parameters = {name: value for name, value in chosen.items() if value != "auto"}
    kind = "dpo" if recipe.objective == "dpo" else "supervised"
    return {"type": kind, kind: {"hyperparameters": parameters}}


def _metadata(order: ManagedOrder, recipe: OpenAIRecipe) -> dict[str, str]:
    """Say what made the job, in the tags of the own-GPU route; the service takes 16 of them."""
    tags = {
        OURS: version("tunestack"),
        ORDER: uuid.uuid4().hex,
        "recipe": recipe.name,
        "model_name": recipe.model_name,
        "method": recipe.objective,
        "tier": recipe.tier,
        "data_sha256": order.train.sha256,
        "data_rows": str(order.train.rows),
        TOKENS_TAG: str(order.train.tokens * expected_epochs(recipe, order.train.rows)),
        "validation_sha256": order.validation.sha256 if order.validation else "",
        ESTIMATE_TAG: "" if order.estimate is None else f"{order.estimate:.4f}",
    }
    return {name: value[:512] for name, value in tags.items() if value}


def _create(api: Api, body: dict[str, Any]) -> "FineTuningJob":
    with asking("create the fine-tuning job"):
        return api.careful.fine_tuning.jobs.create(**body)


def _is_made_by(job: "FineTuningJob", body: Mapping[str, Any], known: set[str]) -> bool:
    """Tell whether a job came of a request; of its metadata a service may have kept nothing."""
    if job.id in known:
        return False
    kept = job.metadata or {}
    if ORDER in kept:
        return kept[ORDER] == str(body["metadata"][ORDER])
    return job.training_file == str(body["training_file"])
