"""A folder with Python packages of their own, for a program that must not share ours.

Made by `uv` where there is one, else by `venv` and `pip`; named by what is in it, so that the
same list is installed once, and two who want it at a time wait for each other.
"""

import fcntl
import hashlib
import json
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from core.errors import PrerequisiteError

READY = "ready.json"
SECONDS = 900
TAIL_LINES = 12


def package_folder(
    name: str,
    requirements: Path,
    folder: Path,
    environment: Mapping[str, str],
    progress: Callable[[str], None],
) -> Path:
    """Give a virtual environment of the running interpreter with what a list names.

    `folder` holds such environments; `environment` is what the installer sees of the network.

    Raises:
        PrerequisiteError: it cannot be built; the end of what the installer said.
    """
    made = folder / f"{name}-{_digest(requirements)}"
    folder.mkdir(parents=True, exist_ok=True)
    with _locked(made.with_suffix(".lock")):
        if not (made / READY).exists():
            progress(f"Installing {name} and what it needs into {made}: once.")
            _make(name, made, requirements, environment)
    return made


def _make(name: str, made: Path, requirements: Path, environment: Mapping[str, str]) -> None:
    shutil.rmtree(made, ignore_errors=True)
    try:
        for argv in _steps(made, requirements):
            _run(name, argv, environment)
        (made / READY).write_text(json.dumps({"python": platform.python_version()}))
    finally:
        if not (made / READY).exists():
            shutil.rmtree(made, ignore_errors=True)


def _steps(made: Path, requirements: Path) -> Iterator[list[str]]:
    python, listed = str(made / "bin" / "python"), str(requirements)
    if uv := _uv():
        yield [uv, "venv", "--no-project", "--python", sys.executable, str(made)]
        yield [uv, "pip", "install", "--python", python, "-r", listed]
    else:
        yield [sys.executable, "-m", "venv", str(made)]
        yield [python, "-m", "pip", "install", "--disable-pip-version-check", "-r", listed]


def _uv() -> str:
    beside = Path(sys.executable).parent / "uv"
    return str(beside) if beside.exists() else shutil.which("uv") or ""


def _run(name: str, argv: list[str], environment: Mapping[str, str]) -> None:
    # Not below this project: uv would obey the settings in its pyproject.toml.
    try:
        done = subprocess.run(
            argv, env=dict(environment), cwd="/", stdin=subprocess.DEVNULL, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=SECONDS, check=False,
        )  # fmt: skip
        code, said = done.returncode, done.stdout
    except subprocess.TimeoutExpired as error:
        code, said = 124, f"no end in {SECONDS} s: {error.stdout or b''!r}"
    if code:
        tail = "\n".join(said.splitlines()[-TAIL_LINES:])
        raise PrerequisiteError(
            f"{name} could not be installed ({Path(argv[0]).name}: {code}):\n{tail}",
            hint="It comes from the package index that this machine's pip or uv uses.",
        )


def _digest(requirements: Path) -> str:
    parts = [sys.version, sys.base_prefix, sys.platform, platform.machine()]
    content = "\n".join([*parts, requirements.read_text(encoding="utf-8")])
    return hashlib.sha256(content.encode()).hexdigest()[:12]


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
