"""Plain `pulumi` on the unmodified project, against the local Azure."""

import functools
import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).resolve().parent
OUTSIDE = dict(os.environ)
"""This process's environment before it was pointed at a local Azure: registries lie outside."""
STAND_INS = {
    "pulumi-language-python": HERE / "language_host.py",
    "pulumi-resource-azure-native": HERE / "azure_provider.py",
}


@functools.cache
def pulumi_command() -> str | None:
    """Find the engine: on PATH, or where `make engine` puts it."""
    told = subprocess.run(
        [ROOT / ".ci" / "engine", "--where"], capture_output=True, text=True, check=False
    )
    return told.stdout.strip() or None


@dataclass
class Project:
    """A folder with the project's own Pulumi.yaml and program, a backend and a PATH of its own."""

    folder: Path
    azure: dict[str, str]
    """The environment that points at the local Azure."""

    @classmethod
    def make(cls, folder: Path, azure: dict[str, str]) -> "Project":
        """Lay the folder out; the program and Pulumi.yaml are the checkout's, by link."""
        # The environment is for a real language host, which an installed pulumi brings along.
        for name in ("Pulumi.yaml", "infra", "core", ".venv"):
            (folder / name).symlink_to(ROOT / name)
        (folder / "bin").mkdir()
        (folder / "state").mkdir()
        for name, script in STAND_INS.items():
            file = folder / "bin" / name
            file.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{script}" "$@"\n')
            file.chmod(0o755)
        (folder / "bin" / "pulumi").symlink_to(str(pulumi_command()))
        return cls(folder, azure)

    def add_policy_pack(self) -> None:
        """Copy the pack here and install what it needs, as `pulumi install` does in its folder."""
        pack = self.folder / "policy"
        shutil.copytree(
            ROOT / "policy", pack, ignore=shutil.ignore_patterns(".venv", "__pycache__")
        )
        uv = [sys.executable, "-m", "uv", "--quiet"]
        venv = str(pack / ".venv")
        for step in (
            ["venv", "--python", sys.executable, venv],
            ["pip", "install", "--python", venv, "-r", str(pack / "requirements.txt")],
        ):
            subprocess.run([*uv, *step], check=True, cwd=ROOT, env=OUTSIDE)

    @property
    def backend(self) -> str:
        """Where the state is."""
        return f"file://{self.folder / 'state'}"

    @property
    def environment(self) -> dict[str, str]:
        """What `pulumi` and `tunestack` are run with."""
        return {
            **os.environ,
            **self.azure,
            "PATH": f"{self.folder / 'bin'}:{os.environ['PATH']}",
            "PULUMI_HOME": str(self.folder / "home"),
            "PULUMI_BACKEND_URL": self.backend,
            "PULUMI_CONFIG_PASSPHRASE": "",
            "PULUMI_SKIP_UPDATE_CHECK": "true",
            "PULUMI_AUTOMATION_API_SKIP_VERSION_CHECK": "false",
            "ARM_SUBSCRIPTION_ID": self.azure["AZURE_SUBSCRIPTION_ID"],
            "TUNESTACK_STACKS": str(self.folder),
            "TUNESTACK_HOME": str(self.folder / "tunestack"),
        }

    def pulumi(self, *arguments: str, fails: bool = False, **extra: str) -> str:
        """Run plain pulumi; give its stdout."""
        self.last = subprocess.run(
            ["pulumi", *arguments, "--non-interactive", "--color=never"],
            cwd=self.folder, env={**self.environment, **extra}, capture_output=True, text=True,
            stdin=subprocess.DEVNULL, timeout=300, check=False,
        )  # fmt: skip
        told = f"{self.last.stdout}\n{self.last.stderr}"
        assert bool(self.last.returncode) is fails, told
        return self.last.stdout

    def init(self, stack: str, **settings: Any) -> None:
        """Make a stack with its config, as `tunestack init` writes it."""
        chosen = {"compute": "cpu", "personType": "ServicePrincipal", **settings}
        self.configure(stack, **chosen)
        self.pulumi("stack", "init", stack)

    def configure(self, stack: str, **settings: Any) -> None:
        """Set config keys, keeping the others."""
        file = self.folder / f"Pulumi.{stack}.yaml"
        document = (yaml.safe_load(file.read_text()) if file.exists() else None) or {}
        config = document.setdefault("config", {})
        config.update({f"tunestack:{key}": value for key, value in settings.items()})
        file.write_text(yaml.safe_dump(document))

    def steps(self, stack: str) -> dict[str, str]:
        """Preview: what would be done to which resource, without what stays the same."""
        plan = json.loads(self.pulumi("preview", "-s", stack, "--json"))
        return {
            step["urn"].rsplit("::", 1)[-1]: step["op"]
            for step in plan["steps"]
            if step["op"] != "same"
        }

    def resources(self, stack: str) -> list[dict[str, Any]]:
        """What the state names, of Azure."""
        found = json.loads(self.pulumi("stack", "export", "-s", stack))
        rows = found["deployment"].get("resources") or []
        return [row for row in rows if row["type"].startswith("azure-native:")]


def clean(folder: Path) -> None:
    """Remove a project's folder."""
    shutil.rmtree(folder, ignore_errors=True)
