"""Checkpoints that are whole or not there: their seal, the best one, and which are deleted.

A mounted blob store renames a folder file by file, and may keep a file's name and lose its end.
So a checkpoint counts only when every file is as its seal says, which is written last. How a
trainer fills one is saving.py's.
"""

import hashlib
import json
import logging
import os
import shutil
from pathlib import Path
from typing import Any

log = logging.getLogger("job")

SEAL = "whole.json"
"""Names, sizes and hashes of a checkpoint's files."""
UNFINISHED = "unfinished"
"""The folder beside the checkpoints in which the next one is written."""
BEST = "best.json"
KEPT = 2
"""Newest checkpoints that stay by default; one more where the best is older."""
HASHED = 1 << 20
"""Bytes up to which a file is hashed; of weights the size tells, as a cut-off is what happens."""


def publish(unfinished: Path, final: Path) -> None:
    """Seal a written checkpoint and give it its name."""
    _seal(unfinished)
    discard(final)  # what has the name and is not whole
    unfinished.rename(final)
    _flush(final.parent)


def _seal(checkpoint: Path) -> None:
    files = [path for path in sorted(checkpoint.rglob("*")) if path.is_file()]
    for path in files:
        _flush(path)
    known = {str(path.relative_to(checkpoint)): _traits(path) for path in files}
    write_whole(checkpoint / SEAL, {"files": known})
    _flush(checkpoint)


def _traits(path: Path) -> dict[str, Any]:
    size = path.stat().st_size
    if size > HASHED:
        return {"bytes": size}
    return {"bytes": size, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}


def write_whole(path: Path, value: object) -> None:
    """Write JSON, whole or not at all, through to the disk."""
    unfinished = path.with_suffix(".part")
    unfinished.write_text(json.dumps(value, ensure_ascii=False), encoding="utf-8")
    _flush(unfinished)
    unfinished.replace(path)


def _flush(path: Path) -> None:
    """Send what was written through to the disk; some mounts cannot do so for a folder."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError:
        if not path.is_dir():
            raise
    finally:
        os.close(handle)


def is_whole(checkpoint: Path) -> bool:
    """Tell whether every file is there as the seal says; files beyond it do no harm."""
    sealed = read_json(checkpoint / SEAL).get("files", {})
    try:
        return bool(sealed) and all(_traits(checkpoint / k) == v for k, v in sealed.items())
    except OSError:
        return False


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object; empty where it is missing or broken."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def whole_checkpoints(folder: Path) -> list[Path]:
    """Give the checkpoints that can be trusted, the newest first."""
    found = sorted(folder.glob("checkpoint-*"), key=step_of, reverse=True)
    return [checkpoint for checkpoint in found if is_whole(checkpoint)]


def last_whole_checkpoint(folder: Path) -> Path | None:
    """Give the newest checkpoint that a stopped job finished writing, if there is one."""
    for checkpoint in sorted(folder.glob("checkpoint-*"), key=step_of, reverse=True):
        if is_whole(checkpoint):
            log.info("resuming from %s", checkpoint.name)
            return checkpoint
        log.info("%s was not finished and is passed over", checkpoint.name)
    return None


def step_of(checkpoint: Path) -> int:
    """Give the number of steps behind a checkpoint; -1 for what has no such name."""
    number = checkpoint.name.rpartition("-")[2]
    return int(number) if number.isdigit() else -1


def kept_steps(folder: Path) -> int:
    """Give the steps that a restarted job need not train again."""
    whole = whole_checkpoints(folder)
    return step_of(whole[0]) if whole else 0


def best_evaluation(history: list[dict[str, Any]], steps: set[int]) -> dict[str, Any] | None:
    """Give the evaluation of the lowest loss among `steps`, the earliest where several are equal.

    That of step 0 measures the base model and is no candidate.
    """
    points = [p for p in history if "eval_loss" in p and p["step"] > 0 and p["step"] in steps]
    return min(points, key=lambda point: (point["eval_loss"], point["step"]), default=None)


def tidy(folder: Path, history: list[dict[str, Any]], newest: int = KEPT) -> None:
    """Name the best whole checkpoint and delete what is neither best nor among the newest.

    Nothing is deleted before the newest one is whole.
    """
    whole = whole_checkpoints(folder)
    kept = set(whole[:newest])
    best = best_evaluation(history, {step_of(checkpoint) for checkpoint in whole})
    if best is not None:
        name = f"checkpoint-{best['step']}"
        kept.add(folder / name)
        named = {"checkpoint": name, "step": best["step"], "eval_loss": best["eval_loss"]}
        if read_json(folder / BEST) != named:
            _name_best(folder / BEST, named)
    for checkpoint in folder.glob("checkpoint-*"):
        if whole and checkpoint not in kept:
            discard(checkpoint)


def _name_best(file: Path, named: dict[str, Any]) -> None:
    try:
        write_whole(file, named)
    except OSError as error:  # a full disk: the checkpoints themselves are whole
        log.warning("%s could not be written: %s", file.name, error)


def make_room(folder: Path, history: list[dict[str, Any]], coming: int) -> bool:
    """Delete whole checkpoints that a full disk can spare; tell whether any was.

    The newest stays, and the best, unless the step that is `coming` is better.
    """
    whole = whole_checkpoints(folder)
    best = best_evaluation(history, {step_of(checkpoint) for checkpoint in whole} | {coming})
    spared = [c for c in whole[1:] if best is None or step_of(c) != best["step"]]
    for checkpoint in spared:
        log.info("%s is deleted to make room for a newer one", checkpoint.name)
        discard(checkpoint)
    return bool(spared)


def discard(checkpoint: Path) -> None:
    """Delete a checkpoint, its seal first: half of one must never pass for a whole one."""
    (checkpoint / SEAL).unlink(missing_ok=True)
    shutil.rmtree(checkpoint, ignore_errors=True)


class Before:
    """What the base model answered; kept beside the checkpoints, so that a resumed job has it."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "before.json"
        self._values: dict[str, Any] = read_json(self._file)

    def __contains__(self, name: str) -> bool:
        return name in self._values

    def __getitem__(self, name: str) -> Any:
        return self._values[name]

    def keep(self, name: str, value: object) -> None:
        """Write a value down, whole or not at all."""
        self._values[name] = value
        write_whole(self._file, self._values)
