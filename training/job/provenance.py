"""What a model was made with, written into its manifest: code, base weights, libraries, machine.

All of it is read where the training ran, so that it tells what was used and not what was asked for.
"""

import importlib.metadata
import os
import platform
import re
from pathlib import Path
from typing import Any

import torch
from device import nvidia_driver
from hashes import code_sha256, folder_sha256
from recipe_file import Recipe

FIGURES = (
    "eval_loss_before",
    "tokens",
    "tokens_per_second",
    "peak_memory_mb",
    "is_resumed",
    "batch_size",
    "accumulation",
)
"""What the manifest repeats from metrics.json, beside the losses."""


def provenance(recipe: Recipe, base_model: Path | None) -> dict[str, Any]:
    """Tell what went in beside the data, and what it met on its node."""
    return {
        "code_sha256": code_sha256(Path(__file__).resolve().parent),
        "base_sha256": folder_sha256(base_model) if base_model else {},
        "seed": recipe.training.seed,
        "world_size": int(os.environ.get("WORLD_SIZE", "1")),
        "machine": machine(),
    }


def libraries() -> dict[str, str]:
    """List every installed distribution with its version."""
    found = {
        re.sub(r"[-_.]+", "-", part.name).lower(): part.version
        for part in importlib.metadata.distributions()
        if part.name
    }
    return dict(sorted(found.items()))


def machine() -> dict[str, Any]:
    """Tell what can change the last bits of a result: processors, drivers, builds, threads."""
    has_gpu = torch.cuda.is_available()
    count = torch.cuda.device_count() if has_gpu else 0
    return {
        "python": platform.python_version(),
        "system": platform.platform(),
        "cpu": _cpu(),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "torch_cuda": torch.version.cuda or "",
        "cudnn": str(torch.backends.cudnn.version() or "") if has_gpu else "",
        "driver": nvidia_driver(),
        "gpus": [torch.cuda.get_device_name(number) for number in range(count)],
    }


def figures(metrics: dict[str, Any]) -> dict[str, Any]:
    """Give the measured figures that the manifest repeats; `seconds` are all phases together."""
    known = {name: metrics[name] for name in FIGURES if metrics.get(name) is not None}
    return known | {"seconds": round(sum(metrics["seconds"].values()), 1)}


def _cpu() -> str:
    try:
        found = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.M)
    except OSError:
        found = None
    return found[1] if found else platform.processor() or platform.machine()
