"""The Azure ML environment of the training job: image, Python and the pinned list.

Its version is a hash of its content, so the same list is built once and then reused.
"""

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from core.cloud import Cloud, operation
from core.refs import StackOutputs

if TYPE_CHECKING:
    from azure.ai.ml.entities import Environment

JOB_FOLDER = Path(__file__).resolve().parent / "job"
NAME = "tunestack-train"

Device = Literal["cpu", "gpu"]


def build_environment(device: Device, folder: Path) -> "Environment":
    """Make the environment from a job folder's `environment.json` and its list of packages.

    A GPU may need another list (torch for the CUDA of its driver): `requirements_gpu`.
    """
    from azure.ai.ml.entities import Environment

    chosen = json.loads((folder / "environment.json").read_text(encoding="utf-8"))
    image = str(chosen[f"image_{device}"])
    requirements = str(chosen.get(f"requirements_{device}", "requirements.txt"))
    conda = _conda(str(chosen["python"]), folder / requirements)
    content = json.dumps([image, conda], sort_keys=True)
    return Environment(
        name=NAME,
        version=hashlib.sha256(content.encode()).hexdigest()[:12],
        description="tunestack's training job",
        image=image,
        conda_file=conda,
    )


def ensure_environment(cloud: Cloud, outputs: StackOutputs, device: Device, folder: Path) -> str:
    """Register the environment unless this very content is there; give `azureml:name:version`."""
    from azure.core.exceptions import ResourceNotFoundError

    environment = build_environment(device, folder)
    environments = cloud.workspace(outputs).environments
    with operation("register the training environment"):
        try:
            environments.get(environment.name, environment.version)
        except ResourceNotFoundError:
            environments.create_or_update(environment)
    return f"azureml:{environment.name}:{environment.version}"


def _conda(python: str, requirements: Path) -> dict[str, Any]:
    lines = (line.partition(" #")[0].strip() for line in requirements.read_text().splitlines())
    pins = [line for line in lines if line and not line.startswith("#")]
    return {
        "name": NAME,
        "channels": ["conda-forge"],
        "dependencies": [f"python={python}", "pip", {"pip": pins}],
    }
