"""The code of a deployment: a handful of files, named by their content and uploaded once."""

import json
import shutil
from pathlib import Path

from core import template_fingerprint
from core.environments import digest

SERVING = Path(__file__).resolve().parent / "serving"
SCORING_SCRIPT = "score.py"


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
