"""The run's own report, beside its outputs: a page, the curves as a picture, and the facts.

Written at evaluations, at the end and when the job fails, so that whoever looks sees how it
goes; drawing takes at most a twentieth of the training's time.
"""

import contextlib
import importlib.metadata
import json
import logging
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from chart import draw
from device import Device
from failure import explain
from overfit import judge
from page import render
from recipe_file import Recipe, is_first_process
from run_facts import complete
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

log = logging.getLogger("job")

FACTS, PAGE, PICTURE = "run.json", "index.html", "curve.png"
PACKAGES = ("torch", "transformers", "trl", "peft", "datasets", "accelerate", "tokenizers")
SHARE = 20
"""A drawing is left out where the last one is not this many times its duration ago."""


class RunReport(TrainerCallback):
    """What is known of the run so far, and the files that tell it."""

    def __init__(
        self, folder: Path, recipe: Recipe, data_sha256: dict[str, str], device: Device
    ) -> None:
        self._folder = folder
        self._drawn = (0.0, 0.0)
        """When the last drawing ended, and the seconds that it took."""
        self._facts: dict[str, Any] = {
            "name": os.environ.get("MLFLOW_RUN_ID") or os.environ.get("AZUREML_RUN_ID") or "",
            "state": "running",
            "recipe": recipe.as_dict(),
            "packages": {name: importlib.metadata.version(name) for name in PACKAGES},
            "data_sha256": data_sha256,
            "device": f"{device.kind} in {device.dtype_name}",
            "history": [],
        }

    @contextlib.contextmanager
    def told(self) -> Iterator["RunReport"]:
        """Write the report of a run that ends inside before its time, with the reason."""
        try:
            yield self
        except Exception as error:
            self.write(state="failed", error=explain(error))
            raise
        except BaseException:
            self.write(state="stopped")
            raise

    def on_log(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: object
    ) -> None:
        """Know the history, also if the next step fails."""
        self._facts["history"] = state.log_history
        self._facts["steps"] = state.max_steps

    def on_evaluate(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: object
    ) -> None:
        """Write how far the run is."""
        ended, took = self._drawn
        if time.monotonic() - ended >= SHARE * took:
            self.write()

    def finish(self, samples: Path, metrics: dict[str, Any]) -> None:
        """Write the report of a run that is done, and put it into MLflow beside the metrics."""
        with samples.open(encoding="utf-8") as lines:
            answers = [json.loads(line) for line in lines]
        self.write(
            state="completed",
            samples=answers,
            kept_step=metrics.get("kept_step"),
            phases=metrics["seconds"],
            next=[f"tunestack models register {self._facts['name']}", "tunestack deploy"],
        )
        if is_first_process():
            _to_mlflow(self._folder)

    def write(self, **facts: Any) -> None:
        """Write the files from the first process; a report that fails never ends the job."""
        self._facts |= facts
        if not is_first_process():
            return
        begin = time.monotonic()
        try:
            write_report(self._folder, self._facts)
        except Exception as error:  # noqa: BLE001 - whatever it is, the model matters more
            log.warning("the report was not written: %s", " ".join(str(error).split())[:300])
        self._drawn = (time.monotonic(), time.monotonic() - begin)


def write_report(folder: Path, facts: dict[str, Any]) -> None:
    """Write the facts, then the picture and the page that are made from them."""
    folder.mkdir(parents=True, exist_ok=True)
    run = complete(facts, judge)
    (folder / FACTS).write_text(json.dumps(run, ensure_ascii=False), encoding="utf-8")
    png, svg = draw(run["history"], run["name"] or "run", run.get("best_step"))
    (folder / PICTURE).write_bytes(png)
    (folder / PAGE).write_text(render(run, svg), encoding="utf-8")


def _to_mlflow(folder: Path) -> None:
    """Put page and picture into the run's artifacts, where the studio shows them."""
    if not os.environ.get("MLFLOW_TRACKING_URI"):
        return
    import mlflow

    try:
        run = os.environ.get("MLFLOW_RUN_ID") or mlflow.last_active_run().info.run_id
        for name in (PICTURE, PAGE):
            mlflow.MlflowClient().log_artifact(run, str(folder / name), "report")
    except Exception as error:  # noqa: BLE001 - whatever it is, the model matters more
        why = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        log.info("the report is in the job's output `report`, not in MLflow too (%s)", why)
