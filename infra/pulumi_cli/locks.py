"""Locks of Pulumi's states in files and blobs: whose they are, and whether their owner lives.

Pulumi takes a lock before it changes a state, and leaves it behind when it is killed.
"""

import json
import os
import re
import socket
from dataclasses import dataclass
from pathlib import Path

from infra.pulumi_cli.backend import state_folder

_TOLD = re.compile(r"created by (\S*)@(\S+) \(pid (\d+)\) at (\S+)")


@dataclass(frozen=True)
class Lock:
    """Who holds a state."""

    user: str
    host: str
    pid: int
    since: str

    @property
    def is_dead(self) -> bool:
        """True where the owner ran on this machine and runs no more."""
        return self.host == socket.gethostname() and not _runs(self.pid)

    def __str__(self) -> str:
        where = "" if self.host == socket.gethostname() else f" on {self.host}"
        return f"pulumi (process {self.pid}) of {self.user}{where} since {self.since}"


def told_locks(text: str) -> list[Lock]:
    """Read the locks out of Pulumi's refusal to work."""
    return [Lock(user, host, int(pid), since) for user, host, pid, since in _TOLD.findall(text)]


def file_locks(backend: str, project: str, stack: str) -> list[Lock]:
    """Read the locks of a state in a file; other backends tell them only when asked to work."""
    state = state_folder(backend)
    if state is None:
        return []
    folder = state / "locks" / "organization" / project / stack
    found = []
    for file in sorted(folder.glob("*.json")):
        try:
            row = json.loads(file.read_text(encoding="utf-8"))
            found.append(Lock(row["username"], row["hostname"], row["pid"], row["timestamp"]))
        except (OSError, ValueError, KeyError):
            continue  # being written or released at this moment
    return found


def _runs(pid: int) -> bool:
    """Say whether the process lives, is no zombie, and is Pulumi's still."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    try:
        told = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return True
    name, _, rest = told.partition("(")[2].rpartition(")")
    return "pulumi" in name and not rest.strip().startswith("Z")
