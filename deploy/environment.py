"""The environment and the code of a deployment: a pinned list, an image, a handful of files.

Both are named by their content, so that the same ones are built and uploaded once.
"""

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from core import template_fingerprint
from core.environments import Device, digest, pinned_environment

if TYPE_CHECKING:
    from azure.ai.ml.entities import Environment

SERVING = Path(__file__).resolve().parent / "serving"
NAME = "tunestack-serve"
SCORING_SCRIPT = "score.py"


def build_environment(vm_size: str, program: Path = SERVING) -> "Environment":
    """Make the environment for a VM size: image and list differ between GPU and CPU.

    `program` is the folder of the scoring program, its `environment.json` and its pins.
    """
    device: Device = "gpu" if has_gpu(vm_size) else "cpu"
    return pinned_environment(NAME, "tunestack's scoring program", program, device)


def stage_code(work: Path, program: Path = SERVING) -> Path:
    """Make the folder that goes into the container: the scoring program and the fingerprint."""
    code = work / "serve"
    code.mkdir()
    for path in [*sorted(program.glob("*.py")), Path(template_fingerprint.__file__)]:
        shutil.copy(path, code)
    return code


def code_digest(code: Path) -> str:
    """Hash a staged folder: the names and the content of its files."""
    parts = [[path.name, digest(path.read_bytes())] for path in sorted(code.iterdir())]
    return digest(json.dumps(parts).encode())


def has_gpu(vm_size: str) -> bool:
    """Tell by the size's family: Azure's N series carries GPUs."""
    return vm_size.lower().startswith("standard_n")
