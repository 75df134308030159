"""Exports as models: found again by what they were made from and by what, registered once."""

import json
from typing import Any

from core.azure_errors import operation
from core.cloud import Cloud
from core.errors import UserError
from core.refs import JobRef, ModelRef, StackOutputs
from training.artifacts import output_folder
from training.export_kinds import KINDS
from training.exporting import EXPORT, EXPORTED_FROM, PROGRAM, ExportOrder
from training.jobs import find_job, job_at_work
from training.model_files import MANIFEST
from training.models import TAG_LENGTH, Paid, list_models, made_by, register
from training.submission import EXPERIMENT, job_ref

FROM_MANIFEST = (
    "fingerprint",
    "recipe",
    "method",
    "base",
    "base_revision",
    "parameters",
    "weights",
)
FROM_EXPORT = ("source_sha256", "seconds", "peak_memory_mb")


def export_name(model: str, kind: str) -> str:
    """Give the name that an export of a model is registered under."""
    return f"{model}-{kind}"


def find_export(cloud: Cloud, outputs: StackOutputs, order: ExportOrder) -> ModelRef | None:
    """Find the version that the same program made of the same model; None where there is none."""
    name = export_name(order.source.name, order.kind.name)
    for model in list_models(cloud, outputs, name):
        if order.tags.items() <= model["tags"].items():
            return ModelRef(name=name, version=model["version"])
    return None


def find_export_job(cloud: Cloud, outputs: StackOutputs, order: ExportOrder) -> JobRef | None:
    """Find a job that makes, or has made, what is wanted: whoever left it comes back to it."""
    return job_at_work(cloud, outputs, order.tags)


def register_job(
    cloud: Cloud, outputs: StackOutputs, job_name: str, paid: Paid | None = None
) -> ModelRef:
    """Register what a completed job made, whether it trained or exported.

    Raises:
        UserError: as `register` and `register_export` do.
    """
    is_export = EXPORTED_FROM in (find_job(cloud, outputs, job_name).tags or {})
    return (register_export if is_export else register)(cloud, outputs, job_name, paid)


def register_export(
    cloud: Cloud, outputs: StackOutputs, job_name: str, paid: Paid | None = None
) -> ModelRef:
    """Register what a completed export job made; the second time, give the same version.

    Raises:
        UserError: the job is no export, has not completed, or left no manifest.
    """
    from azure.ai.ml.entities import Model

    job = find_job(cloud, outputs, job_name)
    asked = dict(job.tags or {})
    status = job_ref(job).status
    if EXPORTED_FROM not in asked or status != "Completed":
        raise UserError(
            f"The job {job_name} is no completed export (it is {status}).",
            hint=f"tunestack jobs logs {job_name} --follow",
        )
    kind = KINDS[asked[EXPORT]]
    manifest = _manifest(cloud, outputs, job)
    name = export_name(ModelRef.parse(asked[EXPORTED_FROM]).name, kind.name)
    if known := made_by(cloud, outputs, name, job_name):
        return known
    with operation(f"register the model {name}"):
        made = cloud.workspace(outputs).models.create_or_update(
            Model(
                name=name,
                path=f"azureml://jobs/{job_name}/outputs/model",
                type=kind.model_type,
                description=f"{kind.says}; of {asked[EXPORTED_FROM]}, job {job_name}",
                tags=export_tags(job_name, asked, manifest, paid),
            )
        )
    return ModelRef(name=str(made.name), version=str(made.version))


def export_tags(
    job_name: str, asked: dict[str, str], manifest: dict[str, Any], paid: Paid | None
) -> dict[str, str]:
    """Give an export's tags: what it is, of which model, by which job and program, its price."""
    tags = {key: asked[key] for key in (EXPORTED_FROM, EXPORT, PROGRAM)}
    tags |= {"experiment": EXPERIMENT, "job": job_name}
    if runtime := KINDS[asked[EXPORT]].runtime:
        tags["runtime"] = runtime
    for part, keys in ((manifest, FROM_MANIFEST), (manifest.get("export") or {}, FROM_EXPORT)):
        tags |= {key: str(part[key]) for key in keys if part.get(key) not in (None, "")}
    if paid:
        tags |= {"price_usd": f"{paid.usd:.4f}", "price_source": paid.source}
    return {key: value[:TAG_LENGTH] for key, value in tags.items()}


def _manifest(cloud: Cloud, outputs: StackOutputs, job: Any) -> dict[str, Any]:
    content = output_folder(cloud, outputs, job, "model").read(MANIFEST)
    if content is None:
        raise UserError(
            f"The job {job.name} left no export ({MANIFEST} is missing). Nothing was registered.",
            hint=f"tunestack jobs logs {job.name}",
        )
    return dict(json.loads(content))
