"""Send a training job: stage the code, upload what it reads, create the command job."""

import re
import shutil
import tempfile
import time
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core import template_fingerprint
from core.azure_errors import operation, quietly, uploaded
from core.cloud import Cloud
from core.environments import Device, ensure_environment
from core.errors import PrerequisiteError
from core.recipe import Recipe
from core.refs import JobRef, StackOutputs
from training.assets import ensure_base_model, ensure_data, packaged_weights
from training.data.check import Report
from training.environment import JOB_FOLDER, build_environment

EXPERIMENT = "tunestack"
IDENTITY_API = "2023-01-31"
ESTIMATE_TAG = "tunestack-estimate-usd"
"""On a job: what it was expected to cost (infra/standing/run_times.py reads it)."""

OUTPUTS = ("model", "checkpoints", "report")
NOT_STAGED = shutil.ignore_patterns("__pycache__", "*.pyc", "*.in", ".*")


@dataclass(frozen=True)
class Order:
    """A job to be: a recipe, two checked files, the kind of node and the time it may take."""

    recipe: Recipe
    train: Report
    validation: Report
    device: Device
    timeout_hours: float = 24
    code: Path = JOB_FOLDER
    """The job program's folder: train.py, environment.json, requirements.txt."""
    estimate: float | None = None
    """USD that the job is expected to cost; kept with it, so that it can be held against it."""
    cluster: str = ""
    """The name of the cluster; empty means the stack's main one."""

    def name(self) -> str:
        """Make a fresh job name: jobs are events, so a clock and chance may name them."""
        stamp = time.strftime("%Y%m%d-%H%M%S", time.gmtime())
        start = re.sub(r"[^a-zA-Z0-9]+", "-", self.recipe.name).strip("-")[:40]
        return f"{start or 'job'}-{stamp}-{uuid.uuid4().hex[:6]}"


def submit(cloud: Cloud, outputs: StackOutputs, order: Order) -> JobRef:
    """Upload what the job reads and create it; it then runs without us.

    Raises:
        PrerequisiteError: a packaged base model is not installed.
        CloudError: Azure refused; `operation` says which step.
    """
    weights = packaged_weights(order.recipe)
    identity = _identity(cloud, outputs)
    environment = ensure_environment(cloud, outputs, build_environment(order.device, order.code))
    inputs = {
        "train_file": _data(cloud, outputs, "tunestack-train", order.train),
        "eval_file": _data(cloud, outputs, "tunestack-validation", order.validation),
    }
    if weights:
        inputs["base_model"] = _model(ensure_base_model(cloud, outputs, order.recipe.base, weights))
    with tempfile.TemporaryDirectory() as work:
        code = stage_code(order, Path(work))
        job = _command(order, outputs, code, inputs, environment, identity)
        with operation("submit the training job"), quietly():
            jobs = cloud.workspace(outputs).jobs
            made = uploaded(lambda: jobs.create_or_update(job))
    return job_ref(made)


def stage_code(order: Order, work: Path) -> Path:
    """Make the folder that goes to the node: the job program, the fingerprint, the recipe."""
    code = work / "train"
    shutil.copytree(order.code, code, ignore=NOT_STAGED)
    shutil.copy(str(template_fingerprint.__file__), code)
    (code / "recipe.json").write_text(order.recipe.model_dump_json(indent=2), encoding="utf-8")
    return code


def command_line(has_base_model: bool) -> str:
    """Give the command that the node runs, with Azure ML's placeholders."""
    reads = ["train_file", "eval_file"] + ["base_model"] * has_base_model
    parts = [f"--{name.replace('_', '-')} ${{{{inputs.{name}}}}}" for name in reads]
    flags = {"model": "output", "checkpoints": "checkpoints", "report": "report"}
    parts += [f"--{flag} ${{{{outputs.{name}}}}}" for name, flag in flags.items()]
    return " ".join(["python train.py --recipe recipe.json", *parts])


def job_tags(order: Order) -> dict[str, str]:
    """Give what a job, and later its model, is to be known by."""
    recipe = order.recipe
    tags = {
        "recipe": recipe.name,
        "model_name": recipe.model_name,
        "method": recipe.method,
        "base": recipe.base.id,
        "base_revision": recipe.base.revision,
        "data_sha256": order.train.sha256,
        "validation_sha256": order.validation.sha256,
        ESTIMATE_TAG: "" if order.estimate is None else f"{order.estimate:.4f}",
    }
    return {key: value for key, value in tags.items() if value}


def job_ref(job: Any) -> JobRef:
    """Take from an SDK job what the other commands need."""
    # The SDK gives the state now as text, now as an enumeration of its own.
    status = getattr(job.status, "value", job.status) or ""
    return JobRef(name=str(job.name), status=status, studio_url=str(job.studio_url or ""))


def _command(
    order: Order,
    outputs: StackOutputs,
    code: Path,
    inputs: dict[str, Any],
    environment: str,
    identity: Any,
) -> Any:
    from azure.ai.ml import Output, PyTorchDistribution, command

    training = order.recipe.training
    is_distributed = training.processes > 1 or training.nodes > 1
    name = order.name()
    return command(
        name=name,
        display_name=name,
        description=order.recipe.description,
        experiment_name=EXPERIMENT,
        tags=job_tags(order),
        code=str(code),
        command=command_line("base_model" in inputs),
        environment=environment,
        compute=order.cluster or outputs.cluster,
        identity=identity,
        inputs=inputs,
        outputs={name: Output(type="uri_folder", mode="rw_mount") for name in OUTPUTS},
        instance_count=training.nodes,
        distribution=PyTorchDistribution(process_count_per_instance=training.processes)
        if is_distributed
        else None,
        timeout=int(order.timeout_hours * 3600),
    )


def _data(cloud: Cloud, outputs: StackOutputs, name: str, report: Report) -> Any:
    from azure.ai.ml import Input

    path = ensure_data(cloud, outputs, name, report.path, report.sha256)
    return Input(type="uri_file", path=path, mode="ro_mount")


def _model(path: str) -> Any:
    from azure.ai.ml import Input

    return Input(type="custom_model", path=path, mode="ro_mount")


def _identity(cloud: Cloud, outputs: StackOutputs) -> Any:
    """Name the job's identity; the node's identity endpoint asks for it by its client id."""
    from azure.ai.ml.entities import ManagedIdentityConfiguration

    found = cloud.arm.get(outputs.job_identity, IDENTITY_API)
    if found is None:
        raise PrerequisiteError(
            f"The job's identity is gone: {outputs.job_identity}", hint="tunestack up"
        )
    return ManagedIdentityConfiguration(
        client_id=found["properties"]["clientId"], resource_id=outputs.job_identity
    )
