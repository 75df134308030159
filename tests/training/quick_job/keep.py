"""Keeps the contract of the program that makes a model of a checkpoint, in a second.

A checkpoint here is a folder with a seal and the file `weights`; one that says `fail` ends it.
"""

import argparse
import hashlib
import json
import sys
from pathlib import Path


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--step", type=int, required=True)
    for name in ("recipe", "run", "checkpoints", "train-file", "eval-file", "output"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    asked = parser.parse_args()
    place = asked.checkpoints / f"checkpoint-{asked.step}"
    known = json.loads(asked.run.read_text())
    assert (place / "whole.json").is_file() and asked.train_file.is_file()
    weights = (place / "weights").read_bytes()
    if weights == b"fail":
        print("error: the node is too small", flush=True)
        return 1
    asked.output.mkdir(parents=True, exist_ok=True)
    (asked.output / "weights").write_bytes(weights)
    manifest = known["manifest"] | {
        "recipe": json.loads(asked.recipe.read_text())["name"],
        "kept_step": asked.step,
        "eval_loss": 0.5,
        "files_sha256": {"weights": hashlib.sha256(weights).hexdigest()},
    }
    (asked.output / "tunestack.json").write_text(json.dumps(manifest))
    return 0


if __name__ == "__main__":
    sys.exit(main())
