"""The curve of a training, from the lines of its log: each update is told once, whole.

What was told is kept beside the training, so that one that goes on after a pause, or after the
local Azure was killed, repeats nothing.
"""

import contextlib
import json
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from local.tuning.orders import Step

MARK = "metrics "
NAMES = {
    "train_loss": ("loss",),
    "train_accuracy": ("mean_token_accuracy",),
    "valid_loss": ("eval_loss",),
    "valid_accuracy": ("eval_mean_token_accuracy",),
}
"""A step's figures by their names in the log."""


class Log:
    """A log that grows, read line by line as it comes.

    From its beginning: what an earlier server had not read yet when it was killed is told, too.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset, self._partial = 0, b""

    def new_lines(self) -> list[str]:
        """Give the whole lines that came since the last call."""
        if not self._path.exists():
            return []
        with self._path.open("rb") as file:
            file.seek(self._offset)
            content = file.read()
        self._offset += len(content)
        *lines, self._partial = (self._partial + content).split(b"\n")
        return [line.decode(errors="replace") for line in lines]


class Curve:
    """What was measured so far."""

    def __init__(self, file: Path, *, has_validation: bool) -> None:
        """`file` keeps what was told; without validation, what measures it is left out."""
        self._file, self._has_validation = file, has_validation
        self._pending: Step | None = None
        self._steps = {step.step: step for step in _told(file)}
        self.tokens = 0
        """Trained on, as the log last said."""

    @property
    def steps(self) -> tuple[Step, ...]:
        """The curve, update by update."""
        return tuple(self._steps[number] for number in sorted(self._steps))

    def at(self, step: int) -> Step | None:
        """Give what was measured at an update."""
        return self._steps.get(step)

    def read(self, lines: list[str]) -> Iterator[Step]:
        """Give what the lines complete: an update is whole with the next one, or its validation."""
        for line in lines:
            step = self._measured(line)
            if step is None:
                continue
            before, self._pending = self._pending, step
            if before is not None and before.step == step.step:
                self._pending = None
                yield from self._keep(_joined(before, step))
            elif before is not None:
                yield from self._keep(before)

    def rest(self) -> Iterator[Step]:
        """Give the last update, when nothing more comes."""
        pending, self._pending = self._pending, None
        if pending is not None:
            yield from self._keep(pending)

    def _measured(self, line: str) -> Step | None:
        if not line.startswith(MARK):
            return None
        try:
            found: dict[str, Any] = json.loads(line.removeprefix(MARK))
        except ValueError:
            return None
        self.tokens = int(found.get("num_tokens") or self.tokens)
        if not found.get("step"):  # 0: the base, before any update
            return None
        values = {
            ours: next((found[name] for name in theirs if name in found), None)
            for ours, theirs in NAMES.items()
        }
        step = Step(int(found["step"]), int(found.get("steps") or 0), **values)
        if not self._has_validation:
            step = replace(step, valid_loss=None, valid_accuracy=None)
        return step

    def _keep(self, step: Step) -> Iterator[Step]:
        if step.step in self._steps:
            return
        self._steps[step.step] = step
        with self._file.open("a", encoding="utf-8") as file:
            file.write(f"\n{json.dumps(asdict(step))}\n")
        yield step


def _told(file: Path) -> Iterator[Step]:
    """Read what was told; a line that a killed server did not end was not."""
    for line in file.read_text(encoding="utf-8").splitlines() if file.exists() else ():
        with contextlib.suppress(ValueError):
            yield Step(**json.loads(line))


def _joined(one: Step, other: Step) -> Step:
    return Step(
        **{
            name: value if value is not None else getattr(other, name)
            for name, value in asdict(one).items()
        }
    )
