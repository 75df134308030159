"""Environments: a conda file becomes a virtual environment of the running interpreter, once.

Only pip packages can be had: anything else in a conda file is refused by name, and its Python
version is not installed but logged beside the one in use. The base image is named in the log
and not used. Builds run outside the local Azure's proxy, with this process's own settings.
"""

import fcntl
import hashlib
import json
import os
import platform
import re
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, Any

import yaml

from local.runner.processes import Child, Command, Exit
from local.world import World

READY = "ready.json"
WITHOUT_BUILDING = ("python", "pip")


class BuildFailed(Exception):
    """The environment could not be built; the message says why, the log says more."""


@dataclass(frozen=True)
class Requirements:
    """What an environment holds."""

    python: str
    """The Python that the conda file asks for, or empty."""
    packages: tuple[str, ...]
    """Lines of a pip requirements list, sorted."""

    @property
    def digest(self) -> str:
        """A name for this list on this interpreter and machine."""
        parts = [sys.version, sys.base_prefix, sys.platform, platform.machine(), *self.packages]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:24]


def parse(conda_file: str) -> Requirements:
    """Read a conda file.

    Raises:
        BuildFailed: it is no conda file, or asks for conda packages.
    """
    try:
        document = yaml.safe_load(conda_file)
        dependencies = list(document["dependencies"])
    except (yaml.YAMLError, KeyError, TypeError) as error:
        raise BuildFailed(f"The conda file has no list of dependencies: {error}") from error
    packages: list[str] = []
    python, refused = "", []
    for item in dependencies:
        if isinstance(item, dict):
            packages += [str(line).strip() for line in item.get("pip") or []]
            continue
        name, _, version = re.sub(r"\s", "", str(item)).partition("=")
        python = version.lstrip("=") if name == "python" else python
        if re.split(r"[<>!]", name)[0] not in WITHOUT_BUILDING:
            refused.append(str(item))
    if refused:
        raise BuildFailed(
            f"Only pip packages can be installed here, not the conda packages: {', '.join(refused)}"
        )
    return Requirements(python, tuple(sorted(packages)))


def build(
    world: World,
    environment: dict[str, Any],
    log: Path,
    start: Callable[[Callable[[], Child]], Child],
    is_stopped: Callable[[], bool],
) -> Path:
    """Give the folder of the built environment of an environment version's properties.

    One that is there already is taken as it is; two builds of the same list wait for each other.

    Raises:
        BuildFailed: with the reason; what the build printed is in `log`.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("a") as output:
        requirements = _requirements(environment, output)
        folder = world.environments / requirements.digest
        with locked(world.environments / f"{requirements.digest}.lock", is_stopped):
            if (folder / READY).exists():
                _say(output, f"The environment {folder.name} is built already.")
            else:
                _make(world, folder, requirements, log, start, output)
    return folder


def _requirements(environment: dict[str, Any], output: IO[str]) -> Requirements:
    if environment.get("build"):
        raise BuildFailed("Environments from a Dockerfile are not played: give a conda file.")
    if not environment.get("condaFile"):
        raise BuildFailed(
            f"An image alone ({environment.get('image')}) cannot be played: give a conda file."
        )
    requirements = parse(str(environment["condaFile"]))
    running = platform.python_version()
    _say(output, f"Base image {environment.get('image')}: named, not used on this machine.")
    wanted = requirements.python
    if wanted and running != wanted and not running.startswith(f"{wanted.rstrip('.*')}."):
        _say(output, f"The conda file asks for Python {wanted}; here it is Python {running}.")
    return requirements


def _make(
    world: World,
    folder: Path,
    requirements: Requirements,
    log: Path,
    start: Callable[[Callable[[], Child]], Child],
    output: IO[str],
) -> None:
    started = time.monotonic()
    shutil.rmtree(folder, ignore_errors=True)
    scratch = world.environments / f"{requirements.digest}.build"
    scratch.mkdir(parents=True, exist_ok=True)
    try:
        for argv in _steps(folder, requirements, scratch):
            _say(output, f"$ {' '.join(argv)}")
            command = Command(argv, dict(os.environ), log)
            _check(start(partial(_child, scratch, command)).wait(), argv)
        record = {"packages": requirements.packages, "python": platform.python_version()}
        (folder / READY).write_text(json.dumps(record))
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
        if not (folder / READY).exists():
            shutil.rmtree(folder, ignore_errors=True)
    _say(output, f"Built {folder.name} in {time.monotonic() - started:.1f} s.")


def _child(scratch: Path, command: Command) -> Child:
    # Not below this project: uv would obey the settings in its pyproject.toml.
    return Child(scratch, [command], Path("/"))


def _check(end: Exit | None, argv: Sequence[str]) -> None:
    if end is None or end.reason == "stopped":
        raise BuildFailed("The build was stopped.")
    if end.code != 0:
        raise BuildFailed(f"`{Path(argv[0]).name} {' '.join(argv[1:3])} …` ended with {end.code}.")


def _steps(folder: Path, requirements: Requirements, scratch: Path) -> Iterator[list[str]]:
    uv = _uv()
    yield [uv, "venv", "--no-project", "--python", sys.executable, str(folder)]
    if requirements.packages:
        listed = scratch / "requirements.txt"
        listed.write_text("\n".join(requirements.packages) + "\n")
        python = str(folder / "bin" / "python")
        yield [uv, "pip", "install", "--python", python, "-r", str(listed)]


def _uv() -> str:
    beside = Path(sys.executable).parent / "uv"
    found = str(beside) if beside.exists() else shutil.which("uv")
    if not found:
        raise BuildFailed("`uv` is missing: it builds the environments. pip install uv")
    return found


@contextmanager
def locked(path: Path, is_stopped: Callable[[], bool]) -> Iterator[None]:
    """Hold a lock between processes; wait for it, but not after a stop.

    Raises:
        BuildFailed: it was stopped.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if is_stopped():
                    raise BuildFailed("The build was stopped.") from None
                time.sleep(0.1)
        yield


def _say(output: IO[str], text: str) -> None:
    output.write(f"{text}\n")
    output.flush()
