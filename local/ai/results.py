"""The file of results that a job leaves: its curve, a line per step."""

import csv
from pathlib import Path

from local.ai import file_store
from local.ai.forms import draft
from local.tuning.orders import Step
from local.world import World

COLUMNS = (
    "step",
    "train_loss",
    "train_mean_token_accuracy",
    "valid_loss",
    "validation_mean_token_accuracy",
    "full_valid_loss",
    "full_valid_mean_token_accuracy",
)
"""As Azure's page has them; `validation_` once, although events say `valid_` there."""


def add_results(world: World, account_id: str, curve: tuple[Step, ...]) -> str:
    """Write `results.csv` into the account's files; give the file's id."""
    path = draft(world)
    _write(path, curve)
    record = file_store.add(world, account_id, path, "results.csv", purpose=file_store.RESULTS)
    return str(record["id"])


def _write(path: Path, curve: tuple[Step, ...]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(COLUMNS)
        for step in curve:
            rows.writerow(_row(step))


def _row(step: Step) -> list[float | None]:
    valid = [step.valid_loss, step.valid_accuracy]
    return [step.step, step.train_loss, step.train_accuracy, *valid, *valid]
