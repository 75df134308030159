"""Check and split 200,000 chats: the tutorial's way and ours, side by side in one run.

    python bench/data_check.py [ROWS]

Each way runs three times in a process of its own, in turn; the best time counts. The work
differs, in the tutorial's favour: it reads, splits and writes without checking anything; ours
checks every message, finds duplicates and hashes the file in the same pass. Needs `datasets`
(the `rehearsal` extra).
"""

import json
import os
import platform
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

ROUNDS = 3
WORDS = [
    "where",
    "when",
    "harbour",
    "market",
    "sunrise",
    "castle",
    "valley",
    "train",
    "museum",
    "garden",
    "walk",
    "quiet",
]


def tutorial(source: Path, work: Path) -> int:
    """Load with `datasets`, split, and write each row with json.dump."""
    from datasets import load_dataset

    loaded = load_dataset("json", data_files=str(source), split="train", cache_dir=str(work))
    parts = loaded.train_test_split(test_size=0.2)
    for name in ("train", "test"):
        with (work / f"{name}_data.jsonl").open("w") as file:
            for row in parts[name]:
                json.dump(row, file)
                file.write("\n")
    return len(parts["train"]) + len(parts["test"])


def ours(source: Path, work: Path) -> int:
    """Check and split in one pass."""
    from training.data.split import split_file

    made = split_file(source, work / "split")
    return made.train_rows + made.validation_rows


WAYS: dict[str, Callable[[Path, Path], int]] = {"tutorial": tutorial, "tunestack": ours}


def write_chats(path: Path, rows: int) -> None:
    """Write chats of about 650 bytes, as the training set of the tutorial has them."""
    chance = random.Random(0)
    with path.open("w") as file:
        for number in range(rows):
            turns = [("user", 20), ("assistant", 35), ("user", 12), ("assistant", 28)]
            messages = [
                {"role": role, "content": f"{number} {' '.join(chance.choices(WORDS, k=words))}"}
                for role, words in turns
            ]
            file.write(json.dumps({"prompt_id": str(number), "messages": messages}) + "\n")


def measure(way: str, source: str) -> None:
    """Run one way; print seconds after the imports and the process's peak memory."""
    if way == "tutorial":
        import datasets

        datasets.disable_progress_bars()
    else:
        import training.data.split  # noqa: F401
    with tempfile.TemporaryDirectory() as work:
        begin = time.perf_counter()
        rows = WAYS[way](Path(source), Path(work))
        seconds = time.perf_counter() - begin
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"rows": rows, "seconds": seconds, "peak_mib": peak}))


def main() -> None:
    """Run both ways in turn and print the comparison."""
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 200_000
    runs: dict[str, list[dict[str, float]]] = {way: [] for way in WAYS}
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "chats.jsonl"
        write_chats(source, rows)
        megabytes = source.stat().st_size / 1e6
        root = Path(__file__).resolve().parent.parent
        environment = {**os.environ, "PYTHONPATH": str(root), "HF_HUB_OFFLINE": "1"}
        for _ in range(ROUNDS):
            for way in WAYS:
                argv = [sys.executable, __file__, "--measure", way, str(source)]
                done = subprocess.run(
                    argv, env=environment, check=True, capture_output=True, text=True
                )
                runs[way].append(json.loads(done.stdout.splitlines()[-1]))
    print(f"{rows} chats, {megabytes:.0f} MB; {time.strftime('%Y-%m-%d')}, {os.cpu_count()} cores,"
          f" Python {platform.python_version()}; best of {ROUNDS}")  # fmt: skip
    best = {way: min(run["seconds"] for run in runs[way]) for way in WAYS}
    for way, seconds in best.items():
        peak = max(run["peak_mib"] for run in runs[way])
        print(f"{way:<10}{seconds:8.2f} s {rows / seconds:10,.0f} chats/s {peak:8.0f} MiB peak")
    print(f"ratio     {best['tutorial'] / best['tunestack']:8.1f} times as fast")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--measure"]:
        measure(sys.argv[2], sys.argv[3])
    else:
        main()
