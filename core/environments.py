"""Azure ML environments made of a folder's pins: what training and serving both upload.

A folder holds `environment.json` (Python, one image for each kind of node) and its list of
packages. The environment's version is a hash of its content, so that one list is built once.
"""

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from core.azure_errors import operation, quietly
from core.cloud import Cloud
from core.refs import StackOutputs

if TYPE_CHECKING:
    from azure.ai.ml.entities import Environment

Device = Literal["cpu", "gpu"]


def pinned_environment(
    name: str, description: str, folder: Path, device: Device, *, requirements: str = ""
) -> "Environment":
    """Make the environment `name` from a folder's files.

    A GPU may need another list (torch for the CUDA of its driver): `requirements_gpu`. Where
    `requirements` names a file of the folder, that one is the list.
    """
    from azure.ai.ml.entities import Environment

    image, conda = pins(name, folder, device, requirements=requirements)
    return Environment(
        name=name,
        version=digest(json.dumps([image, conda], sort_keys=True).encode()),
        description=description,
        image=image,
        conda_file=conda,
    )


def pins(
    name: str, folder: Path, device: Device, *, requirements: str = ""
) -> tuple[str, dict[str, Any]]:
    """Give a folder's image and conda file, as `pinned_environment` makes an environment of."""
    chosen = json.loads((folder / "environment.json").read_text(encoding="utf-8"))
    listed = requirements or str(chosen.get(f"requirements_{device}", "requirements.txt"))
    conda = _conda(name, str(chosen["python"]), folder / listed)
    return str(chosen[f"image_{device}"]), conda


def ensure_environment(cloud: Cloud, outputs: StackOutputs, environment: "Environment") -> str:
    """Register an environment unless this very content is there; give `azureml:name:version`."""
    from azure.core.exceptions import ResourceNotFoundError

    environments = cloud.workspace(outputs).environments
    with operation(f"register the environment {environment.name}"), quietly():
        try:
            environments.get(environment.name, environment.version)
        except ResourceNotFoundError:
            environments.create_or_update(environment)
    return f"azureml:{environment.name}:{environment.version}"


def digest(content: bytes) -> str:
    """Give the twelve digits that name a content."""
    return hashlib.sha256(content).hexdigest()[:12]


def _conda(name: str, python: str, requirements: Path) -> dict[str, Any]:
    lines = requirements.read_text(encoding="utf-8").splitlines()
    pins = [line.partition(" #")[0].strip() for line in lines]
    return {
        "name": name,
        "channels": ["conda-forge"],
        "dependencies": [
            f"python={python}",
            "pip",
            {"pip": [pin for pin in pins if pin and not pin.startswith("#")]},
        ],
    }
