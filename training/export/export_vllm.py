"""The base model with the adapter of a LoRA training beside it: one vLLM answers as both.

    python export_vllm.py --exported-from NAME:VERSION --model DIR --tuned FILE --recipe FILE
        [--base-model DIR] [--train-file FILE] --output DIR

The base is saved as export_base.py does it; the adapter is copied byte by byte from the tuned
model's folder, where training left it, and held to the hashes of its manifest.
"""

import argparse
import json
import logging
import os
import shutil
import sys
from pathlib import Path
from typing import Any

log = logging.getLogger("export")

ADAPTER = "adapter"


def export(order: argparse.Namespace, began: float) -> None:
    """Save the base, put the adapter beside it and describe both."""
    from export_base import save_base
    from tuned_model import MANIFEST, write_manifest

    adapter = next(iter(sorted(order.model.rglob(f"{ADAPTER}/adapter_config.json")))).parent
    tuned, facts = save_base(order)
    copy_adapter(adapter, order.output / ADAPTER, tuned.manifest)
    rank = int(json.loads((adapter / "adapter_config.json").read_text())["r"])
    facts |= {"is_base": None, "runtime": "vllm"}
    facts |= {"adapters": {"tuned": {"path": ADAPTER, "rank": rank}}}
    log.info("adapter of rank %d put beside the base; see %s", rank, MANIFEST)
    write_manifest(order.output, tuned, "vllm", began, facts)


def copy_adapter(source: Path, target: Path, manifest: dict[str, Any]) -> None:
    """Copy the adapter's files.

    Raises:
        ExportError: one is not the file that training wrote.
    """
    from tuned_model import ExportError, file_sha256

    target.mkdir()
    for path in sorted(source.iterdir()):
        name = f"{ADAPTER}/{path.name}"
        if manifest.get("files_sha256", {}).get(name) != file_sha256(path):
            raise ExportError(f"{name} is not the file that training wrote: its SHA-256 differs")
        shutil.copyfile(path, target / path.name)


if __name__ == "__main__":
    os.environ["CUDA_VISIBLE_DEVICES"] = ""
    from export_program import run

    sys.exit(run(export, sys.argv[1:], ("model", "tuned", "recipe", "base-model", "train-file")))
