"""Jobs as real processes that start in a moment: forks of one that has imported torch."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from job_runs import Run, arguments, conversations

from core.recipe import Recipe


class Server:
    """The process whose forks are jobs."""

    def __init__(self) -> None:
        program = Path(__file__).with_name("fork_server.py")
        self._process = subprocess.Popen(
            [sys.executable, str(program)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(sys.path)},
        )

    def begin(self, folder: Path, chosen: Recipe, **when: Any) -> int:
        """Start a job in `folder`; give its process id."""
        records = pairs() if chosen.objective == "dpo" else None
        order = {
            "arguments": arguments(folder, chosen, records, records),
            "log": str(folder / "log.txt"),
            "folder": str(folder / "checkpoints"),
            "count": str(folder / "count"),
            **when,
        }
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        return int(self._answer()["pid"])

    def end(self, folder: Path) -> Run:
        """Wait for the job that was begun."""
        code = int(self._answer()["status"])
        return Run(code, (folder / "log.txt").read_text(), folder)

    def run(self, folder: Path, chosen: Recipe, **when: Any) -> Run:
        """Run a job to its end, whichever that is."""
        self.begin(folder, chosen, **when)
        return self.end(folder)

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, "the fork server has died"
        return dict(json.loads(line))

    def close(self) -> None:
        """End the server."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(60)


def pairs() -> list[dict[str, Any]]:
    """Make preferences of conversations: their answers rather than a stranger's."""
    other = [{"role": "assistant", "content": "Nobody can know that."}]
    return [
        {"prompt": record["messages"][:-1], "chosen": record["messages"][-1:], "rejected": other}
        for record in conversations()
    ]
