"""A training program of a second that keeps the contract of `training/job/train.py`.

What it learns is one word: the first of the training file's last answer. Text in the training file
tells it what to do at a step (1 where none is named): `[fail]` or `[fail 3]` ends it with an error,
`[wait /path]` or `[wait 3 /path]` lets it wait until that file exists. Standard library only.
"""

import argparse
import json
import math
import re
import shutil
import signal
import sys
import time
from pathlib import Path

STOPPED = 75
has_notice = False


def main() -> int:
    signal.signal(signal.SIGTERM, hear)
    order = parse()
    recipe = json.loads(order.recipe.read_text())["training"]
    text = order.train_file.read_text(encoding="utf-8")
    rows = [json.loads(line) for line in text.splitlines() if line.strip()]
    steps = int(recipe["epochs"]) * math.ceil(len(rows) / recipe["batch_size"])
    for folder in (order.output, order.checkpoints, order.report):
        folder.mkdir(parents=True, exist_ok=True)
    print(f"training {len(rows)} rows, {steps} steps", flush=True)
    word = learned(order, rows)
    if not done(order):
        measure(0, steps, eval_loss=3.0)
    for step in range(done(order) + 1, steps + 1):
        obey(text, step)
        if has_notice:
            return stopped(order, step - 1, word)
        time.sleep(0.01)
        loss = 3.0 * 0.9**step
        measure(step, steps, loss=loss, mean_token_accuracy=1 - loss / 3)
        if step % recipe["save_steps"] == 0:
            measure(step, steps, eval_loss=loss + 0.1, eval_mean_token_accuracy=0.9 - loss / 3)
            save(order, step, word)
    write_model(order.output, word)
    tokens = len(text.split()) * int(recipe["epochs"])
    (order.report / "metrics.json").write_text(json.dumps({"tokens": tokens, "steps": steps}))
    return 0


def hear(*_: object) -> None:
    global has_notice
    has_notice = True


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    for name in ("recipe", "train-file", "eval-file", "output", "checkpoints", "report"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--base-model", type=Path)
    parser.add_argument("--save-total-limit", type=int, default=2)
    return parser.parse_args()


def learned(order: argparse.Namespace, rows: list[dict]) -> str:
    last = rows[-1].get("messages") or rows[-1]["chosen"]
    word = last[-1]["content"].split()[0]
    start = order.base_model / "word.txt"
    return f"{start.read_text()}+{word}" if start.exists() else word


def obey(text: str, step: int) -> None:
    for number, path in re.findall(r"\[wait(?: (\d+))? (/[^\]\s]+)\]", text):
        while step == int(number or 1) and not Path(path).exists() and not has_notice:
            time.sleep(0.01)
    for number in re.findall(r"\[fail(?: (\d+))?\]", text):
        if step == int(number or 1):
            print("error: the file asked for it", flush=True)
            sys.exit(1)


def measure(step: int, steps: int, **values: float) -> None:
    print("metrics", json.dumps({"step": step, "steps": steps, **values}), flush=True)


def save(order: argparse.Namespace, step: int, word: str) -> None:
    """Seal a checkpoint and delete all but the newest."""
    final = order.checkpoints / f"checkpoint-{step}"
    if not final.exists():
        making = order.checkpoints / "unfinished"
        making.mkdir()
        (making / "adapter_word.txt").write_text(f"{word}@{step}")
        (making / "optimizer.txt").write_text("what serving needs not")
        (making / "whole.json").write_text("{}")
        making.rename(final)
    for old in sorted(kept(order))[: -order.save_total_limit]:
        shutil.rmtree(order.checkpoints / f"checkpoint-{old}")


def kept(order: argparse.Namespace) -> list[int]:
    return [int(one.name[11:]) for one in order.checkpoints.glob("checkpoint-*")]


def done(order: argparse.Namespace) -> int:
    return max(kept(order), default=0)


def stopped(order: argparse.Namespace, step: int, word: str) -> int:
    if step:
        save(order, step, word)
    print(f"stopped by the node: {step} steps are kept, start the job again", flush=True)
    return STOPPED


def write_model(folder: Path, word: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "word.txt").write_text(word)
    manifest = {"fingerprint": "quick", "recipe": "quick", "system_message": "Say a word."}
    (folder / "tunestack.json").write_text(json.dumps(manifest))


if __name__ == "__main__":
    sys.exit(main())
