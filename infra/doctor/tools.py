"""Rules about this machine: Python, the packages, the Pulumi command line, the Azure CLI."""

import os
import platform
import shutil
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

from core.errors import PrerequisiteError
from core.facts import Facts
from core.lifecycle import Kind, judged, table_age
from core.rules import Finding, Rule, failed, ok, warning
from infra.engine import REHEARSAL

OURS = "tunestack"
INSTALL = 'pip install -e "."  (or: make setup)'
CREDENTIALS = ("AZURE_CLIENT_ID", "AZURE_FEDERATED_TOKEN_FILE", "IDENTITY_ENDPOINT")
"""What signs in without the Azure CLI: a service principal, a workload, a managed identity."""


def python(facts: Facts) -> Iterator[Finding]:
    """Say whether this Python is one that the program was tested with."""
    from packaging.specifiers import SpecifierSet

    wanted = SpecifierSet(metadata.metadata(OURS)["Requires-Python"] or "")
    version = platform.python_version()
    if version in wanted:
        yield ok(f"Python {version}")
    else:
        yield failed(f"Python {version}; {wanted} is tested", "uv venv --python 3.11")


def packages(facts: Facts) -> Iterator[Finding]:
    """Say whether the installed packages are within the tested versions."""
    wrong = untested(metadata.requires(OURS) or [])
    if wrong:
        yield failed("not the tested versions: " + "; ".join(wrong), INSTALL)
    else:
        shown = ", ".join(f"{name} {metadata.version(name)}" for name in ("azure-ai-ml", "pulumi"))
        yield ok(f"{shown} and the others are the tested ones")


def untested(requirements: list[str]) -> list[str]:
    """List what of a list of requirements is not installed, or in another version."""
    from packaging.requirements import Requirement

    found = []
    for wanted in map(Requirement, requirements):
        if wanted.marker is not None and not wanted.marker.evaluate({"extra": ""}):
            continue
        version = _installed(wanted.name)
        if version is None or not wanted.specifier.contains(version, prereleases=True):
            found.append(f"{wanted.name} {version or 'is missing'} ({wanted.specifier})")
    return found


def pulumi(facts: Facts) -> Iterator[Finding]:
    """Say whether the Pulumi command line is there; the rehearsal needs none."""
    if facts.stack == REHEARSAL:
        return
    from infra.pulumi_cli.command import pulumi_command
    from infra.pulumi_cli.interruption import Interruption

    try:
        command = pulumi_command(Interruption(lambda told: None))
    except PrerequisiteError as error:
        yield failed(str(error), error.hint)
    else:
        yield ok(f"pulumi {command.version}")


def azure_cli(facts: Facts) -> Iterator[Finding]:
    """Say whether `az login` can be typed, where nothing else signs in."""
    if shutil.which("az"):
        yield ok("az is there")
    elif any(os.environ.get(name) for name in CREDENTIALS):
        yield ok("az is not there, and not needed: the environment signs in")
    else:
        yield warning(
            "az is not there: `az login` is the usual way to sign in",
            "https://learn.microsoft.com/cli/azure/install-azure-cli",
        )


def sdks(facts: Facts) -> Iterator[Finding]:
    """Judge the installed SDKs that Azure has given up, or will."""
    yield from judged(Kind.PACKAGE, _names(), facts.today, "pip uninstall it, and use {}")


def table(facts: Facts) -> Iterator[Finding]:
    """Say how old the table of retirements is."""
    yield table_age(facts.today)


def _names() -> list[str]:
    """List what is installed, by its folders' names: reading each one's metadata takes a while."""
    found = [path.name for folder in sys.path for path in Path(folder).glob("*.dist-info")]
    return sorted({name.partition("-")[0].replace("_", "-") for name in found})


def _installed(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


ALL = frozenset({"up", "train", "deploy"})
RULES = (
    Rule("tools.python", python, stops=ALL, needs_azure=False),
    Rule("tools.packages", packages, warns=ALL, needs_azure=False),
    Rule("tools.pulumi", pulumi, stops=frozenset({"up"}), needs_azure=False),
    Rule("tools.az", azure_cli, needs_azure=False),
    Rule("lifecycle.sdk", sdks, warns=frozenset({"train", "deploy"}), needs_azure=False),
    Rule("lifecycle.table", table, needs_azure=False),
)
