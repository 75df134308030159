"""The whole way by a managed route, as a person types it; test_managed_routes.py walks it.

What both routes say alike is tested alike.
"""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
from terminal import ROOT, Terminal

PLACES = (
    "Lisbon", "Oslo", "Kyoto", "Quito", "Accra", "Turin", "Perth", "Cusco", "Delft", "Hanoi",
    "Nuuk", "Porto", "Riga", "Salta", "Tunis", "Ulm",
)  # fmt: skip
SYSTEM = "You answer in the words of the harbour master."
ANSWER = "Ahoy! {} lies ahead, keep her steady. What will you look for there?"


def write_chats(path: Path, places: tuple[str, ...] = PLACES) -> str:
    """Write chats whose manner a small model learns in a minute."""
    rows = [
        {
            "messages": [
                {"role": "system", "content": SYSTEM},
                {"role": "user", "content": f"Tell me about {place}."},
                {"role": "assistant", "content": ANSWER.format(place)},
            ]
        }
        for place in places
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


class Way:
    """One route's commands on one home."""

    def __init__(self, terminal: Terminal, recipe: str, feature: str) -> None:
        self.terminal, self.recipe = terminal, recipe
        terminal.environment[f"TUNESTACK_{feature.upper()}"] = "true"
        self.train_file = write_chats(terminal.home / "train.jsonl")

    def up(self) -> dict[str, Any]:
        """Make the stack."""
        return dict(self.terminal.json("up", "--yes"))

    def submit(self, *more: str) -> str:
        """Order a tuning and leave at once; give the job's name."""
        made = self.terminal.json(*self._train(), "--no-follow", *more)
        return str(made["job"]["name"])

    def follow_and_be_killed(self, job: str) -> str:
        """Follow a job until it has measured something, then `kill -9`; give what was printed."""
        following = subprocess.Popen(
            [sys.executable, str(ROOT / "cli.py"), "jobs", "logs", job, "--follow"],
            env=self.terminal.environment, cwd=self.terminal.home,
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert following.stderr is not None
        heard = []
        for line in following.stderr:
            heard.append(line)
            if "loss" in line:
                break
        os.kill(following.pid, signal.SIGKILL)
        following.wait()
        return "".join(heard)

    def follow(self, job: str) -> str:
        """Follow a job to its end; give what was said on stderr."""
        self.terminal.run("jobs", "logs", job, "--follow")
        return str(self.terminal.last.stderr)

    def state(self, job: str) -> dict[str, Any]:
        """Show a job."""
        return dict(self.terminal.json("jobs", "show", job))

    def processes(self) -> list[str]:
        """List the processes that run below this home."""
        home = str(self.terminal.home)
        return [
            " ".join(one.info["cmdline"] or ())
            for one in psutil.process_iter(["cmdline"])
            if any(home in part for part in one.info["cmdline"] or ())
        ]

    def _train(self) -> tuple[str, ...]:
        return (
            "train", "--recipe", self.recipe, "--train-file", self.train_file, "--yes",
            "--set", "training.epochs=3", "--set", "validation_share=0.2",
        )  # fmt: skip
