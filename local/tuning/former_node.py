"""The node of an earlier start: it outlives a killed server until its program has saved its step.

Two programs must not write into one training's folder at a time.
"""

import contextlib
import json
import logging
import time
from pathlib import Path

import psutil

log = logging.getLogger("local.tuning")
RECORD = "node.json"
SAME = 1.0
"""Seconds by which two readings of one process's start may differ: the clock is set meanwhile."""
LOOK = 0.05
"""Seconds between two looks; an orphan can only be waited for by looking."""


def note(folder: Path, pid: int) -> None:
    """Write down which process runs a training."""
    try:
        known = {"pid": pid, "created": psutil.Process(pid).create_time()}
    except psutil.Error:  # it is over already
        return
    (folder / RECORD).write_text(json.dumps(known))


def wait_until_gone(folder: Path, patience: float) -> None:
    """Wait for the process that runs a training, if one does; kill it after `patience` seconds."""
    process, deadline = _found(folder), time.monotonic() + patience
    with contextlib.suppress(psutil.NoSuchProcess):
        # A zombie runs nothing any more, and nobody may be there to collect it.
        while process is not None and process.status() != psutil.STATUS_ZOMBIE:
            if time.monotonic() > deadline:
                log.warning("%s: what a former server ran does not end and is killed", folder)
                process.kill()
            time.sleep(LOOK)


def _found(folder: Path) -> psutil.Process | None:
    try:
        known = json.loads((folder / RECORD).read_text())
        process = psutil.Process(known["pid"])
        is_same = abs(process.create_time() - known["created"]) < SAME
    except (OSError, ValueError, KeyError, psutil.Error):
        return None
    return process if is_same else None
