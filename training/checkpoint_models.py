"""Make a model of a kept checkpoint by a job: the version that training would have left of it.

It is the next version under the name of the tuned model, with the same tags and manifest; a tag
says of which checkpoint it is. A step that the job itself has kept needs no job of its own.
"""

import json
import tempfile
import time
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.azure_errors import operation, quietly, uploaded
from core.cloud import Cloud
from core.environments import Device, ensure_environment
from core.errors import UserError
from core.refs import JobRef, ModelRef, StackOutputs
from training.artifacts import output_folder
from training.assets import require_data
from training.environment import JOB_FOLDER, build_environment
from training.export_kinds import CHECKPOINT
from training.exporting import EXPORT_JOB_TAG
from training.jobs import ENDED, find_job, job_at_work
from training.kept_orders import KeptOrder, checkpoints_uri, read_order, whole_steps
from training.model_files import MADE_BY, MANIFEST
from training.models import (
    FROM_CHECKPOINT,
    Paid,
    list_models,
    model_tags,
    read_manifest,
    register,
)
from training.submission import (
    ESTIMATE_TAG,
    EXPERIMENT,
    RECIPE_FILE,
    job_identity,
    job_ref,
    stage_program,
)

if TYPE_CHECKING:
    from azure.ai.ml.entities import Environment

RUN_FILE = "run.json"
TIMEOUT_HOURS = 2.0


@dataclass(frozen=True)
class CheckpointOrder:
    """A model to be made of a checkpoint."""

    kept: KeptOrder
    """The order of the training job."""
    step: int
    job_tags: dict[str, str]
    """Of the training job."""
    manifest: dict[str, Any]
    """What the job wrote beside its model; empty where it left none."""
    metrics: dict[str, Any]
    """What the job reported at its end; empty where it did not come to it."""
    environment: "Environment"
    cluster: str
    estimate: float | None = None
    """USD that it is expected to cost; kept with the job."""

    @property
    def name(self) -> str:
        """The checkpoint, as `JOB@STEP`."""
        return f"{self.kept.job}@{self.step}"

    @property
    def model_name(self) -> str:
        """The name under which the training's model is registered."""
        return self.job_tags["model_name"]

    @property
    def tags(self) -> dict[str, str]:
        """What finds job and version again."""
        return {FROM_CHECKPOINT: self.name}

    @property
    def is_what_the_job_left(self) -> bool:
        """Tell whether the training has kept this very step as its model."""
        return bool(self.manifest) and self.manifest.get("kept_step") == self.step

    @property
    def parameters(self) -> int | None:
        """The model's size, where the job wrote it down."""
        told = self.manifest.get("parameters")
        return told if isinstance(told, int) else None


def order_checkpoint(
    cloud: Cloud,
    outputs: StackOutputs,
    job: str,
    step: int,
    *,
    cluster: str = "",
    device: Device = "cpu",
) -> CheckpointOrder:
    """Look up all that a model of a checkpoint needs; nothing is sent.

    Raises:
        UserError: the job is no training, goes on, its order was not kept, or there is no whole
            checkpoint of the step; lists what is.
    """
    entity = find_job(cloud, outputs, job)
    _require_ended_training(entity)
    kept = read_order(cloud, outputs, job)
    steps = whole_steps(cloud, outputs, kept.place.run or job)
    if step not in steps:
        told = ", ".join(map(str, steps)) or "none"
        raise UserError(
            f"{job}@{step}: no whole checkpoint of step {step} is kept; kept are {told}.",
            hint=f"tunestack jobs show {job}",
        )
    return CheckpointOrder(
        kept,
        step,
        dict(entity.tags),
        _document(output_folder(cloud, outputs, entity, "model").read(MANIFEST)),
        _document(output_folder(cloud, outputs, entity, "report").read("metrics.json")),
        build_environment(device, JOB_FOLDER),
        cluster or outputs.cluster,
    )


def find_checkpoint_model(
    cloud: Cloud, outputs: StackOutputs, order: CheckpointOrder, paid: Paid | None = None
) -> ModelRef | None:
    """Find the version that has these weights; what the job itself left is registered if need be.

    None where a job has to make it.
    """
    for model in list_models(cloud, outputs, order.model_name):
        if order.tags.items() <= model["tags"].items():
            return ModelRef(name=model["name"], version=model["version"])
    is_complete = job_ref(find_job(cloud, outputs, order.kept.job)).status == "Completed"
    if order.is_what_the_job_left and is_complete:
        return register(cloud, outputs, order.kept.job, paid)
    return None


def find_checkpoint_job(
    cloud: Cloud, outputs: StackOutputs, order: CheckpointOrder
) -> JobRef | None:
    """Find a job that makes, or has made, what is wanted: whoever left it comes back to it."""
    return job_at_work(cloud, outputs, order.tags)


def submit_checkpoint(cloud: Cloud, outputs: StackOutputs, order: CheckpointOrder) -> JobRef:
    """Send the program and create the job; it then runs without us.

    Raises:
        UserError: the training's files are not in the workspace any more.
        CloudError: Azure refused; `operation` says which step.
    """
    identity = job_identity(cloud, outputs)
    environment = ensure_environment(cloud, outputs, order.environment)
    for data in (order.kept.train, order.kept.validation):
        require_data(cloud, outputs, data.asset)
    with tempfile.TemporaryDirectory() as work:
        code = _staged(order, Path(work))
        job = _command(order, environment, code, identity)
        with operation("submit the job of the checkpoint"), quietly():
            jobs = cloud.workspace(outputs).jobs
            made = uploaded(lambda: jobs.create_or_update(job))
    return job_ref(made)


