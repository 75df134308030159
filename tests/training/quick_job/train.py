"""Keeps the job program's contract in a second, without learning anything.

The recipe's description tells it what to do: succeed, fail, wait.
"""

import argparse
import json
import os
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

from template_fingerprint import template_fingerprint


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--recipe", type=Path, required=True)
    for name in ("train-file", "eval-file", "output", "checkpoints", "report"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--base-model", type=Path)
    asked = parser.parse_args()
    recipe = json.loads(asked.recipe.read_text())
    print(f"rank {os.environ.get('RANK', '0')} of {os.environ.get('WORLD_SIZE', '1')}", flush=True)
    rows = [json.loads(line) for line in asked.train_file.read_text().splitlines()]
    print(f"{len(rows)} chats", flush=True)
    if recipe["description"] == "fail":
        print("Traceback: the weights are missing", flush=True)
        return 3
    for step in range(1, 4):
        values = {"step": step, "steps": 3, "loss": 3.0 / step, "epoch": step / 3}
        print("metrics " + json.dumps(values), flush=True)
        track("loss", 3.0 / step, step)
    while recipe["description"] == "wait":
        time.sleep(0.05)
    write(asked, recipe)
    return 0


def track(key: str, value: float, step: int) -> None:
    """Log a metric as MLflow's client would."""
    body = {"run_id": os.environ["MLFLOW_RUN_ID"], "key": key, "value": value, "step": step,
            "timestamp": int(time.time() * 1000)}  # fmt: skip
    request = urllib.request.Request(
        os.environ["MLFLOW_TRACKING_URI"] + "/api/2.0/mlflow/runs/log-metric",
        data=json.dumps(body).encode(),
        headers={
            "Authorization": f"Bearer {os.environ['MLFLOW_TRACKING_TOKEN']}",
            "Content-Type": "application/json",
        },
    )
    try:
        urllib.request.urlopen(request, timeout=20).close()
    except urllib.error.HTTPError as error:
        raise SystemExit(f"MLflow refused: {error.read().decode()}") from error


def write(asked: argparse.Namespace, recipe: dict[str, object]) -> None:
    for folder in (asked.output, asked.checkpoints, asked.report):
        folder.mkdir(parents=True, exist_ok=True)
    manifest = {
        "fingerprint": template_fingerprint("{{ messages }}", {"eos_token": "<end>"}),
        "recipe": recipe["name"],
        "base_files": sorted(path.name for path in asked.base_model.iterdir())
        if asked.base_model
        else [],
        "steps": 3,
        "eval_loss": 1.25,
    }
    (asked.output / "tunestack.json").write_text(json.dumps(manifest))
    (asked.output / "sub").mkdir(exist_ok=True)
    (asked.output / "sub" / "weights.bin").write_bytes(bytes(range(256)))
    sample = {
        "messages": [{"role": "user", "content": "A hotel?"}],
        "reference": "No hotels. A walk?",
        "base": "Try Hotel Borges.",
        "tuned": "No hotels. A walk?",
    }
    (asked.report / "samples.jsonl").write_text(json.dumps(sample) + "\n")


if __name__ == "__main__":
    sys.exit(main())
