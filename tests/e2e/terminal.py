"""A person at a terminal: the real command line as a child process, in a home of its own."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENTS = ROOT / ".tunestack" / "environments"
"""Shared with rehearsals and with the next test run: building one takes half a minute."""


class Terminal:
    """Runs `tunestack` and keeps what it printed."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.environment = {
            **os.environ,
            "TUNESTACK_HOME": str(home),
            "TUNESTACK_ENVIRONMENTS": str(ENVIRONMENTS),
            "COLUMNS": "120",
        }

    def run(self, *arguments: str, exit_code: int = 0, timeout: float = 900) -> str:
        """Run a command, hold it to its exit code, and give its stdout."""
        self.last = subprocess.run(
            [sys.executable, str(ROOT / "cli.py"), *arguments],
            env=self.environment, cwd=self.home, capture_output=True, text=True,
            stdin=subprocess.DEVNULL, timeout=timeout, check=False,
        )  # fmt: skip
        told = f"{self.last.stdout}\n{self.last.stderr}"
        assert self.last.returncode == exit_code, told
        assert "Traceback" not in told, told
        return self.last.stdout

    def json(self, *arguments: str, exit_code: int = 0, timeout: float = 900) -> Any:
        """Run a command with --json and read the one document on its stdout."""
        return json.loads(self.run(*arguments, "--json", exit_code=exit_code, timeout=timeout))
