"""The MLflow server behind each workspace: the real one, started when it is first needed.

It listens on a socket that only this user can open, ends with its workspace or with the local
Azure, and finds its database again when it is started anew.
"""

import importlib.metadata
import os
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx

from local.operations import Refusal
from local.runner import mlflow_server
from local.runner.processes import Child, Command
from local.runner.tasks import Task

if TYPE_CHECKING:
    from local.world import World

PATIENCE = 90.0
"""Seconds until a server that does not answer is given up."""

LOOK = 0.05
"""Seconds between two looks whether it answers."""

PROGRAM = Path(mlflow_server.__file__)
_starting = threading.Lock()


def ask(world: "World", workspace: str, method: str, route: str, **sent: Any) -> httpx.Response:
    """Send a request to a workspace's MLflow server; `sent` is httpx's `params` and `json`.

    Raises:
        Refusal: the server does not start; with the end of its log.
    """
    _ready(world, workspace, _running(world, workspace))
    transport = httpx.HTTPTransport(uds=str(_socket(world, workspace)))
    with httpx.Client(transport=transport, base_url="http://localhost", timeout=60) as client:
        return client.request(method, f"/api/2.0/mlflow/{route}", **sent)


def _running(world: "World", workspace: str) -> Task:
    """Start a workspace's server unless it runs; it is not waited for."""
    name = _name(workspace)
    with _starting:
        running = world.processes.task(name)
        if running is not None and not running.stopping.is_set():
            return running
        return world.processes.begin(name, lambda task: _live(world, workspace, task))


def _live(world: "World", workspace: str, task: Task) -> None:
    """Run the program until it ends or the task is stopped."""
    folder = world.processes.make_folder(_name(workspace))
    template = world.environments / f"mlflow-{importlib.metadata.version('mlflow-skinny')}.db"
    template.parent.mkdir(parents=True, exist_ok=True)
    argv = [sys.executable, str(PROGRAM), str(folder / "mlflow.db"), str(template)]
    command = Command(argv, {"PATH": os.environ.get("PATH", os.defpath)}, folder / "mlflow.log")
    (folder / "temporary").unlink(missing_ok=True)
    task.start(lambda: Child(folder, [command], folder, grace=1)).wait()


def _ready(world: "World", workspace: str, task: Task) -> None:
    """Wait until the server answers."""
    limit = time.monotonic() + PATIENCE
    while not _answers(world, workspace):
        is_over = task.thread is not None and not task.thread.is_alive()
        if is_over or time.monotonic() > limit:
            raise Refusal(
                500, "InternalServerError", f"MLflow's server failed:{_tail(world, workspace)}"
            )
        if task.sleep(LOOK):
            raise Refusal(503, "ServiceUnavailable", "The local Azure is ending.")


def _answers(world: "World", workspace: str) -> bool:
    import socket

    path = _socket(world, workspace)
    if path is None:
        return False
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(str(path)) == 0


def _socket(world: "World", workspace: str) -> Path | None:
    """Give the socket's path: the node says which temporary folder its programs have."""
    note = world.processes.folder(_name(workspace)) / "temporary"
    try:
        return Path(note.read_text()) / mlflow_server.SOCKET
    except FileNotFoundError:
        return None


def _name(workspace: str) -> str:
    return f"{workspace}/mlflow"


def _tail(world: "World", workspace: str) -> str:
    log = world.processes.folder(_name(workspace)) / "mlflow.log"
    lines = log.read_text(errors="replace").splitlines() if log.exists() else []
    return "\n".join(["", *lines[-5:]])
