"""What the job would make of a data file: tokens, and which of them are learned.

Asks training/job/preview.py, the code that the node runs, in a process of its own: it needs
transformers (the `tokens` extra, no torch), which the commands themselves do without. Counts are
kept in the state folder, so that the same file and base model cost nothing the second time.
"""

import importlib.util
import json
import math
import os
import subprocess
import sys
import tempfile
from array import array
from bisect import bisect_left, insort
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.errors import PrerequisiteError, SettingsError
from core.home import home
from core.recipe import Recipe
from training.assets import packaged_weights
from training.environment import JOB_FOLDER

PREVIEW = JOB_FOLDER / "preview.py"
NO_BASE = 3
"""Exit code of the preview: the base model's tokenizer cannot be had."""
PACKED_TOGETHER = 1000
"""Conversations that TRL packs at a time: the batch of `Dataset.map` in its `pack_dataset`."""


@dataclass(frozen=True)
class Counts:
    """The lengths of a file's conversations; lines that hold none are not in it."""

    path: Path
    lines: "array[int]"
    tokens: "array[int]"
    learned: "array[int]"
    """Of each conversation's tokens, those whose loss counts."""

    @property
    def total(self) -> int:
        """Count all tokens."""
        return sum(self.tokens)

    def longer_than(self, limit: int) -> list[tuple[int, int]]:
        """List line and length of conversations that have more tokens than `limit`."""
        pairs = zip(self.lines, self.tokens, strict=True)
        return [(line, tokens) for line, tokens in pairs if tokens > limit]


def count_tokens(
    file: Path, recipe: Recipe, *, train_file: Path | None = None, base: Path | None = None
) -> Counts:
    """Count the tokens of each conversation as the base model's template and tokenizer make them.

    Args:
        file: JSONL of conversations.
        recipe: names the base model.
        train_file: what a random base model's tokenizer is made from; `file` where not given.
        base: folder with the base model's files, instead of where the recipe takes it from.

    Raises:
        PrerequisiteError: packages or the base model's tokenizer are missing.
        SettingsError: the file cannot be read, or the recipe learns from pairs of answers.
    """
    keep = home() / "tokens"
    found = _preview(recipe, file, train_file or file, base, ["--keep", str(keep)])
    numbers = array("I")
    with Path(found["counts"]).open("rb") as counts:
        numbers.fromfile(counts, 3 * found["rows"])
    return Counts(file, numbers[0::3], numbers[1::3], numbers[2::3])


def tokens_of_line(
    file: Path,
    line: int,
    recipe: Recipe,
    *,
    train_file: Path | None = None,
    base: Path | None = None,
) -> dict[str, Any]:
    """Give the rendered text of the record on a line, and its tokens.

    Each token is a mapping: `token` (its text), `id`, `learns`, `start` and `end` in the text,
    and `raw`, its name in the vocabulary.

    Raises:
        PrerequisiteError: packages or the base model's tokenizer are missing.
        SettingsError: there is no conversation on that line.
    """
    return _preview(recipe, file, train_file or file, base, ["--line", str(line)])


def packs(lengths: Iterable[int], max_length: int) -> int:
    """Count the packs of `max_length` tokens that TRL's `bfd_split` makes of conversations.

    What is longer is split; then the longest first go where they leave the least space.
    """
    given, count = list(lengths), 0
    for start in range(0, len(given), PACKED_TOGETHER):
        spaces: list[int] = []
        for piece in sorted(_pieces(given[start : start + PACKED_TOGETHER], max_length))[::-1]:
            place = bisect_left(spaces, piece)
            if place == len(spaces):
                count += 1
                insort(spaces, max_length - piece)
            else:
                insort(spaces, spaces.pop(place) - piece)
    return count


def _pieces(lengths: list[int], max_length: int) -> Iterable[int]:
    for length in lengths:
        yield from [max_length] * (length // max_length)
        if rest := length % max_length:
            yield rest


def steps_of(recipe: Recipe, lengths: Iterable[int]) -> int:
    """Count a run's optimiser updates."""
    ours = recipe.training
    if ours.max_steps > 0:
        return ours.max_steps
    given = list(lengths)
    rows = packs(given, ours.max_length) if ours.packing else len(given)
    batches = math.ceil(rows / (ours.batch_size * ours.processes * ours.nodes))
    return math.ceil(ours.epochs * math.ceil(batches / ours.accumulation))


def _preview(
    recipe: Recipe, file: Path, train_file: Path, base: Path | None, order: list[str]
) -> dict[str, Any]:
    if recipe.objective != "sft":
        raise SettingsError(
            f"The recipe {recipe.name} learns from pairs of answers; tokens are shown for chats."
        )
    _require_packages(recipe)
    weights = None if base else packaged_weights(recipe)
    folder = base or (weights.parent if weights else None)
    with tempfile.TemporaryDirectory() as work:
        given = Path(work) / "recipe.json"
        given.write_text(recipe.model_dump_json(), encoding="utf-8")
        command = [sys.executable, str(PREVIEW), "--recipe", str(given), "--file", str(file)]
        command += ["--train-file", str(train_file), *order]
        command += ["--base-model", str(folder)] if folder else []
        quiet = {"TRANSFORMERS_VERBOSITY": "error", "HF_HUB_DISABLE_PROGRESS_BARS": "1"}
        done = subprocess.run(
            command, env=os.environ | quiet, capture_output=True, text=True, check=False
        )
    if done.returncode:
        raise _reason(recipe, done)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def _require_packages(recipe: Recipe) -> None:
    needed = ["transformers", "jinja2", *(["gguf"] if recipe.base.file else [])]
    missing = [name for name in needed if importlib.util.find_spec(name) is None]
    if missing:
        raise PrerequisiteError(
            f"Tokens take the base model's tokenizer; not installed: {', '.join(missing)}.",
            hint="pip install 'tunestack[tokens]'  (no torch)",
        )


def _reason(recipe: Recipe, done: "subprocess.CompletedProcess[str]") -> Exception:
    lines = done.stderr.splitlines()
    told = [line.removeprefix("error: ") for line in lines if line.startswith("error: ")]
    if not told:
        return RuntimeError(f"{PREVIEW.name} ended with {done.returncode}:\n{done.stderr}")
    if done.returncode == NO_BASE:
        hint = "It is downloaded from the hub once: this needs a network, and HF_TOKEN if gated."
        return PrerequisiteError(told[-1], hint=hint if recipe.base.source == "hub" else "")
    return SettingsError(told[-1], hint="tunestack data check names every line that is at fault.")
