"""What `make` does on a machine that has next to nothing."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
AS_STARTED = dict(os.environ)
"""The environment before any test pointed this process at the local Azure's proxy."""


def tools(folder: Path, *names: str) -> dict[str, str]:
    """An environment whose PATH holds these tools and nothing else."""
    folder.mkdir()
    for name in names:
        found = shutil.which(name)
        assert found, name
        (folder / name).symlink_to(found)
    return {"PATH": str(folder), "HOME": str(folder)}


def make_venv(venv: Path, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["/bin/sh", str(ROOT / ".ci" / "make-venv"), str(venv)],
        env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_without_python_one_line_says_what_is_missing(tmp_path: Path) -> None:
    run = make_venv(tmp_path / "venv", tools(tmp_path / "bin", "rm"))
    assert run.returncode == 3
    assert run.stderr.count("\n") == 1
    assert "Python 3.11 or 3.12" in run.stderr


def test_a_python_that_is_too_old_is_passed_over(tmp_path: Path) -> None:
    environment = tools(tmp_path / "bin", "rm")
    old = tmp_path / "bin" / "python3"
    old.write_text("#!/bin/sh\nexit 1\n")
    old.chmod(0o755)
    assert make_venv(tmp_path / "venv", environment).returncode == 3
    (tmp_path / "bin" / "python3.11").symlink_to(sys.executable)
    (tmp_path / "bin" / "uv").symlink_to(uv())
    made = make_venv(tmp_path / "venv", environment)
    assert made.returncode == 0, made.stderr
    assert (tmp_path / "venv" / "bin" / "python").exists()


def engine(environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["/bin/sh", str(ROOT / ".ci" / "engine"), *arguments],
        env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip


def pulumi(file: Path, says: str) -> Path:
    """A command of that name."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"#!/bin/sh\necho {says}\n")
    file.chmod(0o755)
    return file


def test_the_engine_on_the_path_is_taken_before_one_of_ours(tmp_path: Path) -> None:
    environment = tools(tmp_path / "bin", "dirname", "awk")
    environment["TUNESTACK_ENGINES"] = str(tmp_path)
    assert engine(environment, "--where").returncode == 3
    [version] = re.findall(r"pulumi/pkg/v3 v([\d.]+)", (ROOT / ".ci/pulumi/go.mod").read_text())
    ours = pulumi(tmp_path / f"pulumi-{version}" / "bin" / "pulumi", version)
    assert engine(environment).stdout.strip() == str(ours)
    theirs = pulumi(tmp_path / "bin" / "pulumi", "3.999.0")
    assert engine(environment).stdout.strip() == str(theirs)


def test_where_no_engine_can_be_had_one_line_says_what_is_missing(tmp_path: Path) -> None:
    environment = tools(tmp_path / "bin", "dirname", "awk")
    run = engine({**environment, "TUNESTACK_ENGINES": str(tmp_path), "GO": "/nowhere/go"})
    assert (run.returncode, run.stdout) == (3, "")
    assert "the installer needs curl; there is no go to build it with" in run.stderr
    assert "https://www.pulumi.com/docs/install/" in run.stderr


@pytest.mark.slow
@pytest.mark.parametrize("version", ["3.11", "3.12"])
def test_the_command_line_installs_and_starts_on_each_python(tmp_path: Path, version: str) -> None:
    """Slow: installs everything that the command line needs, once for each interpreter."""
    interpreter = subprocess.run(
        [uv(), "python", "find", "--no-python-downloads", version],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if interpreter.returncode:
        pytest.skip(f"no Python {version} on this machine")
    venv = tmp_path / "venv"
    python = str(venv / "bin" / "python")
    install = [uv(), "pip", "install", "--quiet", "--python", python, f"{ROOT}[local]"]
    for command in (
        [uv(), "venv", "--quiet", "--python", interpreter.stdout.strip(), str(venv)],
        install,
        [python, str(ROOT / "cli.py"), "plan"],
        [python, str(ROOT / "cli.py"), "local", "stop"],
    ):
        environment = {**AS_STARTED, "TUNESTACK_HOME": str(tmp_path / "home")}
        run = subprocess.run(
            command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
        )
        assert run.returncode == 0, run.stderr


def uv() -> str:
    return shutil.which("uv") or str(Path(sys.executable).with_name("uv"))
