"""A registered model's files: where the registry says they lie, fetched, held to their hashes."""

import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from core.cloud import Cloud
from core.errors import UserError
from core.refs import ModelRef, StackOutputs
from training.artifacts import BlobFolder, blob_folder, output_folder
from training.jobs import find_job

MANIFEST = "tunestack.json"
MADE_BY = "made_by"
"""A tag of a model that another job than its training's made: its files are that job's."""
ML_API = "2025-12-01"


@dataclass(frozen=True)
class Download:
    """What a download found and did."""

    fetched: tuple[str, ...]
    kept: tuple[str, ...]
    """Files that lay there already, as the manifest has them."""
    unverified: tuple[str, ...]
    """Files of which the manifest says nothing."""
    bytes: int
    """Of what was fetched."""


def model_folder(cloud: Cloud, outputs: StackOutputs, model: dict[str, Any]) -> BlobFolder:
    """Give the folder of a model's files, as the registry has it; else its job's output."""
    found = re.search(r"datastores/([^/]+)/paths/(.+)", model["path"])
    if found:
        return blob_folder(cloud, outputs, found[2].rstrip("/") + "/", found[1])
    tags = model["tags"]
    job = find_job(cloud, outputs, tags.get(MADE_BY) or tags.get("job", ""))
    return output_folder(cloud, outputs, job, "model")


def model_manifest(folder: BlobFolder) -> dict[str, Any]:
    """Read the manifest beside a model's weights; empty where there is none."""
    content = folder.read(MANIFEST)
    try:
        found = json.loads(content or b"{}")
    except ValueError as error:
        raise UserError(f"The model's {MANIFEST} is no JSON: {error}.") from error
    return found if isinstance(found, dict) else {}


def download(
    source: BlobFolder, folder: Path, tell: Callable[[str, int], None] = lambda name, size: None
) -> Download:
    """Bring a model's files to `folder`; what lies there whole is not fetched again.

    Every file is then held to the manifest's hash, also those that were there.

    Raises:
        UserError: a file is missing, or is not what the manifest says; names each.
    """
    hashes: dict[str, str] = model_manifest(source).get("files_sha256") or {}
    sizes = _without_folders(source.sizes())
    targets = {name: _inside(folder, name) for name in sizes}
    kept = [name for name in sizes if _is_there(targets[name], sizes[name], hashes.get(name))]
    fetched = [name for name in sizes if name not in kept]
    for name in fetched:
        tell(name, source.fetch(name, targets[name]))
    _verify(folder, {name: hashes[name] for name in hashes if name not in kept})
    unverified = [name for name in sizes if name not in hashes and name != MANIFEST]
    together = sum(sizes[name] for name in fetched)
    return Download(tuple(fetched), tuple(kept), tuple(unverified), together)


def delete_model(cloud: Cloud, outputs: StackOutputs, model: ModelRef) -> bool:
    """Take a version out of the registry for good; its files stay. False where there was none.

    By REST: the SDK and `az ml model` only archive, after which name and version stay taken
    (Azure/azureml-examples, pull request 3743, of December 2025, deletes the same way).
    """
    workspace = (
        f"/subscriptions/{outputs.subscription_id}/resourceGroups/{outputs.resource_group}"
        f"/providers/Microsoft.MachineLearningServices/workspaces/{outputs.workspace}"
    )
    return cloud.arm.delete(f"{workspace}/models/{model.name}/versions/{model.version}", ML_API)


def _without_folders(sizes: dict[str, int]) -> dict[str, int]:
    """Leave out the empty blobs with which some mounts mark a folder."""
    folders = {str(parent) for name in sizes for parent in PurePosixPath(name).parents}
    return {name: size for name, size in sizes.items() if name not in folders}


def _inside(folder: Path, name: str) -> Path:
    target = (folder / name).resolve()
    if not target.is_relative_to(folder.resolve()):
        raise UserError(f"The model names a file outside its folder: {name}")
    return target


def _is_there(target: Path, size: int, sha256: str | None) -> bool:
    return (
        sha256 is not None
        and target.is_file()
        and target.stat().st_size == size
        and _sha256(target) == sha256
    )


def _verify(folder: Path, hashes: dict[str, str]) -> None:
    missing = [name for name in hashes if not (folder / name).is_file()]
    wrong = [name for name in hashes if name not in missing and _differs(folder, name, hashes)]
    if missing or wrong:
        told = [f"{name}: it is not among the model's files" for name in missing]
        told += [f"{name}: its SHA-256 is not the one of the manifest" for name in wrong]
        raise UserError(
            "\n".join(told),
            hint="The files in the storage are not those that the job wrote. The job's own order"
            " makes them again: tunestack reproduce.",
        )


def _differs(folder: Path, name: str, hashes: dict[str, str]) -> bool:
    return _sha256(_inside(folder, name)) != hashes[name]


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
