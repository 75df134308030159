"""The Azure ML environment of the training job: what its folder pins, for the kind of node."""

from pathlib import Path
from typing import TYPE_CHECKING

from core.environments import Device, pinned_environment

if TYPE_CHECKING:
    from azure.ai.ml.entities import Environment

JOB_FOLDER = Path(__file__).resolve().parent / "job"
NAME = "tunestack-train"


def build_environment(device: Device, folder: Path) -> "Environment":
    """Make the environment from a job folder's `environment.json` and its list of packages."""
    return pinned_environment(NAME, "tunestack's training job", folder, device)
