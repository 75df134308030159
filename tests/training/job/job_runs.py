"""Runs of the job program, and what they leave behind."""

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from core import overfit, template_fingerprint
from core.recipe import Recipe

ROOT = Path(__file__).resolve().parents[3]
JOB = ROOT / "training" / "job"

# The job is a flat folder of its own, with what core shares beside it.
sys.path.insert(0, str(JOB))
sys.modules["template_fingerprint"] = template_fingerprint
sys.modules["overfit"] = overfit

SYSTEM = "You know the lighthouse."
NAMES = ("Ada", "Bo", "Cleo", "Dario", "Edda", "Finn", "Gus", "Hana", "Ivo", "June")
FACTS = (
    ("Where does {} live?", "{} lives in room {}."),
    ("What does {} keep?", "{} keeps {} gulls."),
)


@dataclass(frozen=True)
class Run:
    """What a run of the job left behind."""

    code: int
    log: str
    folder: Path

    @property
    def output(self) -> Path:
        return self.folder / "model"

    @property
    def metrics(self) -> dict[str, Any]:
        return json.loads((self.folder / "report" / "metrics.json").read_text())

    @property
    def samples(self) -> list[dict[str, Any]]:
        lines = (self.folder / "report" / "samples.jsonl").read_text().splitlines()
        return [json.loads(line) for line in lines]

    @property
    def manifest(self) -> dict[str, Any]:
        return json.loads((self.output / "tunestack.json").read_text())

    @property
    def losses(self) -> list[float]:
        return [point["loss"] for point in self.metrics["curve"]]

    @property
    def error(self) -> str:
        return next(line for line in self.log.splitlines() if line.startswith("error: "))


def conversations(count: int = 32) -> list[dict[str, Any]]:
    """Make `count` different questions with one answer each."""
    records = []
    for number in range(count):
        question, answer = FACTS[number % 2]
        name = NAMES[number // 2 % len(NAMES)] + "abcd"[number // 20]
        turns = (("system", SYSTEM), ("user", question.format(name)))
        records.append([*turns, ("assistant", answer.format(name, 7 * number + 11))])
    return [{"messages": [{"role": r, "content": c} for r, c in turns]} for turns in records]


def write_jsonl(path: Path, records: list[dict[str, Any]]) -> Path:
    """Write records one a line."""
    path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    return path


def recipe(name: str = "tiny-phi3", **changes: Any) -> Recipe:
    """Read a recipe of the project; `changes` replace fields, those of `training` one by one."""
    fields = yaml.safe_load((ROOT / "training" / "recipes" / f"{name}.yaml").read_text())
    for key, value in changes.items():
        fields[key] = {**fields.get(key, {}), **value} if isinstance(value, dict) else value
    return Recipe(**fields)


JobRunner = Callable[..., Run]


def arguments(
    folder: Path,
    chosen: Recipe,
    train: list[dict[str, Any]] | None = None,
    evaluation: list[dict[str, Any]] | None = None,
) -> list[str]:
    """Write the job's files and give its command line."""
    folder.mkdir(parents=True, exist_ok=True)
    records = conversations() if train is None else train
    (folder / "recipe.json").write_text(chosen.model_dump_json())
    files = {
        "recipe": folder / "recipe.json",
        "train-file": write_jsonl(folder / "train.jsonl", records),
        "eval-file": write_jsonl(
            folder / "eval.jsonl", records if evaluation is None else evaluation
        ),
        "output": folder / "model",
        "checkpoints": folder / "checkpoints",
        "report": folder / "report",
    }
    return [part for name, path in files.items() for part in (f"--{name}", str(path))]
