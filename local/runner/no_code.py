"""Azure's deployment of MLflow models without code: its environment and its scoring program.

Azure makes both from the model. Here the environment is what the model's conda file (or, without
one, its requirements list) names, with Azure's inference server; the program is ours
(`mlflow_score.py`), since Azure's is in its image.
"""

import shutil
from pathlib import Path
from typing import Any

import yaml

from local.runner.environments import BuildFailed

MODEL_TYPE = "mlflow_model"
MODEL_FILE = "MLmodel"
SCRIPT = Path(__file__).with_name("mlflow_score.py")
SERVER = "azureml-inference-server-http>=1.5.1,<2"


def environment(model: Path) -> dict[str, Any]:
    """Give the properties of the environment that a model's folder asks for.

    Raises:
        BuildFailed: the folder says nothing about packages, or nothing that can be read.
    """
    conda, listed = model / "conda.yaml", model / "requirements.txt"
    if conda.is_file():
        document = _read(conda)
    elif listed.is_file():
        lines = [line.strip() for line in listed.read_text().splitlines()]
        document = {"dependencies": [{"pip": [one for one in lines if one and one[0] != "#"]}]}
    else:
        raise BuildFailed("The model has neither conda.yaml nor requirements.txt.")
    document["dependencies"] = [*document["dependencies"], {"pip": [SERVER]}]
    return {"image": "(Azure's image for MLflow models)", "condaFile": yaml.safe_dump(document)}


def copy_program(target: Path) -> None:
    """Put the scoring program where a deployment's own code would lie."""
    target.mkdir(parents=True, exist_ok=True)
    shutil.copy(SCRIPT, target)


def _read(conda: Path) -> dict[str, Any]:
    try:
        document = yaml.safe_load(conda.read_text())
        return {"dependencies": list(document["dependencies"])}
    except (yaml.YAMLError, KeyError, TypeError) as error:
        raise BuildFailed(f"The model's conda.yaml cannot be read: {error}") from error
