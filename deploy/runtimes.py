"""What runs a model in a deployment: which runtime a model and a VM size mean, and its environment.

A model version says by its tag `runtime` what its files are for; without one they are Hugging
Face's, which transformers and vLLM both read.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from core.environments import Device, pinned_environment
from core.errors import SettingsError
from deploy.environment import SERVING, has_gpu

if TYPE_CHECKING:
    from azure.ai.ml.entities import Environment

RuntimeName = Literal["transformers", "openvino"]
RUNTIME_TAG = "runtime"
"""On a model version and on a deployment: what runs its files."""


@dataclass(frozen=True)
class Runtime:
    """A way to run a model."""

    name: RuntimeName
    says: str
    """What it is, for people."""
    reads: RuntimeName
    """The `runtime` tag of the models whose files it reads."""
    device: Device | Literal["any"]
    concurrency: int
    """Requests that one instance takes in at once."""
    requirements: str = ""
    """Its list of packages in the program's folder; empty: the folder's usual one."""
    variables: dict[str, str] = field(default_factory=dict)
    """Environment variables of its container, beside those of every deployment."""


RUNTIMES: dict[str, Runtime] = {
    runtime.name: runtime
    for runtime in (
        Runtime("transformers", "transformers, requests batched", "transformers", "any", 64),
        Runtime(
            "openvino",
            "OpenVINO GenAI, four-bit weights on processors",
            "openvino",
            "cpu",
            64,
            requirements="requirements_openvino.txt",
        ),
    )
}


def choose(asked: str, tags: dict[str, str], vm_size: str) -> Runtime:
    """Choose what runs a model with these tags on a VM size; `asked` is a runtime or empty.

    Raises:
        SettingsError: the runtime does not read such a model, or does not run on such a size.
    """
    kept = tags.get(RUNTIME_TAG, "transformers")
    runtime = RUNTIMES.get(asked or kept)
    if runtime is None:
        raise SettingsError(
            f"--runtime: {asked or kept!r} is none of {', '.join(RUNTIMES)}",
        )
    findings = []
    if runtime.reads != kept:
        findings.append(f"--runtime: {runtime.name} does not read a model made for {kept}")
    if runtime.device not in ("any", "gpu" if has_gpu(vm_size) else "cpu"):
        needs = "a GPU" if runtime.device == "gpu" else "a size without GPU"
        findings.append(f"--vm-size: {runtime.name} runs on {needs}, not on {vm_size}")
    if findings:
        raise SettingsError("\n".join(findings))
    return runtime


def build_environment(runtime: Runtime, vm_size: str, program: Path = SERVING) -> "Environment":
    """Make the environment of a runtime for a VM size: image and list differ by both.

    `program` is the folder of the scoring program, its `environment.json` and its pins.
    """
    device: Device = "gpu" if has_gpu(vm_size) else "cpu"
    name = "tunestack-serve"
    if runtime.name != "transformers":
        name = f"{name}-{runtime.name}"
    has_own = bool(runtime.requirements) and (program / runtime.requirements).exists()
    return pinned_environment(
        name,
        f"tunestack's scoring program: {runtime.says}",
        program,
        device,
        requirements=runtime.requirements if has_own else "",
    )