def register_checkpoint(
    cloud: Cloud, outputs: StackOutputs, job_name: str, paid: Paid | None = None
) -> ModelRef:
    """Register what a completed job made of a checkpoint; the second time, give the same version.

    `paid` is what the training has cost.

    Raises:
        UserError: the job makes no checkpoint's model, has not completed, or left none.
    """
    from azure.ai.ml.entities import Model

    job = find_job(cloud, outputs, job_name)
    checkpoint, status = (job.tags or {}).get(FROM_CHECKPOINT, ""), job_ref(job).status
    if not checkpoint or status != "Completed":
        raise UserError(
            f"The job {job_name} has made no model of a checkpoint (it is {status}).",
            hint=f"tunestack jobs logs {job_name} --follow",
        )
    trained = checkpoint.partition("@")[0]
    tags = dict(find_job(cloud, outputs, trained).tags or {})
    name = tags["model_name"]
    for model in list_models(cloud, outputs, name):
        if model["tags"].get(FROM_CHECKPOINT) == checkpoint:
            return ModelRef(name=name, version=model["version"])
    manifest = read_manifest(cloud, outputs, job)
    own = {FROM_CHECKPOINT: checkpoint, MADE_BY: job_name}
    with operation(f"register the model {name}"):
        made = cloud.workspace(outputs).models.create_or_update(
            Model(
                name=name,
                path=f"azureml://jobs/{job_name}/outputs/model",
                type=CHECKPOINT.model_type,
                description=f"Tuned by {EXPERIMENT}, checkpoint {checkpoint}",
                tags=model_tags(trained, tags, manifest, paid) | own,
            )
        )
    return ModelRef(name=str(made.name), version=str(made.version))


def _staged(order: CheckpointOrder, work: Path) -> Path:
    """Make the folder that goes to the node: the training's program, and what is known of it."""
    code = stage_program(JOB_FOLDER, work / "keep")
    recipe = order.kept.recipe.model_dump_json(indent=2)
    (code / RECIPE_FILE).write_text(recipe, encoding="utf-8")
    known = {
        "job": order.kept.job,
        "code_sha256": order.kept.code_sha256,
        "manifest": order.manifest,
        "metrics": order.metrics,
    }
    (code / RUN_FILE).write_text(json.dumps(known, ensure_ascii=False), encoding="utf-8")
    return code


def _command(order: CheckpointOrder, environment: str, code: Path, identity: Any) -> Any:
    from azure.ai.ml import Output, command

    stamp = time.strftime("%Y%m%d-%H%M%S", time.gmtime())
    name = f"keep-{stamp}-{uuid.uuid4().hex[:6]}"
    told = {} if order.estimate is None else {ESTIMATE_TAG: f"{order.estimate:.4f}"}
    inputs = _inputs(order)
    return command(
        name=name,
        display_name=name,
        description=f"{CHECKPOINT.says}: {order.name}",
        experiment_name=EXPERIMENT,
        tags={**order.tags, EXPORT_JOB_TAG: CHECKPOINT.name, **told},
        code=str(code),
        command=_command_line(order, list(inputs)),
        environment=environment,
        compute=order.cluster,
        identity=identity,
        inputs=inputs,
        outputs={"model": Output(type="uri_folder", mode="rw_mount")},
        timeout=int(TIMEOUT_HOURS * 3600),
    )


def _command_line(order: CheckpointOrder, inputs: list[str]) -> str:
    """Give the command that the node runs, with Azure ML's placeholders."""
    known = f"--recipe {RECIPE_FILE} --run {RUN_FILE} --step {order.step}"
    given = (f"--{name.replace('_', '-')} ${{{{inputs.{name}}}}}" for name in inputs)
    return " ".join(["python", CHECKPOINT.program, known, *given, "--output ${{outputs.model}}"])


def _inputs(order: CheckpointOrder) -> dict[str, Any]:
    from azure.ai.ml import Input

    kept = order.kept
    found = {
        "checkpoints": ("uri_folder", checkpoints_uri(kept.place.run or kept.job)),
        "train_file": ("uri_file", kept.train.asset),
        "eval_file": ("uri_file", kept.validation.asset),
    }
    if kept.base_model:
        found["base_model"] = ("custom_model", kept.base_model)
    return {
        name: Input(type=kind, path=path, mode="ro_mount") for name, (kind, path) in found.items()
    }


def _require_ended_training(job: Any) -> None:
    if "model_name" not in (job.tags or {}):
        raise UserError(f"{job.name} is no training job of tunestack.", hint="tunestack jobs list")
    if (status := job_ref(job).status) not in ENDED:
        raise UserError(
            f"The job {job.name} is {status}: its checkpoints come and go until it has ended.",
            hint=f"tunestack jobs show {job.name}",
        )


def _document(content: bytes | None) -> dict[str, Any]:
    """Read what a job left as JSON; empty where it left nothing, or half of it."""
    try:
        found = json.loads(content or b"{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
