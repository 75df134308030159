"""A tuned model as an MLflow model, which Azure ML deploys without a scoring program of ours.

    python export_mlflow.py --exported-from NAME:VERSION --model DIR --requirements FILE
        --output DIR

Task `llm/v1/chat`: it takes and gives OpenAI's chat bodies. The folder holds no code. What it needs
is pinned to what this program ran with, and it is not kept before it has answered in just that.
"""

import argparse
import logging
import os
import sys
from pathlib import Path
from typing import Any

TASK = "llm/v1/chat"
PROBE = {"messages": [{"role": "user", "content": "Hello"}], "max_tokens": 8}
OFF_THE_NODE = ("MLFLOW_TRACKING_URI", "MLFLOW_RUN_ID", "MLFLOW_EXPERIMENT_ID")
"""A model is written to a folder here; nothing is to be noted with the job's run."""

log = logging.getLogger("export")


def export(order: argparse.Namespace, began: float) -> None:
    """Save, check and describe."""
    from tuned_model import fingerprint, read_tuned, write_manifest

    tuned = read_tuned(order.exported_from, order.model)
    log.info("%s: its files and its template are those of training", tuned.name)
    order.output.mkdir(parents=True, exist_ok=True)
    save(tuned.folder, order.output, pins(order.requirements), tuned.manifest)
    _check_template(order.output, fingerprint, str(tuned.manifest["fingerprint"]))
    check_answers(order.output)
    write_manifest(order.output, tuned, "mlflow", began, {"runtime": "mlflow"})


def save(source: Path, target: Path, packages: list[str], manifest: dict[str, Any]) -> None:
    """Write the MLflow model to an empty folder, in the number format that training saved."""
    import mlflow
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model = AutoModelForCausalLM.from_pretrained(
        source, dtype="auto", use_safetensors=True, local_files_only=True
    )
    parts = {
        "model": model,
        "tokenizer": AutoTokenizer.from_pretrained(source, local_files_only=True),
    }
    mlflow.transformers.save_model(
        parts,
        str(target),
        task=TASK,
        pip_requirements=packages,
        metadata={"fingerprint": manifest.get("fingerprint"), "base": manifest.get("base")},
    )


def pins(file: Path) -> list[str]:
    """Read the list of packages."""
    lines = (line.strip() for line in file.read_text(encoding="utf-8").splitlines())
    return [line for line in lines if line and not line.startswith("#")]


def check_answers(folder: Path) -> None:
    """Load the result as Azure does, by MLflow alone, and make it answer once.

    Raises:
        ExportError: the answer is not OpenAI's chat completion.
    """
    import mlflow
    from tuned_model import ExportError

    answer = mlflow.pyfunc.load_model(str(folder)).predict(PROBE)
    found = answer[0] if isinstance(answer, list) else answer
    try:
        text = found["choices"][0]["message"]["content"]
    except (KeyError, IndexError, TypeError) as error:
        raise ExportError(f"the MLflow model gives no chat completion: {found!r}"[:500]) from error
    log.info("it answers: %s", " ".join(str(text).split()))


def _check_template(folder: Path, fingerprint: Any, expected: str) -> None:
    from tuned_model import ExportError

    places = sorted({path.parent for path in folder.rglob("tokenizer_config.json")})
    if not places:
        raise ExportError("MLflow has saved no tokenizer")
    for place in places:
        if (found := fingerprint(place)) != expected:
            raise ExportError(
                f"MLflow has saved another chat template in {place.name}: its fingerprint is"
                f" {found}, training's is {expected}"
            )


if __name__ == "__main__":
    os.environ["HF_HUB_OFFLINE"] = "1"
    for name in OFF_THE_NODE:
        os.environ.pop(name, None)
    from export_program import run

    sys.exit(run(export, sys.argv[1:], ("model", "requirements")))
