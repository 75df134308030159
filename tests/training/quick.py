"""Orders for a training program that takes a second instead of minutes."""

import json
from pathlib import Path

from core.recipe import Recipe
from training.data.check import check_file
from training.submission import Order

QUICK_JOB = Path(__file__).parent / "quick_job"


def recipe(does: str = "succeed", **changes: object) -> Recipe:
    """A recipe whose description tells the quick program what to do."""
    base = {"source": "random", "id": "none", "revision": "r1"}
    fields = {"name": "quick", "model_name": "quick", "method": "full", "base": base}
    return Recipe.model_validate({**fields, "description": does, **changes})


def order(folder: Path, recipe: Recipe) -> Order:
    """An order with two small checked files."""
    return Order(
        recipe,
        check_file(chats(folder / "train.jsonl", range(12))),
        check_file(chats(folder / "validation.jsonl", range(12, 14))),
        "cpu",
        timeout_hours=0.1,
        code=QUICK_JOB,
    )


def chats(path: Path, numbers: range) -> Path:
    lines = [
        {
            "messages": [
                {"role": "user", "content": f"Question {number}"},
                {"role": "assistant", "content": f"Answer {number}"},
            ]
        }
        for number in numbers
    ]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path
