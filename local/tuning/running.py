"""Trainings that local managed services have ordered: begun, stopped, taken up again, forgotten.

Each runs `training/job`, the program of the own-GPU route, as a task of `world.processes`. `id` is
a path below the resource that owns it, so that it ends and goes with that one
(`Processes.end_below`). What a killed server leaves goes on when `begin` is called again.
"""

import logging
import shutil
import threading
from pathlib import Path

from local.runner.tasks import Task
from local.tuning.orders import Listener, Outcome, TuningOrder
from local.tuning.training import Training
from local.world import World

log = logging.getLogger("local.tuning")
_beginning = threading.Lock()


def begin(world: World, id: str, order: TuningOrder, listener: Listener) -> None:
    """Have a training run, from its checkpoints where it has such; nothing where it does run."""
    with _beginning:
        before = world.processes.task(id)
        if before is not None and not before.stopping.is_set():
            return
        world.processes.begin(id, lambda task: _live(world, id, order, listener, task, before))


def stop(world: World, id: str) -> None:
    """Ask a training to stop; returns at once. It saves its step, then its listener is told."""
    task = world.processes.task(id)
    if task is not None:
        task.stop()


def is_running(world: World, id: str) -> bool:
    """Tell whether a training has not ended or stopped."""
    return world.processes.task(id) is not None


def forget(world: World, id: str) -> None:
    """End a training and delete what it has left: its model and its checkpoints too."""
    world.processes.end(id)
    shutil.rmtree(folder(world, id), ignore_errors=True)


def folder(world: World, id: str) -> Path:
    """Give the folder of a training; its model and its checkpoints lie in it."""
    return world.processes.folder(f"{id}/training")


def read_log(world: World, id: str) -> str:
    """Give what the program has printed so far."""
    file = folder(world, id) / "log.txt"
    return file.read_text(errors="replace") if file.exists() else ""


def _live(
    world: World, id: str, order: TuningOrder, listener: Listener, task: Task, before: Task | None
) -> None:
    if before is not None and before.thread is not None:
        before.thread.join()
    try:
        place = world.processes.make_folder(f"{id}/training")
        outcome = Training(world, place, order, listener, task).run()
    except Exception as error:
        log.exception("training %s", id)
        outcome = Outcome("failed", f"{type(error).__name__}: {error}")
    if task.stopping.is_set() and world.processes.closing:
        return  # the next server lets it go on
    listener.ended(outcome)
