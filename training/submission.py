"""Send a training job: stage the code, upload what it reads, create the command job."""

import re
import shutil
import tempfile
import time
import uuid
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

from core import overfit, template_fingerprint
from core.azure_errors import operation, quietly, uploaded
from core.cloud import Cloud
from core.environments import Device, ensure_environment
from core.errors import PrerequisiteError
from core.price_list import DEDICATED, LOW_PRIORITY
from core.recipe import Recipe
from core.refs import ClusterRef, JobRef, StackOutputs
from training.assets import ensure_base_model, ensure_data, packaged_weights, require_data
from training.data.check import Report
from training.environment import JOB_FOLDER, build_environment
from training.kept_orders import (
    DataAsset,
    KeptOrder,
    Place,
    checkpoints_uri,
    code_sha256,
    keep_order,
)

EXPERIMENT = "tunestack"
IDENTITY_API = "2023-01-31"
ESTIMATE_TAG = "tunestack-estimate-usd"
"""On a job: what it was expected to cost (infra/standing/run_times.py reads it)."""

PROBE_TAG = "tunestack-probe"
"""On a job: it only measured a few steps (commands/train/probe.py)."""

RUN_TAG, TRY_TAG = "tunestack-run", "tunestack-try"
"""On a job: the name of its run's first job, and which of the run's jobs it is."""

RECIPE_FILE = "recipe.json"
OUTPUTS = ("model", "checkpoints", "report")
NO_CLUSTER = ClusterRef(vm_size="", max_nodes=1)
"""Where an earlier version made the stack, its clusters' sizes are not known."""

NOT_STAGED = shutil.ignore_patterns("__pycache__", "*.pyc", "*.in", ".*")


@dataclass(frozen=True)
class Order:
    """A job to be: a recipe, two checked files, the kind of node and the time it may take."""

    recipe: Recipe
    train: Report | DataAsset
    """A checked file, or a data asset that is in the workspace."""
    validation: Report | DataAsset
    device: Device
    timeout_hours: float = 24
    code: Path = JOB_FOLDER
    """The job program's folder: train.py, environment.json, requirements.txt."""
    estimate: float | None = None
    """USD that the job is expected to cost; kept with it, so that it can be held against it."""
    cluster: str = ""
    """The name of the cluster; empty means the stack's main one."""
    price_per_hour: float | None = None
    """USD of all its nodes together; kept with the order."""
    place: Place = field(default_factory=Place)
    is_probe: bool = False
    """Some steps to measure a run by; its model is nobody's."""

    def name(self) -> str:
        """Make a fresh job name: jobs are events, so a clock and chance may name them.

        A run's further jobs are numbered, so that two who submit one make one.
        """
        if self.place.run:
            return f"{self.place.run}-{self.place.number}"
        stamp = time.strftime("%Y%m%d-%H%M%S", time.gmtime())
        start = re.sub(r"[^a-zA-Z0-9]+", "-", self.recipe.name).strip("-")[:40]
        return f"{start or 'job'}-{stamp}-{uuid.uuid4().hex[:6]}"


def submit(cloud: Cloud, outputs: StackOutputs, order: Order) -> JobRef:
    """Upload what the job reads, keep the order and create the job; it then runs without us.

    Raises:
        PrerequisiteError: a packaged base model is not installed.
        CloudError: Azure refused; `operation` says which step.
    """
    weights = packaged_weights(order.recipe)
    identity = job_identity(cloud, outputs)
    environment = ensure_environment(cloud, outputs, build_environment(order.device, order.code))
    train = _data(cloud, outputs, "tunestack-train", order.train)
    validation = _data(cloud, outputs, "tunestack-validation", order.validation)
    base = ensure_base_model(cloud, outputs, order.recipe.base, weights) if weights else ""
    with tempfile.TemporaryDirectory() as work:
        code = stage_code(order, Path(work))
        kept = _kept(order, outputs, train, validation, base, environment, code)
        keep_order(cloud, outputs, kept)
        job = _command(order, kept, outputs, code, identity)
        with operation("submit the training job"), quietly():
            jobs = cloud.workspace(outputs).jobs
            made = uploaded(lambda: jobs.create_or_update(job))
    return job_ref(made)


def stage_code(order: Order, work: Path) -> Path:
    """Make the folder that goes to the node: the job program, what core shares, the recipe."""
    code = stage_program(order.code, work / "train")
    (code / RECIPE_FILE).write_text(order.recipe.model_dump_json(indent=2), encoding="utf-8")
    return code


