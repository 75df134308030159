"""Mends a state in files that a killed Pulumi left unreadable.

Pulumi replaces the state itself in one step, but the small file of attributes beside it it
empties first (gocloud's fileblob, setAttrs): killed right then, every later command ends with
"failed to load checkpoint: EOF". Without that file the state is read as it is.
"""

import json
from pathlib import Path

from infra.pulumi_cli.backend import state_folder


def mend(backend: str, stack: str) -> int:
    """Remove what cannot be read of the stack's attributes; say how many files that were.

    A file that a living Pulumi writes at this moment may go, too: it does not miss it.
    """
    folder = state_folder(backend)
    if folder is None:
        return 0
    found = [file for file in folder.rglob("*.attrs") if _is_of(file, stack)]
    broken = [file for file in found if not _is_readable(file)]
    for file in broken:
        file.unlink(missing_ok=True)
    return len(broken)


def _is_of(file: Path, stack: str) -> bool:
    return stack in file.parts or file.name.startswith(f"{stack}.")


def _is_readable(file: Path) -> bool:
    try:
        json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return True
    except ValueError:
        return False
    return True
