"""What runs a model in a deployment: which runtime a model and a VM size mean, and its environment.

A model version says by its tag `runtime` what its files are for; without one they are Hugging
Face's, which transformers and vLLM both read.
"""

import json
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from core import template_fingerprint
from core.environments import Device, digest, pinned_environment
from core.errors import SettingsError
from deploy.environment import SERVING, code_digest, has_gpu, stage_code

if TYPE_CHECKING:
    from azure.ai.ml.entities import Environment

RuntimeName = Literal["transformers", "openvino", "vllm", "mlflow"]
RUNTIME_TAG = "runtime"
"""On a model version and on a deployment: what runs its files."""

HUGGING_FACE = "transformers"
"""The tag's value, also where it is absent, for plain weights with tokenizer and template."""

VLLM = Path(__file__).resolve().parent / "vllm"
VLLM_PORT = 8000
SHARED = ("answers", "bodies", "engine", "model_folder", "prompts", "sampling")
"""Modules of the scoring program that the vLLM container uses, too."""


@dataclass(frozen=True)
class Runtime:
    """A way to run a model."""

    name: RuntimeName
    says: str
    """What it is, for people."""
    reads: tuple[str, ...]
    """The `runtime` tags of the models whose files it reads."""
    device: Device | Literal["any"]
    concurrency: int
    """Requests that one instance takes in at once."""
    server: Literal["inference server", "own image", "Azure's"] = "inference server"
    """What listens: Azure ML's with our scoring program, an image of ours, or MLflow's by Azure."""
    requirements: str = ""
    """Its list of packages in the program's folder; empty: the folder's usual one."""
    variables: dict[str, str] = field(default_factory=dict)
    """Environment variables of its container, beside those of every deployment."""


RUNTIMES: dict[str, Runtime] = {
    runtime.name: runtime
    for runtime in (
        Runtime("transformers", "transformers, requests batched", (HUGGING_FACE,), "any", 64),
        Runtime(
            "openvino",
            "OpenVINO GenAI, four-bit weights on processors",
            ("openvino",),
            "cpu",
            64,
            requirements="requirements_openvino.txt",
        ),
        Runtime(
            "vllm",
            "vLLM in its own container, adapters beside their base",
            (HUGGING_FACE, "vllm"),
            "gpu",
            256,
            server="own image",
        ),
        Runtime(
            "mlflow",
            "MLflow's scoring, put there by Azure",
            ("mlflow",),
            "any",
            1,
            server="Azure's",
        ),
    )
}


@dataclass(frozen=True)
class Staged:
    """What a deployment needs beside its model; both are empty where Azure brings them."""

    environment: "Environment | None"
    code: Path | None
    code_digest: str = ""


def choose(asked: str, tags: dict[str, str], vm_size: str) -> Runtime:
    """Choose what runs a model with these tags on a VM size; `asked` is a runtime or empty.

    Raises:
        SettingsError: the runtime does not read such a model, or does not run on such a size.
    """
    kept = tags.get(RUNTIME_TAG, HUGGING_FACE)
    runtime = RUNTIMES.get(asked or kept)
    if runtime is None:
        raise SettingsError(f"--runtime: {asked or kept!r} is none of {', '.join(RUNTIMES)}")
    findings = []
    if kept not in runtime.reads:
        findings.append(f"--runtime: {runtime.name} does not read a model made for {kept}")
    if runtime.device not in ("any", "gpu" if has_gpu(vm_size) else "cpu"):
        needs = "a GPU" if runtime.device == "gpu" else "a size without GPU"
        findings.append(f"--vm-size: {runtime.name} runs on {needs}, not on {vm_size}")
    if findings:
        raise SettingsError("\n".join(findings))
    return runtime


def stage(runtime: Runtime, vm_size: str, work: Path, program: Path = SERVING) -> Staged:
    """Put what a deployment needs into `work`, which has to stay until both are uploaded."""
    if runtime.server == "Azure's":
        return Staged(None, None)
    if runtime.server == "own image":
        return Staged(container_environment(stage_container(work)), None)
    code = stage_code(work, program)
    return Staged(build_environment(runtime, vm_size, program), code, code_digest(code))


def build_environment(runtime: Runtime, vm_size: str, program: Path = SERVING) -> "Environment":
    """Make the environment of a runtime for a VM size: image and list differ by both.

    `program` is the folder of the scoring program, its `environment.json` and its pins.
    """
    device: Device = "gpu" if has_gpu(vm_size) else "cpu"
    is_usual = runtime.name == HUGGING_FACE
    has_own = bool(runtime.requirements) and (program / runtime.requirements).exists()
    return pinned_environment(
        "tunestack-serve" if is_usual else f"tunestack-serve-{runtime.name}",
        f"tunestack's scoring program: {runtime.says}",
        program,
        device,
        requirements=runtime.requirements if has_own else "",
    )


def stage_container(work: Path) -> Path:
    """Make the folder that vLLM's image is built from: its Dockerfile and the programs in it."""
    context = work / "vllm"
    context.mkdir()
    shared = [SERVING / f"{name}.py" for name in SHARED]
    for path in [*sorted(VLLM.iterdir()), *shared, Path(template_fingerprint.__file__)]:
        if path.is_file():
            shutil.copy(path, context)
    return context


def container_environment(context: Path) -> "Environment":
    """Make the environment of an image with its own server; Azure builds it from `context`."""
    from azure.ai.ml.entities import BuildContext, Environment

    routes = {
        "liveness_route": {"port": VLLM_PORT, "path": "/health"},
        "readiness_route": {"port": VLLM_PORT, "path": "/health"},
        "scoring_route": {"port": VLLM_PORT, "path": "/score"},
    }
    content = json.dumps([code_digest(context), routes], sort_keys=True)
    return Environment(
        name="tunestack-serve-vllm",
        version=digest(content.encode()),
        description=f"tunestack's scoring: {RUNTIMES['vllm'].says}",
        build=BuildContext(path=str(context), dockerfile_path="Dockerfile"),
        inference_config=routes,
    )
