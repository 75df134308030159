"""Make another form of a tuned model by a job: four-bit weights, an MLflow model, its base.

Each has an environment of its own, since none of them installs beside the training job's packages.
What came of it is found and registered by exported_models.py.
"""

import re
import shutil
import tempfile
import time
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core import overfit, template_fingerprint
from core.azure_errors import operation, quietly, uploaded
from core.cloud import Cloud
from core.environments import Device, digest, ensure_environment, pinned_environment
from core.errors import SettingsError, UserError
from core.refs import JobRef, ModelRef, StackOutputs
from training.assets import require_data
from training.environment import JOB_FOLDER, build_environment
from training.export_kinds import ExportKind
from training.kept_orders import KeptOrder, code_sha256, find_order
from training.model_files import MANIFEST, model_folder, model_manifest
from training.submission import (
    ESTIMATE_TAG,
    EXPERIMENT,
    NOT_STAGED,
    RECIPE_FILE,
    job_identity,
    job_ref,
)

if TYPE_CHECKING:
    from azure.ai.ml.entities import Environment

EXPORT_FOLDER = Path(__file__).resolve().parent / "export"
EXPORT_JOB_TAG = "tunestack-export"
"""On a job: which export it makes; it trains nothing (infra/standing/run_times.py reads it)."""

EXPORTED_FROM, EXPORT, PROGRAM = "exported_from", "export", "export_program"
"""Tags of a job and of the model that it made: of which model, which kind, by which program."""

TUNED_FILE = "tuned.json"
TIMEOUT_HOURS = 2.0


@dataclass(frozen=True)
class ExportOrder:
    """An export to be."""

    kind: ExportKind
    model: dict[str, Any]
    """The tuned model, as the registry has it."""
    manifest: bytes
    """Of the tuned model, as it lies beside its weights."""
    parameters: int | None
    """None where nobody wrote them down and the files do not tell."""
    environment: "Environment"
    program: str
    """Names the program by its content: code and packages."""
    cluster: str
    kept: KeptOrder | None = None
    """The order that the tuned model came from, where its base is wanted."""
    estimate: float | None = None
    """USD that it is expected to cost; kept with the job."""

    @property
    def source(self) -> ModelRef:
        """The tuned model."""
        return ModelRef(name=self.model["name"], version=self.model["version"])

    @property
    def tags(self) -> dict[str, str]:
        """What finds the export again: model, kind and program."""
        return {EXPORTED_FROM: str(self.source), EXPORT: self.kind.name, PROGRAM: self.program}


def order_export(
    cloud: Cloud,
    outputs: StackOutputs,
    model: dict[str, Any],
    kind: ExportKind,
    *,
    cluster: str = "",
    device: Device = "cpu",
) -> ExportOrder:
    """Look up all that an export needs; nothing is sent.

    Raises:
        SettingsError: the model is an export itself.
        UserError: its manifest, or for its base the order of its job, is not there any more.
    """
    name = f"{model['name']}:{model['version']}"
    if origin := model["tags"].get(EXPORTED_FROM):
        raise SettingsError(
            f"{name} is an export itself, of {origin}.",
            hint=f"tunestack models export {origin} --to {kind.name}",
        )
    folder = model_folder(cloud, outputs, model)
    manifest = folder.read(MANIFEST)
    if manifest is None:
        raise UserError(
            f"{name} has no {MANIFEST} beside its weights: what its template has to be is not"
            " known.",
            hint="tunestack models list has others.",
        )
    if kind.name == "vllm":
        _require_adapter(name, model, folder.sizes())
    kept = _kept(cloud, outputs, model, name) if kind.is_of_base else None
    environment = build_export_environment(kind, device)
    with tempfile.TemporaryDirectory() as work:
        code = code_sha256(stage_program(kind, Path(work)))
    return ExportOrder(
        kind,
        model,
        manifest,
        _parameters(model_manifest(folder), folder.sizes()),
        environment,
        digest(f"{code} {environment.version}".encode()),
        cluster or outputs.cluster,
        kept,
    )


def submit_export(cloud: Cloud, outputs: StackOutputs, order: ExportOrder) -> JobRef:
    """Send the program and create the job; it then runs without us.

    Raises:
        CloudError: Azure refused; `operation` says which step.
    """
    identity = job_identity(cloud, outputs)
    environment = ensure_environment(cloud, outputs, order.environment)
    if order.kept and _needs_texts(order.kept):
        require_data(cloud, outputs, order.kept.train.asset)
    with tempfile.TemporaryDirectory() as work:
        code = stage_program(order.kind, Path(work))
        if order.kept:
            (code / TUNED_FILE).write_bytes(order.manifest)
            recipe = order.kept.recipe.model_dump_json(indent=2)
            (code / RECIPE_FILE).write_text(recipe, encoding="utf-8")
        job = _command(order, environment, code, identity)
        with operation("submit the export"), quietly():
            jobs = cloud.workspace(outputs).jobs
            made = uploaded(lambda: jobs.create_or_update(job))
    return job_ref(made)


