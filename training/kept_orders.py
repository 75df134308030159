"""The whole order of a job, kept beside it: what `train --like` and `jobs resume` start from.

A blob that is written before the job is created, with the person's own identity. It names
everything that went in by its content: data assets by hash, the recipe whole, the program's code
by hash, environment and base model by version.
"""

import hashlib
import json
import re
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from core.cloud import Cloud
from core.environments import Device
from core.errors import UserError
from core.recipe import Recipe
from core.refs import StackOutputs
from training.artifacts import blob_folder

FORMAT = 1
NAME = "order.json"
SEAL = "whole.json"
"""What a checkpoint has that was written to its end (training/job/checkpoints.py)."""


class Kept(BaseModel):
    """A part of an order; what a later version adds is passed over."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class DataAsset(Kept):
    """A checked file that is in the workspace."""

    asset: str
    """`azureml:name:version`."""
    sha256: str
    rows: int = 0
    bytes: int = 0


class Place(Kept):
    """Where a job stands in its run: the jobs that follow one another after losses."""

    run: str = ""
    """The name of the run's first job; empty: this is it."""
    number: int = 1
    """Which of the run's jobs this is."""
    losses: int = 0
    """How often low-priority nodes were taken from the run so far."""
    losses_allowed: int = 2
    """After so many it goes on on dedicated nodes."""
    resubmits: bool = False
    """Who follows it submits it again after a loss."""
    like: str = ""
    """The job whose order this one took over, with changes or without."""


class KeptOrder(Kept):
    """What was ordered, by whom it can be repeated."""

    format: Literal[1] = 1
    job: str
    submitted: str
    place: Place
    recipe: Recipe
    train: DataAsset
    validation: DataAsset
    base_model: str = ""
    """`azureml:name:version` of an uploaded base model; empty for other sources."""
    environment: str
    cluster: str
    vm_size: str = ""
    priority: str = "Dedicated"
    device: Device
    timeout_hours: float
    code_sha256: str
    """Of the program's folder as the node got it, without the recipe."""
    estimate_usd: float | None = None
    """What the run was expected to cost."""
    price_per_hour_usd: float | None = None
    """Of all its nodes together."""
    versions: dict[str, str] = {}
    """Of the tools that ordered it; those of the job are in its environment."""


def keep_order(cloud: Cloud, outputs: StackOutputs, order: KeptOrder) -> None:
    """Write an order beside its job."""
    content = order.model_dump_json(indent=2).encode()
    blob_folder(cloud, outputs, _folder(order.job)).write(NAME, content)


def find_order(cloud: Cloud, outputs: StackOutputs, job: str) -> KeptOrder | None:
    """Read a job's order; None where none was kept.

    Raises:
        UserError: a later version of this program kept it.
    """
    content = blob_folder(cloud, outputs, _folder(job)).read(NAME)
    if content is None:
        return None
    try:
        return KeptOrder.model_validate_json(content)
    except ValidationError as error:
        found = _format(content)
        why = f"format {found}, this is {FORMAT}" if found != FORMAT else str(error.errors()[0])
        raise UserError(
            f"The order of the job {job} was kept by another version of tunestack ({why}).",
            hint="Update tunestack, or order anew: tunestack train --recipe … --data …",
        ) from error


def read_order(cloud: Cloud, outputs: StackOutputs, job: str) -> KeptOrder:
    """Read a job's order.

    Raises:
        UserError: none was kept: an earlier version submitted it, or it is not ours.
    """
    found = find_order(cloud, outputs, job)
    if found is None:
        raise UserError(
            f"No order was kept for a job {job}: there is no such job, or an earlier version"
            " submitted it.",
            hint="tunestack jobs list shows them; or order anew: tunestack train --recipe …",
        )
    return found


def code_sha256(folder: Path, without: tuple[str, ...] = ()) -> str:
    """Hash the names and contents of a folder's files."""
    digest = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        name = path.relative_to(folder).as_posix()
        if name not in without:
            content = hashlib.sha256(path.read_bytes()).hexdigest()
            digest.update(f"{name}\0{content}\n".encode())
    return digest.hexdigest()


def checkpoints_uri(run: str) -> str:
    """Give the place of a run's checkpoints: one for all its jobs, so that each goes on."""
    return f"azureml://datastores/workspaceblobstore/paths/tunestack/runs/{run}/checkpoints/"


def checkpoint_names(cloud: Cloud, outputs: StackOutputs, run: str) -> list[str]:
    """List what lies in a run's checkpoints: folders and files, without what is in folders."""
    names = blob_folder(cloud, outputs, f"tunestack/runs/{run}/checkpoints/").names()
    return sorted({name.partition("/")[0] for name in names})


def whole_steps(cloud: Cloud, outputs: StackOutputs, run: str) -> list[int]:
    """List the steps of a run's whole checkpoints, the earliest first; broken ones are left out."""
    names = blob_folder(cloud, outputs, f"tunestack/runs/{run}/checkpoints/").names()
    found = (re.fullmatch(rf"checkpoint-(\d+)/{re.escape(SEAL)}", name) for name in names)
    return sorted(int(one[1]) for one in found if one)


def _folder(job: str) -> str:
    return f"tunestack/orders/{job}/"


def _format(content: bytes) -> Any:
    try:
        return dict(json.loads(content)).get("format")
    except (ValueError, TypeError):
        return None
