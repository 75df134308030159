"""The environment and the code of a deployment: a pinned list, an image, a handful of files.

Both are named by their content, so that the same ones are built and uploaded once.
"""

import hashlib
import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core import template_fingerprint
from core.cloud import Cloud, operation
from core.refs import StackOutputs

if TYPE_CHECKING:
    from azure.ai.ml.entities import Environment

SERVING = Path(__file__).resolve().parent / "serving"
NAME = "tunestack-serve"
SCORING_SCRIPT = "score.py"


def build_environment(vm_size: str, program: Path = SERVING) -> "Environment":
    """Make the environment for a VM size: the image differs between GPU and CPU.

    `program` is the folder of the scoring program, its `environment.json` and its pins.
    """
    from azure.ai.ml.entities import Environment

    chosen = json.loads((program / "environment.json").read_text(encoding="utf-8"))
    image = str(chosen["image_gpu" if has_gpu(vm_size) else "image_cpu"])
    conda = _conda(str(chosen["python"]), program / "requirements.txt")
    return Environment(
        name=NAME,
        version=_digest(json.dumps([image, conda], sort_keys=True).encode()),
        description="tunestack's scoring program",
        image=image,
        conda_file=conda,
    )


def ensure_environment(cloud: Cloud, outputs: StackOutputs, environment: "Environment") -> str:
    """Register the environment unless this very content is there; give `azureml:name:version`."""
    from azure.core.exceptions import ResourceNotFoundError

    environments = cloud.workspace(outputs).environments
    with operation("register the serving environment"):
        try:
            environments.get(environment.name, environment.version)
        except ResourceNotFoundError:
            environments.create_or_update(environment)
    return f"azureml:{environment.name}:{environment.version}"


def stage_code(work: Path, program: Path = SERVING) -> Path:
    """Make the folder that goes into the container: the scoring program and the fingerprint."""
    code = work / "serve"
    code.mkdir()
    for path in [*sorted(program.glob("*.py")), Path(template_fingerprint.__file__)]:
        shutil.copy(path, code)
    return code


def code_digest(code: Path) -> str:
    """Hash a staged folder: the names and the content of its files."""
    parts = [[path.name, _digest(path.read_bytes())] for path in sorted(code.iterdir())]
    return _digest(json.dumps(parts).encode())


def has_gpu(vm_size: str) -> bool:
    """Tell by the size's family: Azure's N series carries GPUs."""
    return vm_size.lower().startswith("standard_n")


def _conda(python: str, requirements: Path) -> dict[str, Any]:
    lines = requirements.read_text(encoding="utf-8").splitlines()
    pins = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
    return {
        "name": NAME,
        "channels": ["conda-forge"],
        "dependencies": [f"python={python}", "pip", {"pip": pins}],
    }


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:12]