def build_export_environment(kind: ExportKind, device: Device) -> "Environment":
    """Make the environment of an export: its own, or for the base the training job's."""
    if not kind.requirements:
        return build_environment(device, JOB_FOLDER)
    return pinned_environment(
        f"tunestack-export-{kind.name}",
        f"tunestack's export: {kind.says}",
        EXPORT_FOLDER,
        device,
        requirements=kind.requirements,
    )


def stage_program(kind: ExportKind, work: Path) -> Path:
    """Make the folder that goes to the node: the export's program and what it stands on."""
    code = work / "export"
    if not kind.requirements:  # it loads and saves by the training program's own modules
        shutil.copytree(JOB_FOLDER, code, ignore=NOT_STAGED)
    code.mkdir(exist_ok=True)
    programs = ("tuned_model.py", "export_program.py", *kind.stands_on, kind.program)
    files = [EXPORT_FOLDER / name for name in programs]
    if kind.requirements:
        files.append(EXPORT_FOLDER / kind.requirements)
    for file in [*files, Path(template_fingerprint.__file__), Path(overfit.__file__)]:
        shutil.copy(file, code)
    return code


def command_line(order: ExportOrder) -> str:
    """Give the command that the node runs, with Azure ML's placeholders."""
    parts = [f"python {order.kind.program} --exported-from {order.source}"]
    parts += [f"--{name.replace('_', '-')} ${{{{inputs.{name}}}}}" for name in _inputs(order)]
    if order.kept:
        parts += [f"--tuned {TUNED_FILE}", f"--recipe {RECIPE_FILE}"]
    if order.kind.name == "mlflow":
        parts.append(f"--requirements {order.kind.requirements}")
    return " ".join([*parts, "--output ${{outputs.model}}"])


def _command(order: ExportOrder, environment: str, code: Path, identity: Any) -> Any:
    from azure.ai.ml import Output, command

    name = _job_name(order)
    told = {} if order.estimate is None else {ESTIMATE_TAG: f"{order.estimate:.4f}"}
    return command(
        name=name,
        display_name=name,
        description=f"{order.kind.says}, of {order.source}",
        experiment_name=EXPERIMENT,
        tags={**order.tags, EXPORT_JOB_TAG: order.kind.name, **told},
        code=str(code),
        command=command_line(order),
        environment=environment,
        compute=order.cluster,
        identity=identity,
        inputs=_inputs(order),
        outputs={"model": Output(type="uri_folder", mode="rw_mount")},
        timeout=int(TIMEOUT_HOURS * 3600),
    )


def _inputs(order: ExportOrder) -> dict[str, Any]:
    from azure.ai.ml import Input

    found: dict[str, Any] = {}
    if order.kind.reads_model:
        model = f"azureml:{order.source}"
        found["model"] = Input(type="custom_model", path=model, mode="ro_mount")
    if order.kept is None:
        return found
    base, train = order.kept.base_model, order.kept.train.asset
    if base:
        found["base_model"] = Input(type="custom_model", path=base, mode="ro_mount")
    if _needs_texts(order.kept):
        found["train_file"] = Input(type="uri_file", path=train, mode="ro_mount")
    return found


def _needs_texts(kept: KeptOrder) -> bool:
    """Tell whether the base has no tokenizer of its own: a random one's is made from the texts."""
    return kept.recipe.base.source == "random"


def _job_name(order: ExportOrder) -> str:
    """Make a fresh job name: jobs are events, so a clock and chance may name them."""
    start = re.sub(r"[^a-zA-Z0-9]+", "-", order.source.name).strip("-")[:40]
    stamp = time.strftime("%Y%m%d-%H%M%S", time.gmtime())
    return f"{start}-{order.kind.name}-{stamp}-{uuid.uuid4().hex[:6]}"


def _kept(cloud: Cloud, outputs: StackOutputs, model: dict[str, Any], name: str) -> KeptOrder:
    job = model["tags"].get("job", "")
    found = find_order(cloud, outputs, job) if job else None
    if found is None:
        raise UserError(
            f"What {name} was trained from is not known: the order of its job"
            f" {job or '(no tag says which)'} was not kept; an earlier version submitted it.",
            hint="A model that is trained now has it: tunestack train. To compare answers of base"
            f" and tuned: tunestack models compare {name}",
        )
    return found


def _require_adapter(name: str, model: dict[str, Any], sizes: dict[str, int]) -> None:
    """Refuse a model that has no adapter of its own."""
    on = f"tunestack deploy --model {name} --runtime vllm"
    if model["tags"].get("method") == "full":
        raise SettingsError(
            f"--to vllm: {name} was trained in full and has no adapter beside a base.",
            hint=f"vLLM serves it as it is: {on}",
        )
    if "adapter/adapter_config.json" not in sizes:
        raise UserError(
            f"{name} has no adapter beside its merged weights: an earlier version trained it.",
            hint=f"vLLM serves the merged model as it is: {on}",
        )


def _parameters(manifest: dict[str, Any], sizes: dict[str, int]) -> int | None:
    """Read a model's size from its manifest, else from its files; training saves two bytes each."""
    told = manifest.get("parameters")
    if isinstance(told, int):
        return told
    weights = sum(size for name, size in sizes.items() if name.endswith(".safetensors"))
    return weights // 2 or None
