"""A deployment's life: image, model and code, a server process that is watched, its end.

Ready means that the server answered after the scoring script's init(). A process that dies while
it is being made ready fails the deployment; one that dies later is started again, each time
later. The port is the loopback's and known to the scoring router alone.
"""

import logging
import shutil
from typing import Any

from local.operations import Refusal
from local.runner.data import Denied
from local.runner.deployment_life import LOGS, Failure, Life
from local.runner.processes import Task
from local.world import World

log = logging.getLogger("local.runner")
KIND = "Microsoft.MachineLearningServices/workspaces/onlineEndpoints/deployments"
PROBE = {
    "failureThreshold": 30,
    "initialDelay": "PT10S",
    "period": "PT10S",
    "successThreshold": 1,
    "timeout": "PT2S",
}


def probe(sent: dict[str, Any] | None) -> dict[str, Any]:
    """Complete probe settings with Azure's defaults."""
    return {**PROBE, **{key: value for key, value in (sent or {}).items() if value is not None}}


def begin(world: World, id: str, endpoint: str) -> None:
    """Bring a stored deployment up; one that runs already serves until the new one is ready."""
    world.processes.begin(id, lambda task: _live(world, id, endpoint, task), replaces=True)


def resume(world: World) -> None:
    """Start the deployments that an earlier server had."""
    for id, document in world.state.find(KIND):
        if document["properties"]["provisioningState"] not in ("Failed", "Deleting"):
            begin(world, id, id.rpartition("/deployments/")[0])


def end(world: World, id: str) -> None:
    """End a deployment's process and wait until it is gone."""
    world.processes.end(id)
    shutil.rmtree(world.processes.folder(id), ignore_errors=True)


def port_of(world: World, id: str) -> int:
    """Give the port of a deployment's ready process; 0 where none is ready."""
    task = world.processes.task(id)
    return task.serving_port if task else 0


def read_log(world: World, id: str, kind: str, tail: int) -> str:
    """Give the last lines of a deployment's log."""
    path = world.processes.folder(id) / LOGS.get(kind.lower().replace("-", ""), "server.log")
    if not path.exists():
        return ""
    return "\n".join(path.read_text(errors="replace").splitlines()[-tail:]) + "\n"


def _live(world: World, id: str, endpoint: str, task: Task) -> None:
    life = None
    try:
        life = Life(world, id, endpoint, task)
        child = life.make_ready()
        task.replace()
        _settle(world, id, task, "Succeeded")
        life.watch(child)
    except (Failure, Denied, Refusal, FileNotFoundError) as error:
        code = getattr(error, "code", "UserError")
        _settle(world, id, task, "Failed", code, getattr(error, "message", str(error)))
    except Exception as error:
        log.exception("deployment %s", id)
        _settle(world, id, task, "Failed", "InternalServerError", str(error))
    finally:
        task.finish()
        if life is not None:
            shutil.rmtree(life.place, ignore_errors=True)


def _settle(
    world: World, id: str, task: Task, outcome: str, code: str = "", message: str = ""
) -> None:
    if task.stopping.is_set():
        return
    with world.state.transaction():
        document = world.state.get(id)
        if document is None:
            return
        properties = document["properties"]
        properties["provisioningState"] = outcome
        properties.pop("error", None)
        if code:
            properties["error"] = {"code": code, "message": message}
        world.state.put(id, KIND, document)
