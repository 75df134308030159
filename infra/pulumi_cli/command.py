"""The Pulumi command line: where it is, how old it may be, how it is run.

Run non-interactively and in a session of its own, its output in files: neither a prompt, nor the
terminal's Ctrl-C, nor the end of this process can stop it half-way through a request to Azure.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from pulumi.automation import CommandResult, PulumiCommand
from pulumi.automation.errors import create_command_error
from semver import VersionInfo

from core import github_token
from core.errors import PrerequisiteError
from core.home import PROJECT
from infra.config import stack_file
from infra.pulumi_cli.interruption import Interruption
from infra.site import Site

OLDEST = VersionInfo(3, 206, 0)
"""Resource hooks came in 3.182 and events over gRPC in 3.206 (the Automation API asks for that
number); tests run 3.250."""

INSTALL = "make engine, or https://www.pulumi.com/docs/install/"
LAUNCH = Path(__file__).with_name("launch.py")


def find_pulumi() -> Path | None:
    """Find the command: on PATH, else beside this Python, where `make engine` links it."""
    beside = str(Path(sys.executable).parent)
    found = shutil.which("pulumi") or shutil.which("pulumi", path=beside)
    return Path(found) if found else None


def pulumi_command(interruption: Interruption) -> "Command":
    """Give the command to run.

    Raises:
        PrerequisiteError: there is none, or it is too old; names what brings one.
    """
    file = find_pulumi()
    if file is None:
        raise PrerequisiteError("The Pulumi command line is missing.", hint=INSTALL)
    command = Command(file, interruption)
    if command.version is None or command.version < OLDEST:
        raise PrerequisiteError(
            f"{file} is Pulumi {command.version or 'of unknown version'}; {OLDEST} is the oldest"
            " that knows what the program uses.",
            hint=f"Take the old one off PATH, then: {INSTALL}",
        )
    return command


def work_folder(stack: str) -> Path:
    """Give the folder of Pulumi.yaml: beside the stack's own file where that holds one, too."""
    folder = stack_file(stack).parent
    return folder if (folder / "Pulumi.yaml").is_file() else PROJECT


def environment(site: Site) -> dict[str, str]:
    """Give what Pulumi and its Azure provider need, so that neither stops at a prompt.

    The provider reads ARM_*, the rest of Azure's tools AZURE_*. A state in a file or a blob is
    encrypted by a passphrase; the stack holds no secret, so that an empty one will do.
    """
    found = {"PULUMI_SKIP_UPDATE_CHECK": "true", "ARM_SUBSCRIPTION_ID": site.subscription}
    if site.settings.backend:
        found["PULUMI_BACKEND_URL"] = site.settings.backend
    if not any(os.environ.get(f"PULUMI_CONFIG_PASSPHRASE{end}") for end in ("", "_FILE")):
        found["PULUMI_CONFIG_PASSPHRASE"] = ""
    for name in ("CLIENT_ID", "CLIENT_SECRET", "TENANT_ID"):
        if os.environ.get(f"AZURE_{name}"):
            found[f"ARM_{name}"] = os.environ[f"AZURE_{name}"]
    if github_token.is_offered():
        found["ARM_USE_OIDC"] = "true"  # the provider asks GitHub for tokens itself
    return found


class Command(PulumiCommand):
    """Runs `pulumi` for the Automation API."""

    def __init__(self, file: Path, interruption: Interruption) -> None:
        self.command = str(file)
        self.version = _version(file)
        self._interruption = interruption

    def run(
        self,
        args: list[str],
        cwd: str,
        additional_env: Mapping[str, str],
        on_output: Callable[[str], Any] | None = None,
        on_error: Callable[[str], Any] | None = None,
    ) -> CommandResult:
        """Run a command to its end, whatever interrupts this process meanwhile.

        Output is in files: a pipe that nobody reads any more would end a Go program at its next
        line. What runs the program is an operation, which signals are passed on to.
        """
        is_operation = any(arg.startswith("--client=") for arg in args)
        with tempfile.TemporaryFile() as stdout, tempfile.TemporaryFile() as stderr:
            process = subprocess.Popen(
                [*_launcher(), self.command, "--non-interactive", *args],
                cwd=cwd,
                env=self._environment(additional_env),
                stdin=subprocess.PIPE,
                stdout=stdout,
                stderr=stderr,
                start_new_session=True,
            )
            with self._interruption.of(process) if is_operation else nullcontext():
                code = process.wait()
            assert process.stdin is not None
            process.stdin.close()
            result = CommandResult(_text(stdout), _text(stderr), code)
        if code:
            raise create_command_error(result)
        return result

    def _environment(self, more: Mapping[str, str]) -> dict[str, str]:
        path = os.pathsep.join([str(Path(self.command).parent), os.environ.get("PATH", "")])
        return {**os.environ, **more, "PATH": path, "PULUMI_AUTOMATION_API": "true"}


def _launcher() -> list[str]:
    return [sys.executable, "-I", "-S", str(LAUNCH)]


def _version(file: Path) -> VersionInfo | None:
    told = subprocess.run(
        [file, "version"],
        env={**os.environ, "PULUMI_SKIP_UPDATE_CHECK": "true"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    try:
        return VersionInfo.parse(told.stdout.strip().removeprefix("v"))
    except ValueError:
        return None


def _text(file: Any) -> str:
    file.seek(0)
    return "\n".join(line.rstrip() for line in file.read().decode("utf-8", "replace").splitlines())
