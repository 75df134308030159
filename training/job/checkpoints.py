"""The last checkpoint that is whole, and what was found out before the first one."""

import json
import logging
from pathlib import Path
from typing import Any

log = logging.getLogger("job")

NEEDED = ("trainer_state.json", "optimizer.pt", "scheduler.pt", "rng_state*.pth")
WEIGHTS = ("*.safetensors",)


def last_whole_checkpoint(folder: Path) -> Path | None:
    """Give the newest checkpoint that a stopped job finished writing, if there is one."""
    found = sorted(folder.glob("checkpoint-*"), key=_step, reverse=True)
    for checkpoint in found:
        if all(_has(checkpoint, pattern) for pattern in NEEDED + WEIGHTS):
            log.info("resuming from %s", checkpoint.name)
            return checkpoint
        log.info("%s was not finished and is passed over", checkpoint.name)
    return None


def _step(checkpoint: Path) -> int:
    number = checkpoint.name.rpartition("-")[2]
    return int(number) if number.isdigit() else -1


def _has(checkpoint: Path, pattern: str) -> bool:
    return any(path.stat().st_size > 0 for path in checkpoint.glob(pattern))


class Before:
    """What the base model answered; kept beside the checkpoints, so that a resumed job has it."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "before.json"
        self._values: dict[str, Any] = {}
        if self._file.is_file():
            self._values = json.loads(self._file.read_text(encoding="utf-8"))

    def __contains__(self, name: str) -> bool:
        return name in self._values

    def __getitem__(self, name: str) -> Any:
        return self._values[name]

    def keep(self, name: str, value: object) -> None:
        """Write a value down, whole or not at all."""
        self._values[name] = value
        unfinished = self._file.with_suffix(".part")
        unfinished.write_text(json.dumps(self._values, ensure_ascii=False), encoding="utf-8")
        unfinished.replace(self._file)
