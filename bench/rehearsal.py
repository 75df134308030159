"""What a newcomer waits for: a fresh clone, `make rehearse`, its first step, its end, its memory.

Clones the committed state into an empty folder and runs it there as a child process. Memory is
what all processes of the rehearsal hold together, sampled four times a second (shared pages
counted once each, where the system tells: PSS). The package cache is as it is: run it twice
for a warm one. Environments built earlier are not used.
"""

import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parent.parent


class Memory(threading.Thread):
    """Samples the memory of what runs below a folder."""

    def __init__(self, folder: Path) -> None:
        super().__init__(daemon=True)
        self.folder = str(folder)
        self.peak = 0
        self.ended = threading.Event()

    def run(self) -> None:
        """Sample until told to end."""
        while not self.ended.wait(0.25):
            self.peak = max(self.peak, sum(map(held, self._ours())))

    def _ours(self) -> list[psutil.Process]:
        found = []
        for process in psutil.process_iter(["cmdline", "cwd"]):
            told = [*(process.info["cmdline"] or []), process.info["cwd"] or ""]
            if any(self.folder in text for text in told):
                found.append(process)
        return found


def held(process: psutil.Process) -> int:
    """Give a process's proportional memory in bytes; its resident one where that is all."""
    try:
        full = process.memory_full_info()
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return 0
    return int(getattr(full, "pss", full.rss))


def rehearse(folder: Path) -> tuple[float, float, float, int]:
    """Give seconds to the first step, to the end, for the job alone, and the peak in bytes."""
    begin = time.perf_counter()
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(folder)], check=True)
    unset = ("PYTHONDONTWRITEBYTECODE", "TUNESTACK_HOME", "TUNESTACK_ENVIRONMENTS", "VIRTUAL_ENV")
    environment = {key: value for key, value in os.environ.items() if key not in unset}
    memory = Memory(folder)
    memory.start()
    first = job = 0.0
    child = subprocess.Popen(
        ["make", "rehearse"], cwd=folder, env=environment, text=True, stderr=subprocess.STDOUT,
        stdout=subprocess.PIPE, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert child.stdout is not None
    for line in child.stdout:
        sys.stdout.write(line)
        if line.startswith("1. ") and not first:
            first = time.perf_counter() - begin
        if line.startswith("done in "):
            job = float(line.split()[2])
    memory.ended.set()
    if child.wait():
        raise SystemExit(f"the rehearsal left with {child.returncode}")
    return first, time.perf_counter() - begin, job, memory.peak


def main() -> None:
    """Print the figures."""
    with tempfile.TemporaryDirectory() as work:
        first, together, job, peak = rehearse(Path(work) / "tunestack")
    print()
    print(f"fresh clone to the first narrated step {first:6.1f} s (goal 60)")
    print(f"fresh clone to the end                 {together:6.1f} s")
    print(f"of which the training program          {job:6.1f} s")
    print(f"peak memory of all its processes       {peak / 2**30:6.2f} GiB (goal 4)")


if __name__ == "__main__":
    main()
