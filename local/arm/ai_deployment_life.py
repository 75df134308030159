"""A deployment's process and end: brought up, looked at, ended by its date.

What goes by itself is noted under an id that is found by the state's index, so that a local Azure
without any pays next to nothing for the thread that looks. It goes by `local.clock`.
"""

import logging

from local import clock
from local.arm.ai_deployment_checks import folder_of, is_tuned
from local.arm.ids import group_of, top_of
from local.arm.polling import Verdict, is_deleting, remove
from local.models import DEVELOPER
from local.runner.instances import Serving
from local.state import Document, State
from local.tokens import DEPLOYMENTS
from local.tuning import serving
from local.world import World

log = logging.getLogger("local.schedules")
TIMER = "aiDeployment"
DEVELOPER_SECONDS = 24 * 3600.0
IDLE_SECONDS = 15 * 86400.0
STANDING = ("Creating", "Succeeded")
FRESH_SECONDS = 3600.0
"""How often at most a deployment's last use is written down."""


def bring(world: World, id: str) -> None:
    """Start the process of a deployment, or another one for another model."""
    document = world.state.get(id)
    if document is None:
        return
    name = str(document["properties"]["model"]["name"])
    folder = folder_of(world.state, top_of(id), name) if is_tuned(document) else None
    if folder is None and is_tuned(document):
        log.warning("%s: the model %s is gone", id, name)  # None would be the base model
        return
    serving.begin(world, id, folder)


def end(world: World, id: str) -> None:
    """End the process of a deployment and wait until it is gone."""
    serving.end(world, id)


def settled(world: World, document: Document) -> Verdict:
    """Say what a deployment that is being made has come to: its process decides."""
    if problem := serving.problem(world, document["id"]):
        return "Failed", {"code": "DeploymentFailed", "message": problem}
    is_ready = serving.is_ready(world, document["id"]) and _is_newest(world, document["id"])
    return ("Succeeded" if is_ready else "Creating"), {}


def _is_newest(world: World, id: str) -> bool:
    """Say whether what answers is what was started last, not what it is to replace."""
    task = world.processes.task(id)
    return isinstance(task, Serving) and task.answering is task


def resume(world: World) -> None:
    """Bring what stood when the last server ended; what was being deleted stays ended."""
    for id, document in world.state.find(DEPLOYMENTS):
        above = [world.state.get(one) for one in (top_of(id), group_of(id))]
        is_going = any(is_deleting(one) for one in above)
        if not is_going and document["properties"]["provisioningState"] in STANDING:
            bring(world, id)


def watch(state: State, document: Document) -> None:
    """Note when a deployment goes by itself: Developer after a day, a tuned one when unused."""
    forget(state, document["id"])
    if document["sku"]["name"] == DEVELOPER:
        made = document["systemData"]["createdAt"]
        _note(state, document["id"], clock.read(made) + DEVELOPER_SECONDS)
    elif is_tuned(document):
        _note(state, document["id"], clock.now(state) + IDLE_SECONDS, is_idle=True)


def used(state: State, id: str) -> None:
    """Note that a deployment was asked something, which lets an unused one stand longer."""
    note = state.get(_key(id))
    if note is None or not note["is_idle"]:
        return
    due = clock.now(state) + IDLE_SECONDS
    if due - note["due"] > FRESH_SECONDS:
        _note(state, id, due, is_idle=True)


def forget(state: State, id: str) -> None:
    """Let a deployment stand, or be gone, without a date."""
    state.delete(_key(id))


def expire(world: World) -> None:
    """Delete every deployment whose date has come."""
    notes = world.state.within(f"{TIMER}:")
    if not notes:
        return
    moment = clock.now(world.state)
    for key, note in notes:
        document = world.state.get(note["deployment"])
        if document is None:
            world.state.delete(key)
        elif note["due"] <= moment and document["properties"]["provisioningState"] != "Creating":
            log.info("%s: its time is over", document["id"])
            remove(world, document, is_final=True)


def _note(state: State, id: str, due: float, *, is_idle: bool = False) -> None:
    state.put(_key(id), TIMER, {"deployment": id, "due": due, "is_idle": is_idle})


def _key(id: str) -> str:
    return f"{TIMER}:/{id.strip('/').replace('/', '|').lower()}"
