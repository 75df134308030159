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


class Curve:
    """Everything that was logged during training, and the watch over it."""

    def __init__(self) -> None:
        self.points: list[dict[str, float]] = []

    def add(self, step: int, steps: int, logs: dict[str, Any], *, say: bool) -> None:
        """Keep a point and, in the first process, print it for the command line to read.

        Raises:
            JobError: the loss is no number any more; every later step would be wasted.
        """
        point = {"step": step, "steps": steps}
        point |= {key: _plain(value) for key, value in logs.items() if _is_number(value)}
        for name in ("loss", "eval_loss"):
            if not math.isfinite(point.get(name, 0.0)):
                raise JobError(
                    f"the {name} is {point[name]} at step {step}: lower training.learning_rate"
                    " or training.max_grad_norm, or look for odd records in the data"
                )
        self.points.append(point)
        if say:
            log.info("metrics %s", json.dumps(point))

    def last(self, name: str) -> float | None:
        """Give the latest value of a metric."""
        return next((p[name] for p in reversed(self.points) if name in p), None)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) or hasattr(value, "item")


def _plain(value: Any) -> float:  # noqa: ANN401 - a number or a tensor of one
    return value if isinstance(value, int | float) else float(value.item())


def tell_mlflow(recipe: Recipe, data_sha256: str) -> None:
    """Put the recipe's settings beside the metrics of the MLflow run that is open, if one is."""
    import mlflow

    if mlflow.active_run() is None:
        return
    mlflow.log_params(_flat(recipe.as_dict()) | {"data_sha256": data_sha256})


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


def summary(
    before: dict[str, float], curve: Curve, train: dict[str, float], clock: Clock
) -> dict[str, Any]:
    """Give what metrics.json holds."""
    trained = train.get("num_tokens", 0)
    seconds = clock.seconds.get("training", 0)
    return {
        "eval_loss_before": before.get("eval_loss"),
        "eval_loss_after": curve.last("eval_loss"),
        "perplexity_before": _perplexity(before.get("eval_loss")),
        "perplexity_after": _perplexity(curve.last("eval_loss")),
        "token_accuracy_before": before.get("eval_mean_token_accuracy"),
        "token_accuracy_after": curve.last("eval_mean_token_accuracy"),
        "train_loss": train.get("train_loss"),
        "steps": int(train["steps"]),
        "tokens": int(trained),
        "tokens_per_second": round(trained / seconds, 1) if seconds else None,
        "curve": [point for point in curve.points if "loss" in point],
        "evaluations": [point for point in curve.points if "eval_loss" in point],
        "seconds": clock.seconds,
        "peak_memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }


def _perplexity(loss: float | None) -> float | None:
    return None if loss is None else math.exp(min(loss, 700.0))


def write_metrics(path: Path, metrics: dict[str, Any]) -> None:
    """Write metrics.json."""
    path.write_text(json.dumps(metrics, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
