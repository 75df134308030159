"""Pulumi's stream of events and its processes, as tests need them."""

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pulumi.automation import EngineEvent

URN = "urn:pulumi:dev::tunestack::tunestack:infra:Stores${type}::{name}"
STORAGE = "azure-native:storage:StorageAccount"


def urn(name: str = "storage", type: str = STORAGE) -> str:
    return URN.format(type=type, name=name)


def event(
    kind: str,
    op: str,
    *,
    type: str = STORAGE,
    name: str = "storage",
    before: Any = None,
    after: Any = None,
    id: str = "",
    **more: Any,
) -> EngineEvent:
    """Write an event as Pulumi's stream does."""
    own = urn(name, type)
    state = {"type": type, "urn": own, "id": id, "parent": "p", "provider": "v"}
    old = {**state, "inputs": before or {"kind": "old"}} if op != "create" else None
    new = {**state, "inputs": after or {"kind": "new"}} if op != "delete" else None
    metadata = {"op": op, "urn": own, "type": type, "provider": "", "old": old, "new": new, **more}
    return EngineEvent.from_json({"sequence": 1, "timestamp": 1, kind: {"metadata": metadata}})


def diagnostic(message: str, urn: str = "", severity: str = "error") -> EngineEvent:
    said = {"message": message, "color": "never", "severity": severity, "urn": urn}
    return EngineEvent.from_json({"sequence": 1, "timestamp": 1, "diagnosticEvent": said})


@contextmanager
def lives_as_pulumi() -> Iterator["subprocess.Popen[bytes]"]:
    """Keep a process of that name alive."""
    sleep = shutil.which("sleep")
    assert sleep
    with tempfile.TemporaryDirectory() as folder:
        command = Path(folder) / "pulumi"
        shutil.copy(sleep, command)
        process = subprocess.Popen([command, "600"])
        try:
            yield process
        finally:
            process.kill()
            process.wait()
