"""What the state says of a job while it lives."""

from typing import Any

from local.state import Document
from local.world import World

KIND = "Microsoft.MachineLearningServices/workspaces/jobs"
WAITING = ("NotStarted", "Queued", "Preparing")
ENDED = ("Completed", "Failed", "Canceled")
WORKING = ("Running", "Finalizing", "CancelRequested")


class Stopped(Exception):
    """The job was canceled, or the server is ending, or the job's workspace is gone."""


def read(world: World, id: str) -> Document:
    """Read a job.

    Raises:
        Stopped: it is gone.
    """
    document = world.state.get(id)
    if document is None:
        raise Stopped
    return document


def set_status(world: World, id: str, status: str) -> None:
    """Let a job go on to a status; one that shall be canceled only ends."""
    with world.state.transaction():
        document = read(world, id)
        current = document["properties"]["status"]
        if current in ENDED or (current == "CancelRequested" and status not in ENDED):
            return
        document["properties"]["status"] = status
        world.state.put(id, KIND, document)


def note(world: World, id: str, **facts: Any) -> None:
    """Keep facts about a job's run that are not part of the resource."""
    with world.state.transaction():
        record = world.state.get(f"{id}/run") or {}
        world.state.put(f"{id}/run", "ml/run", {**record, **facts})
