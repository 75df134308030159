"""Registered models: made from a job's output once, and known by what went into them."""

import json
from dataclasses import dataclass
from typing import Any

from core.azure_errors import operation
from core.cloud import Cloud
from core.errors import UserError
from core.refs import ModelRef, StackOutputs
from training.artifacts import output_folder
from training.jobs import find_job
from training.model_files import MANIFEST
from training.submission import EXPERIMENT, job_ref

FROM_JOB = ("recipe", "method", "base", "base_revision", "data_sha256", "validation_sha256")
FROM_MANIFEST = (
    "fingerprint", "base_revision", "code_sha256", "parameters", "seed", "world_size", "steps",
    "kept_step", "train_loss", "eval_loss",
)  # fmt: skip
FROM_METRICS = ("tokens", "tokens_per_second", "seconds")
FROM_MACHINE = ("python", "torch", "torch_cuda", "driver", "gpus")
FROM_CHECKPOINT = "from_checkpoint"
"""On a version that is not what its job left: `JOB@STEP`, of which it was made afterwards."""
TAG_LENGTH = 250
"""Characters of a tag's value, and 50 tags at most: Azure documents both for runs (1,000 and 50,
learn.microsoft.com, resource-limits-capacity) and neither for models. The manifest has it whole."""


@dataclass(frozen=True)
class Paid:
    """What the run of a model has cost."""

    usd: float
    source: str
    """How that comes about: nodes, hours, and whose price it is."""


def register(
    cloud: Cloud, outputs: StackOutputs, job_name: str, paid: Paid | None = None
) -> ModelRef:
    """Register what a completed job made; the second time, give the same version.

    `paid` is kept with it; None where it is not known.

    Raises:
        UserError: the job has not completed, is no training job, or left no model.
    """
    from azure.ai.ml.entities import Model

    job = find_job(cloud, outputs, job_name)
    tags = dict(job.tags or {})
    if "model_name" not in tags:
        raise UserError(f"{job_name} is no training job of tunestack.", hint="tunestack jobs list")
    status = job_ref(job).status
    if status != "Completed":
        raise UserError(
            f"The job {job_name} is {status}; a model is registered from a completed one.",
            hint=f"tunestack jobs logs {job_name} --follow",
        )
    known = made_by(cloud, outputs, tags["model_name"], job_name)
    if known:
        return known
    manifest = read_manifest(cloud, outputs, job)
    with operation(f"register the model {tags['model_name']}"):
        made = cloud.workspace(outputs).models.create_or_update(
            Model(
                name=tags["model_name"],
                path=f"azureml://jobs/{job_name}/outputs/model",
                type="custom_model",
                description=f"Tuned by {EXPERIMENT}, job {job_name}",
                tags=model_tags(job_name, tags, manifest, paid),
            )
        )
    return ModelRef(name=str(made.name), version=str(made.version))


def read_manifest(cloud: Cloud, outputs: StackOutputs, job: Any) -> dict[str, Any]:
    """Read the manifest that the training program wrote beside the weights.

    Raises:
        UserError: there is none.
    """
    content = output_folder(cloud, outputs, job, "model").read(MANIFEST)
    if content is None:
        raise UserError(
            f"The job {job.name} left no model ({MANIFEST} is missing).",
            hint=f"tunestack jobs logs {job.name}",
        )
    return dict(json.loads(content))


def model_tags(
    job_name: str, job_tags: dict[str, str], manifest: dict[str, Any], paid: Paid | None = None
) -> dict[str, str]:
    """Give a model's tags: the job, what went in, what came out and what it cost."""
    tags = {key: job_tags[key] for key in FROM_JOB if key in job_tags}
    tags |= {"experiment": EXPERIMENT, "job": job_name}
    parts = (
        (manifest, FROM_MANIFEST),
        (manifest.get("metrics") or {}, FROM_METRICS),
        (manifest.get("machine") or {}, FROM_MACHINE),
    )
    for part, keys in parts:
        tags |= {key: _short(part[key]) for key in keys if part.get(key) not in (None, "", [])}
    if paid:
        tags |= {"price_usd": f"{paid.usd:.4f}", "price_source": paid.source}
    return {key: value[:TAG_LENGTH] for key, value in tags.items()}


def list_models(cloud: Cloud, outputs: StackOutputs, name: str = "") -> list[dict[str, Any]]:
    """List every version of the models that tunestack registered, newest first."""
    from azure.core.exceptions import ResourceNotFoundError

    models = cloud.workspace(outputs).models
    with operation("list the models"):
        try:
            names = [name] if name else sorted({str(model.name) for model in models.list()})
            versions = [model for each in names for model in models.list(name=each)]
        except ResourceNotFoundError:
            versions = []
    ours = [model for model in versions if (model.tags or {}).get("experiment") == EXPERIMENT]
    return sorted((describe_model(model) for model in ours), key=_by_time, reverse=True)


def find_model(cloud: Cloud, outputs: StackOutputs, wanted: ModelRef) -> dict[str, Any]:
    """Read a registered model; without a version, the newest; without a name, the newest tuned.

    Raises:
        UserError: there is none; names the command that lists them.
    """
    found = [
        model
        for model in list_models(cloud, outputs, wanted.name)
        if (not wanted.version or model["version"] == wanted.version)
        and (wanted.name or not is_export(model))
    ]
    if not found and not wanted.name:
        raise UserError("No model has been trained yet.", hint="tunestack train")
    if not found:
        told = str(wanted).removesuffix(":")
        raise UserError(f"There is no model {told}.", hint="tunestack models list")
    return found[0]


def is_export(model: dict[str, Any]) -> bool:
    """Tell whether a model was made from a tuned one, instead of by a training."""
    return bool(model["tags"].get("exported_from"))


def describe_model(model: Any) -> dict[str, Any]:
    """Give what is worth showing of a model, JSON-ready."""
    created = getattr(model.creation_context, "created_at", None)
    return {
        "name": str(model.name),
        "version": str(model.version),
        "created": created.isoformat(timespec="seconds") if created else "",
        "path": str(model.path or ""),
        "tags": dict(model.tags or {}),
    }


def made_by(cloud: Cloud, outputs: StackOutputs, name: str, job: str) -> ModelRef | None:
    """Find the version that a job left; None where there is none. One of a checkpoint it is not."""
    for model in list_models(cloud, outputs, name):
        if model["tags"].get("job") == job and FROM_CHECKPOINT not in model["tags"]:
            return ModelRef(name=name, version=model["version"])
    return None


def _by_time(model: dict[str, Any]) -> tuple[str, int]:
    return model["created"], int(model["version"]) if model["version"].isdigit() else 0


def _short(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return f"{value:.4f}" if isinstance(value, float) else str(value)
