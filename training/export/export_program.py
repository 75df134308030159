"""How every export program runs: its arguments, its log, and how it ends.

Ends with 0 when the export is whole, 1 with a line `error: …` when it cannot be made.
"""

import argparse
import logging
import os
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path

from tuned_model import ExportError

log = logging.getLogger("export")

Program = Callable[[argparse.Namespace, float], None]


def run(program: Program, arguments: list[str], inputs: tuple[str, ...]) -> int:
    """Run a program; what it has begun to write is taken away where it fails."""
    began = time.monotonic()
    logging.basicConfig(stream=sys.stdout, format="%(message)s", level=logging.WARNING, force=True)
    log.setLevel(logging.INFO)
    os.environ.setdefault("TQDM_DISABLE", "1")
    order = _parse(arguments, inputs)
    try:
        program(order, began)
    except Exception as error:
        is_known = isinstance(error, ExportError)
        if not is_known:
            log.error("", exc_info=True)
        words = " ".join(str(error).split())[:1000]
        log.error("error: %s", words if is_known else f"{type(error).__name__}: {words}")
        _empty(order.output)
        return 1
    log.info("done in %.0f s", time.monotonic() - began)
    return 0


def _parse(arguments: list[str], inputs: tuple[str, ...]) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--exported-from", required=True, help="NAME:VERSION of the tuned model.")
    parser.add_argument("--output", type=Path, required=True)
    for name in inputs:
        parser.add_argument(f"--{name}", type=Path)
    return parser.parse_args(arguments)


def _empty(folder: Path) -> None:
    for path in folder.glob("*"):
        shutil.rmtree(path) if path.is_dir() else path.unlink()
