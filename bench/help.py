"""How long a person waits for `--help`: `az --help` and `tunestack --help`, side by side.

azure-cli gets a virtual environment of its own in .tunestack/bench/. Runs alternate, so that a
busy machine slows both; the first pair warms the file cache and is not counted.
"""

import os
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PEER = ROOT / ".tunestack" / "bench" / "azure-cli"
RUNS = 7


def install_peer() -> Path:
    """Install azure-cli where it is not yet, and give its `az`."""
    az = PEER / "bin" / "az"
    if not az.exists():
        uv = shutil.which("uv") or str(Path(sys.executable).with_name("uv"))
        subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, str(PEER)], check=True)
        subprocess.run(
            [uv, "pip", "install", "--quiet", "--compile-bytecode", "--prerelease=allow",
             "--python", str(PEER / "bin" / "python"), "azure-cli"],
            check=True,
        )  # fmt: skip
    return az


def seconds(command: list[str]) -> float:
    """Time one run."""
    begin = time.perf_counter()
    environment = {**os.environ, "AZURE_CORE_COLLECT_TELEMETRY": "no"}
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=environment)
    return time.perf_counter() - begin


def main() -> None:
    """Print the medians and their ratio."""
    theirs = [str(install_peer()), "--help"]
    ours = [str(Path(sys.executable).with_name("tunestack")), "--help"]
    seconds(theirs), seconds(ours)
    pairs = [(seconds(theirs), seconds(ours)) for _ in range(RUNS)]
    az, tunestack = (statistics.median(column) for column in zip(*pairs, strict=True))
    print(f"az --help        {az:.3f} s (median of {RUNS})")
    print(f"tunestack --help {tunestack:.3f} s (median of {RUNS})")
    print(f"ratio            {tunestack / az:.2f} (goal: 0.5 or less)")


if __name__ == "__main__":
    main()
