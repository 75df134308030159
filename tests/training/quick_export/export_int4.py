"""Keeps the export program's contract in a second: it copies instead of converting.

A test writes another word for what it does: fail, or forget to leave anything. Checking files and
writing the manifest are the real ones.
"""

import argparse
import shutil
import sys

from export_program import run
from tuned_model import ExportError, TunedModel, check_files, file_sha256, read_manifest
from tuned_model import write_manifest as write

DOES = "succeed"


def export(order: argparse.Namespace, began: float) -> None:
    manifest = read_manifest(order.model / "tunestack.json")
    check_files(order.model, manifest)
    order.output.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(order.model / "config.json", order.output / "config.json")
    if DOES == "fail":
        raise ExportError("the weights do not fit into four bits")
    if DOES == "forget":
        return
    tuned = TunedModel(
        order.exported_from, order.model, manifest, file_sha256(order.model / "tunestack.json")
    )
    write(order.output, tuned, "int4", began, {"runtime": "openvino", "weights": "int4"})


if __name__ == "__main__":
    sys.exit(run(export, sys.argv[1:], ("model",)))
