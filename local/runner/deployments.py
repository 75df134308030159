"""A deployment's life: image, model and code, server processes that are watched, their end.

Ready means that every instance answered after the scoring script's init(). A process that dies
while it is being made ready fails the deployment; one that dies later is started again, each time
later, while the others answer. Ports are the loopback's and known to the scoring router alone.
"""

import contextlib
import logging
import shutil
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from local.operations import Refusal
from local.runner.data import Denied
from local.runner.deployment_life import BUILD_LOG, Life
from local.runner.durations import seconds
from local.runner.instance_life import Failure, InstanceLife, Program
from local.runner.instances import Instance, Serving
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
    serving = Serving(id)
    world.processes.run(serving, lambda _: _live(world, id, endpoint, serving), replaces=True)


def scale(world: World, id: str) -> bool:
    """Have a running deployment get the stored count of instances; False where none runs.

    Those that run are kept. Its state is Succeeded, or Failed, when the count is right.
    """
    serving, document = world.processes.task(id), world.state.get(id)
    if document is None or not isinstance(serving, Serving) or not serving.is_alive:
        return False
    serving.scale(int(document["sku"]["capacity"]))
    return True


def resume(world: World) -> None:
    """Start the deployments that an earlier server had."""
    for id, document in world.state.find(KIND):
        for left in world.processes.folder(id).glob("[0-9]*"):
            shutil.rmtree(left, ignore_errors=True)
        if document["properties"]["provisioningState"] not in ("Failed", "Deleting"):
            begin(world, id, id.rpartition("/deployments/")[0])


def end(world: World, id: str) -> None:
    """End a deployment's processes and wait until they are gone."""
    world.processes.end(id)
    shutil.rmtree(world.processes.folder(id), ignore_errors=True)


def serving_of(world: World, id: str) -> Serving | None:
    """Give whose instances answer a deployment's requests; None where nothing runs."""
    task = world.processes.task(id)
    return task.answering if isinstance(task, Serving) else None


def read_log(world: World, id: str, kind: str, tail: int) -> str:
    """Give the last lines of a deployment's log; of several instances, a part of each."""
    folder = world.processes.folder(id)
    if kind.lower().replace("-", "") == "storageinitializer":
        return _end_of(folder / BUILD_LOG, tail)
    logs = sorted(folder.glob("server-*.log"), key=lambda path: int(path.stem[7:]))
    if len(logs) < 2:
        return "".join(_end_of(path, tail) for path in logs)
    each = max(1, tail // len(logs) - 1)
    return "".join(f"=== instance {path.stem[7:]} ===\n{_end_of(path, each)}" for path in logs)


def _end_of(path: Path, tail: int) -> str:
    if not path.exists():
        return ""
    return "\n".join(path.read_text(errors="replace").splitlines()[-tail:]) + "\n"


def _live(world: World, id: str, endpoint: str, serving: Serving) -> None:
    life = None
    try:
        with _told(world, id, serving):
            life = Life(world, id, endpoint, serving)
            program = life.prepare()
            _add(life, program, serving, life.instances)
            serving.take_over()
            _forget_logs(life, len(serving.instances))
            if serving.wanted is None:
                _settle(world, id, serving, "Succeeded")
            _keep(life, program, serving)
    finally:
        serving.finish()
        if life is not None:
            shutil.rmtree(life.place, ignore_errors=True)


@contextlib.contextmanager
def _told(world: World, id: str, serving: Serving) -> Iterator[None]:
    """Write down why a deployment has failed, with the code that Azure would give."""
    try:
        yield
    except (Failure, Refusal) as error:
        _settle(world, id, serving, "Failed", error.code, getattr(error, "message", str(error)))
    except (Denied, FileNotFoundError) as error:
        _settle(world, id, serving, "Failed", "BadArgument", str(error))
    except Exception as error:
        log.exception("deployment %s", id)
        _settle(world, id, serving, "Failed", "InternalServerError", str(error))


def _keep(life: Life, program: Program, serving: Serving) -> None:
    """Do what is asked of a deployment that is up, until its end."""
    patience = seconds(str(life.asked["requestSettings"]["requestTimeout"]))
    while not serving.stopping.is_set():
        serving.news.clear()
        wanted, serving.wanted = serving.wanted, None
        if serving.is_retiring:
            serving.drain(serving.instances, patience)
            return
        if wanted is not None:
            _fit(life, program, serving, wanted, patience)
        elif not serving.stopping.is_set():
            serving.news.wait()


def _fit(life: Life, program: Program, serving: Serving, wanted: int, patience: float) -> None:
    """Add or end instances until there are as many as wanted."""
    running = serving.instances
    with _told(life.world, life.id, serving):
        _add(life, program, serving, wanted - len(running))
        surplus = sorted(running, key=lambda one: (bool(one.port), -one.number))
        gone = surplus[: max(0, len(running) - wanted)]
        serving.drain(gone, patience)
        _remove(serving, gone)
        for one in gone:
            _log_of(life, one.number).unlink(missing_ok=True)
        _settle(life.world, life.id, serving, "Succeeded")


def _add(life: Life, program: Program, serving: Serving, count: int) -> None:
    """Start so many more instances and wait until all of them answer; on a failure, end them.

    Raises:
        Failure: one of them did not get ready.
    """
    taken = {one.number for one in serving.instances}
    free = [number for number in range(len(taken) + max(0, count)) if number not in taken]
    new = [Instance(f"{life.id}/instances/{n}", number=n) for n in free[: max(0, count)]]
    for one in new:
        instance_life = InstanceLife(program, one, _log_of(life, one.number))
        serving.begin_part(one, partial(instance_life.run, serving.news.set))
    try:
        _until_ready(serving, new)
    except Exception:
        _remove(serving, new)
        raise


def _until_ready(serving: Serving, new: Sequence[Instance]) -> None:
    while not serving.stopping.is_set():
        serving.news.clear()
        for one in new:
            if one.failure is not None:
                raise one.failure
        if all(one.settled.is_set() for one in new):
            return
        if not serving.stopping.is_set():
            serving.news.wait()


def _remove(serving: Serving, gone: Sequence[Instance]) -> None:
    for one in gone:
        one.stop()
    for one in gone:
        serving.end_part(one)


def _log_of(life: Life, number: int) -> Path:
    return life.folder / f"server-{number}.log"


def _forget_logs(life: Life, count: int) -> None:
    """Forget the logs of instances that only the deployment's earlier form had."""
    for path in life.folder.glob("server-*.log"):
        if path not in [_log_of(life, number) for number in range(count)]:
            path.unlink(missing_ok=True)


def _settle(
    world: World, id: str, serving: Serving, outcome: str, code: str = "", message: str = ""
) -> None:
    if serving.stopping.is_set():
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
