"""Folders that can be served: the base's is made once for all, a checkpoint's when it is wanted.

A checkpoint is kept as the adapter that it is (some megabytes); with `UNMERGED` beside it that
says what it belongs to. A training would take a quarter longer if each were made whole at once.
"""

import hashlib
import json
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from core import overfit, template_fingerprint
from local.runner import environments
from local.runner.data import link
from local.runner.instance_life import log_tail
from local.runner.process_environment import base_environment
from local.runner.processes import Child, Command
from local.runner.tasks import Task
from local.tuning import servable
from local.tuning.programs import environment_of, programs
from local.tuning.small_model import base_recipe, weights
from local.world import World

MANIFEST = "tunestack.json"
"""What a folder that can be served has, written last."""

UNMERGED = "unmerged.json"
NOT_STAGED = shutil.ignore_patterns("__pycache__", "*.pyc", "*.in", ".*")


class NotMade(Exception):
    """The folder could not be made; the message has the end of the log."""


def whole(world: World, folder: Path | None, task: Task, log: Path) -> Path:
    """Give the folder that can be served of a model; of the base model where it is None.

    Raises:
        NotMade: what makes it has failed, or was stopped.
        BuildFailed: its environment could not be built.
        NoSmallModel: the base's weights are not installed.
    """
    if folder is None:
        return _base(world, task, log)
    if not (folder / UNMERGED).exists():
        return folder
    known = json.loads((folder / UNMERGED).read_text())
    recipe, base = Path(known["recipe"]), Path(known["base"])
    return _made(world, folder / "whole", task, log, recipe, ["--adapter", str(folder)], base)


def stage_job(world: World, target: Path) -> Path:
    """Make the folder of the job program as a node gets it, but for its recipe; give it."""
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    for own in (servable.__file__, template_fingerprint.__file__, overfit.__file__):
        shutil.copy(str(own), target)
    # After them: a test's program may bring a `servable.py` of its own.
    shutil.copytree(programs(world.state).job, target, ignore=NOT_STAGED, dirs_exist_ok=True)
    return target


def job_environment(world: World, task: Task, log: Path) -> Path:
    """Build the job program's environment, or take the one that is there.

    Raises:
        BuildFailed: it could not be built, or `task` was stopped.
    """
    wanted = environment_of(programs(world.state).job)
    return environments.build(world, wanted, log, task.start, task.stopping.is_set)


def variables(world: World, environment: Path, home: Path) -> dict[str, str]:
    """Give what the job program runs with: as on a node, and on the processor alone."""
    home.mkdir(parents=True, exist_ok=True)
    return {
        **base_environment(world, environment),
        "HOME": str(home),
        "CUDA_VISIBLE_DEVICES": "",
    }


def link_files(source: Path, target: Path, names: Callable[[str], bool] = lambda _: True) -> None:
    """Put the files of a folder into another one without taking room twice where that can be."""
    for path in sorted(source.rglob("*")):
        if path.is_file() and names(path.name):
            place = target / path.relative_to(source)
            place.parent.mkdir(parents=True, exist_ok=True)
            link(path, place)


def _base(world: World, task: Task, log: Path) -> Path:
    """Make the base beside the environments: like them it is a hash's, and never changes."""
    file, job = weights(), programs(world.state).job
    recipe = base_recipe().model_dump_json(indent=2)
    key = hashlib.sha256(f"{file}{file.stat().st_size}{recipe}{environment_of(job)}".encode())
    for path in [*sorted(job.glob("*.py")), Path(servable.__file__)]:
        key.update(path.read_bytes())
    folder = world.environments / f"small-model-{key.hexdigest()[:12]}"
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as place:
        recipe_file = Path(place) / "recipe.json"
        recipe_file.write_text(recipe, encoding="utf-8")
        return _made(world, folder / "whole", task, log, recipe_file, [], file.parent)


def _made(
    world: World, target: Path, task: Task, log: Path, recipe: Path, more: list[str], base: Path
) -> Path:
    """Run the program that makes a folder, unless it is there; two wait for each other."""
    with environments.locked(target.with_suffix(".lock"), task.stopping.is_set):
        if (target / MANIFEST).exists():
            return target
        place = target.with_suffix(".making")
        shutil.rmtree(place, ignore_errors=True)
        environment = job_environment(world, task, log)
        code = stage_job(world, place / "code")
        asked = {"recipe": recipe, "base-model": base, "output": place / "made"}
        argv = [str(environment / "bin" / "python"), "servable.py", *more]
        argv += [part for name, path in asked.items() for part in (f"--{name}", str(path))]
        command = Command(argv, variables(world, environment, place / "home"), log)
        end = task.start(lambda: Child(place, [command], code)).wait()
        if end is None or end.code != 0:
            raise NotMade(f"The model could not be made ready: {''.join(log_tail(log))}")
        shutil.rmtree(target, ignore_errors=True)
        (place / "made").rename(target)
        shutil.rmtree(place, ignore_errors=True)
    return target
