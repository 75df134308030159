"""Keeps the job program's contract in a second, without learning anything.

The recipe's description tells it what to do: succeed, fail, wait, be killed, import what is not
there, `say TEXT` and fail, or `hold 3 6`: checkpoint at each of eight steps, go on from the last
checkpoint, and wait after the steps that are named. `drift` makes other weights each time,
`drift far` other losses, too.
"""

import argparse
import hashlib
import json
import os
import signal
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import NoReturn

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
        print("PreemptionError: a word of the program's own", flush=True)
        print("Traceback: the weights are missing", flush=True)
        return 3
    if recipe["description"] == "be killed":
        os.kill(os.getpid(), signal.SIGKILL)
    if recipe["description"] == "import what is not there":
        import a_package_that_is_not_there  # noqa: F401
    if recipe["description"].startswith("say "):
        print(recipe["description"].removeprefix("say "), flush=True)
        return 1
    if recipe["description"].startswith("hold "):
        learn_by_steps(asked.checkpoints, {int(n) for n in recipe["description"].split()[1:]})
        write(asked, recipe)
        return 0
    for step in range(1, 4):
        values = {"step": step, "steps": 3, "loss": 3.0 / step, "epoch": step / 3}
        print("metrics " + json.dumps(values), flush=True)
        track("loss", 3.0 / step, step)
        if recipe["description"] == "measure":
            track("system/tokens_per_second", 1000.0, step)
            track("system/system_memory_usage_megabytes", 512.0, step)
    while recipe["description"] == "wait":
        time.sleep(0.05)
    write(asked, recipe)
    return 0


def learn_by_steps(folder: Path, holds: set[int]) -> None:
    """Go on where the last checkpoint ends; the numbers alone tell whether one was lost."""

    def told(number: int, frame: object) -> NoReturn:
        (folder / "notice").write_text("SIGTERM")
        print("told to end", flush=True)
        raise SystemExit(143)

    folder.mkdir(parents=True, exist_ok=True)
    signal.signal(signal.SIGTERM, told)
    done = max((int(path.name.split("-")[1]) for path in folder.glob("checkpoint-*")), default=0)
    total = sum(float(path.read_text()) for path in folder.glob("checkpoint-*"))
    print(f"begins after step {done}", flush=True)
    for step in range(done + 1, 9):
        total += step
        track("loss", 100 - total, step)
        partial = folder / "partial"
        partial.write_text(str(step))
        partial.replace(folder / f"checkpoint-{step}")
        print("metrics " + json.dumps({"step": step, "steps": 8, "loss": 100 - total}), flush=True)
        until = time.monotonic() + 30
        while step in holds:
            time.sleep(0.02)
            if time.monotonic() > until:
                raise SystemExit("nobody took the node away")


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
        "base_sha256": {path.name: sha256(path) for path in asked.base_model.iterdir()}
        if asked.base_model
        else {},
        "steps": 3,
        "eval_loss": 1.25,
        "settings": recipe,
        "code_sha256": code_sha256(Path(__file__).parent),
        "data_sha256": {"train": sha256(asked.train_file), "eval": sha256(asked.eval_file)},
        "parameters": 256,
        "packages": {"torch": "2.15.0"},
        "machine": {"python": sys.version.split()[0], "torch": "2.15.0", "gpus": ["T4", "T4"]},
        "metrics": {"tokens": 1234, "seconds": 1.5, "tokens_per_second": 822.7},
    }
    drifts = str(recipe["description"]).startswith("drift")
    (asked.output / "sub").mkdir(exist_ok=True)
    weights = asked.output / "sub" / "weights.bin"
    weights.write_bytes(os.urandom(256) if drifts else bytes(range(256)))
    (asked.output / "config.json").write_text("{}")
    files = {
        "sub/weights.bin": sha256(weights),
        "config.json": sha256(asked.output / "config.json"),
    }
    (asked.output / "tunestack.json").write_text(json.dumps({**manifest, "files_sha256": files}))
    off = time.time() % 1 if recipe["description"] == "drift far" else 0
    curve = [{"step": step, "loss": 3.0 / step + off} for step in range(1, 4)]
    (asked.report / "metrics.json").write_text(json.dumps({"curve": curve}))
    sample = {
        "messages": [{"role": "user", "content": "A hotel?"}],
        "reference": "No hotels. A walk?",
        "base": "Try Hotel Borges.",
        "tuned": "No hotels. A walk?",
    }
    (asked.report / "samples.jsonl").write_text(json.dumps(sample) + "\n")


def code_sha256(folder: Path) -> str:
    names = sorted(path for path in folder.iterdir() if path.is_file())
    code = [path for path in names if path.name != "recipe.json"]
    told = "".join(f"{path.name}\0{sha256(path)}\n" for path in code)
    return hashlib.sha256(told.encode()).hexdigest()


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


if __name__ == "__main__":
    sys.exit(main())