def stage_program(program: Path, code: Path) -> Path:
    """Make the folder `code` that goes to the node: a program's, and what core shares with it."""
    shutil.copytree(program, code, ignore=NOT_STAGED)
    for shared in (template_fingerprint, overfit):
        shutil.copy(str(shared.__file__), code)
    return code


def command_line(has_base_model: bool) -> str:
    """Give the command that the node runs, with Azure ML's placeholders."""
    reads = ["train_file", "eval_file"] + ["base_model"] * has_base_model
    parts = [f"--{name.replace('_', '-')} ${{{{inputs.{name}}}}}" for name in reads]
    flags = {"model": "output", "checkpoints": "checkpoints", "report": "report"}
    parts += [f"--{flag} ${{{{outputs.{name}}}}}" for name, flag in flags.items()]
    return " ".join([f"python train.py --recipe {RECIPE_FILE}", *parts])


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
        PROBE_TAG: "true" if order.is_probe else "",
    }
    return {key: value for key, value in tags.items() if value}


def job_ref(job: Any) -> JobRef:
    """Take from an SDK job what the other commands need."""
    # The SDK gives the state now as text, now as an enumeration of its own.
    status = getattr(job.status, "value", job.status) or ""
    return JobRef(name=str(job.name), status=status, studio_url=str(job.studio_url or ""))


def _kept(
    order: Order,
    outputs: StackOutputs,
    train: DataAsset,
    validation: DataAsset,
    base_model: str,
    environment: str,
    code: Path,
) -> KeptOrder:
    name = order.name()
    cluster = outputs.clusters.get(order.cluster or outputs.cluster, NO_CLUSTER)
    return KeptOrder(
        job=name,
        submitted=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        place=order.place.model_copy(update={"run": order.place.run or name}),
        recipe=order.recipe,
        train=train,
        validation=validation,
        base_model=base_model,
        environment=environment,
        cluster=order.cluster or outputs.cluster,
        vm_size=cluster.vm_size,
        priority=LOW_PRIORITY if cluster.is_low_priority else DEDICATED,
        device=order.device,
        timeout_hours=order.timeout_hours,
        code_sha256=code_sha256(code, without=(RECIPE_FILE,)),
        estimate_usd=order.estimate,
        price_per_hour_usd=order.price_per_hour,
        versions={name: version(name) for name in ("tunestack", "azure-ai-ml")},
    )


def _command(
    order: Order, kept: KeptOrder, outputs: StackOutputs, code: Path, identity: Any
) -> Any:
    from azure.ai.ml import PyTorchDistribution, command

    training = order.recipe.training
    is_distributed = training.processes > 1 or training.nodes > 1
    chain = {RUN_TAG: kept.place.run, TRY_TAG: str(kept.place.number)}
    return command(
        name=kept.job,
        display_name=kept.job,
        description=order.recipe.description,
        experiment_name=EXPERIMENT,
        tags=job_tags(order) | chain,
        code=str(code),
        command=command_line(bool(kept.base_model)),
        environment=kept.environment,
        compute=kept.cluster,
        identity=identity,
        inputs=_inputs(kept),
        outputs={name: _output(name, kept.place.run) for name in OUTPUTS},
        instance_count=training.nodes,
        distribution=PyTorchDistribution(process_count_per_instance=training.processes)
        if is_distributed
        else None,
        timeout=int(order.timeout_hours * 3600),
    )


def _data(cloud: Cloud, outputs: StackOutputs, name: str, data: Report | DataAsset) -> DataAsset:
    if isinstance(data, DataAsset):
        require_data(cloud, outputs, data.asset)
        return data
    asset = ensure_data(cloud, outputs, name, data.path, data.sha256)
    return DataAsset(asset=asset, sha256=data.sha256, rows=data.rows, bytes=data.bytes)


def _inputs(kept: KeptOrder) -> dict[str, Any]:
    from azure.ai.ml import Input

    files = {"train_file": kept.train.asset, "eval_file": kept.validation.asset}
    inputs = {
        name: Input(type="uri_file", path=path, mode="ro_mount") for name, path in files.items()
    }
    if kept.base_model:
        inputs["base_model"] = Input(type="custom_model", path=kept.base_model, mode="ro_mount")
    return inputs


def _output(name: str, run: str) -> Any:
    """Say where an output goes: checkpoints to the run's place, the rest where Azure puts it."""
    from azure.ai.ml import Output

    path = checkpoints_uri(run) if name == "checkpoints" else None
    return Output(type="uri_folder", mode="rw_mount", path=path)


def job_identity(cloud: Cloud, outputs: StackOutputs) -> Any:
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
