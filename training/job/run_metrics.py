"""What a run measures: lines for whoever follows the log, MLflow, and one file at the end."""

import contextlib
import json
import logging
import math
import resource
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from failure import JobError
from recipe_file import Recipe

log = logging.getLogger("job")


class Clock:
    """Seconds per phase of the job, in the order in which the phases came."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextlib.contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Time a phase and say when it begins."""
        log.info("%s …", name)
        begin = time.monotonic()
        yield
        self.seconds[name] = round(self.seconds.get(name, 0) + time.monotonic() - begin, 2)


SHOWN = (
    "loss",
    "eval_loss",
    "mean_token_accuracy",
    "eval_mean_token_accuracy",
    "rewards/accuracies",
    "rewards/margins",
    "eval_rewards/accuracies",
    "eval_rewards/margins",
    "learning_rate",
    "grad_norm",
    "num_tokens",
    "epoch",
    "tokens_per_second",
    "gpu_memory_mb",
    "memory_mb",
    "seconds",
    "eta_seconds",
)
"""What a metrics line shows; everything that the trainer logs goes to MLflow."""


def show_metrics(step: int, steps: int, logs: dict[str, Any]) -> None:
    """Print a line of metrics for the command line to read."""
    known = {name: float(f"{float(logs[name]):.6g}") for name in SHOWN if name in logs}
    if known.keys() - {"epoch"}:
        log.info("metrics %s", json.dumps({"step": step, "steps": steps} | known))


def check_loss(step: int, logs: dict[str, Any]) -> None:
    """Stop a training whose loss is no number any more; every later step would be wasted."""
    for name in ("loss", "eval_loss"):
        if not math.isfinite(logs.get(name, 0.0)):
            raise JobError(
                f"the {name} is {logs[name]} at step {step}: lower training.learning_rate or"
                " training.max_grad_norm, or look for odd records in the data"
            )


def run_settings(recipe: Recipe, data_sha256: str) -> dict[str, str]:
    """Give what stands beside the metrics of an MLflow run: the recipe and its data."""
    return _flat(recipe.as_dict()) | {"data_sha256": data_sha256}


def _flat(fields: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Flatten a recipe to dotted names, within MLflow's length of a parameter."""
    flat: dict[str, Any] = {}
    for name, value in fields.items():
        if isinstance(value, dict):
            flat |= _flat(value, f"{prefix}{name}.")
        elif name != "description":
            flat[prefix + name] = str(value)[:250]
    return flat


def end_mlflow(status: str) -> None:
    """Close the open MLflow run, if there is one."""
    import mlflow

    if mlflow.active_run() is not None:
        mlflow.end_run(status)


REWARD_ACCURACY = "eval_rewards/accuracies"
"""Share of the pairs whose wanted answer is the likelier one, against the base model."""


def summary(history: list[dict[str, Any]], clock: Clock, *, is_resumed: bool) -> dict[str, Any]:
    """Give what metrics.json holds, from the trainer's whole history, resumed or not."""
    curve = [point for point in history if "loss" in point]
    evaluations = [point for point in history if "eval_loss" in point]
    before = evaluations[0] if evaluations and evaluations[0]["step"] == 0 else {}
    after = evaluations[-1] if evaluations else {}
    end = curve[-1] if curve else {}
    return {
        "eval_loss_before": before.get("eval_loss"),
        "eval_loss_after": after.get("eval_loss"),
        "perplexity_before": perplexity(before),
        "perplexity_after": perplexity(after),
        "token_accuracy_before": before.get("eval_mean_token_accuracy"),
        "token_accuracy_after": after.get("eval_mean_token_accuracy"),
        "reward_accuracy_before": before.get(REWARD_ACCURACY),
        "reward_accuracy_after": after.get(REWARD_ACCURACY),
        "train_loss": end.get("loss"),
        "steps": end.get("step", 0),
        "tokens": int(end.get("num_tokens", 0)),
        "is_resumed": is_resumed,
        "tokens_per_second": speed(curve),
        "curve": curve,
        "evaluations": evaluations,
        "seconds": clock.seconds,
        "peak_memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }


def speed(curve: list[dict[str, Any]]) -> float | None:
    """Give the tokens per second of training alone: no evaluations, no saves, no restarts."""
    timed = [
        (point["tokens_per_second"], point["training_seconds"])
        for point in curve
        if {"tokens_per_second", "training_seconds"} <= point.keys()
    ]
    seconds = sum(taken for _, taken in timed)
    if seconds <= 0:
        return None
    return round(sum(rate * taken for rate, taken in timed) / seconds, 1)


def perplexity(point: dict[str, Any]) -> float | None:
    """Give the perplexity; a loss over pairs of answers is none of tokens and has none."""
    if "eval_loss" not in point or REWARD_ACCURACY in point:
        return None
    return math.exp(min(point["eval_loss"], 700.0))


def write_metrics(path: Path, metrics: dict[str, Any]) -> None:
    """Write metrics.json."""
    path.write_text(json.dumps(metrics, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
