"""Check and split 200,000 chats (132 MB): the tutorial's way, other libraries', ours.

    python bench/data.py [ROWS]

Each way runs three times in a process of its own, in turn; the best time and the highest peak
count. Imports are not timed, but their memory is. The work differs: the tutorial's way, datasets
and polars read, split and write and check nothing; ours checks every record by line, finds copies,
hashes the file and copies its bytes. `all checks` only checks. Needs `datasets` (the `rehearsal`
extra); polars is measured where it is installed.
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
from importlib.util import find_spec
from pathlib import Path

ROUNDS = 3
ROWS = 200_000
GOAL_ROWS, GOAL_BYTES = 150_000, 0.1e9
WORDS = [
    "where", "when", "harbour", "market", "sunrise", "castle", "valley", "train", "museum",
    "garden", "walk", "quiet",
]  # fmt: skip
TURNS = (("user", 15), ("assistant", 26), ("user", 9), ("assistant", 20))


def tutorial(source: Path, work: Path) -> int:
    """Load with `datasets`, split, and write each row with json.dump."""
    parts = _split(source, work)
    for name in ("train", "test"):
        with (work / f"{name}_data.jsonl").open("w") as file:
            for row in parts[name]:
                json.dump(row, file)
                file.write("\n")
    return len(parts["train"]) + len(parts["test"])


def to_json(source: Path, work: Path) -> int:
    """Load with `datasets`, split, and let it write."""
    parts = _split(source, work)
    for name in ("train", "test"):
        parts[name].to_json(work / f"{name}_data.jsonl")
    return len(parts["train"]) + len(parts["test"])


def _split(source: Path, work: Path):  # type: ignore[no-untyped-def]
    from datasets import load_dataset

    loaded = load_dataset("json", data_files=str(source), split="train", cache_dir=str(work))
    return loaded.train_test_split(test_size=0.2)


def polars_way(source: Path, work: Path) -> int:
    """Read, shuffle, cut and write with polars."""
    import polars

    frame = polars.read_ndjson(source).sample(fraction=1, shuffle=True, seed=0)
    rows = len(frame) // 5
    frame[:rows].write_ndjson(work / "validation.jsonl")
    frame[rows:].write_ndjson(work / "train.jsonl")
    return len(frame)


def form(source: Path, work: Path) -> int:
    """Check every record's form, find copies, hash the file."""
    from training.data.check import check_file

    return check_file(source).rows


def form_and_split(source: Path, work: Path) -> int:
    """Do the same and write the two files in the same pass."""
    from training.data.split import split_file

    made = split_file(source, work / "split")
    return made.train_rows + made.validation_rows


def every_check(source: Path, work: Path) -> int:
    """Look at all rules: near copies, personal data, secrets, refusals, control tokens too."""
    from training.data.check import check_file
    from training.data.rules import EVERY

    return check_file(source, rules=EVERY, base="microsoft/Phi-3.5-mini-instruct").rows


WAYS: dict[str, Callable[[Path, Path], int]] = {
    "tutorial": tutorial,
    "datasets": to_json,
    "polars": polars_way,
    "ours, form and split": form_and_split,
    "ours, form": form,
    "ours, all checks": every_check,
}
IMPORTS = {"tutorial": "datasets", "datasets": "datasets", "polars": "polars"}


def write_chats(path: Path, rows: int) -> None:
    """Write chats of four turns, some 660 bytes each."""
    chance = random.Random(0)
    with path.open("w") as file:
        for number in range(rows):
            messages = [
                {"role": role, "content": f"{number} {' '.join(chance.choices(WORDS, k=words))}"}
                for role, words in TURNS
            ]
            file.write(json.dumps({"prompt_id": str(number), "messages": messages}) + "\n")


def measure(way: str, source: str) -> None:
    """Run one way; print seconds after the imports and the process's peak memory."""
    __import__(IMPORTS.get(way, "training.data.split"))
    if IMPORTS.get(way) == "datasets":
        import datasets

        datasets.disable_progress_bars()
    with tempfile.TemporaryDirectory() as work:
        begin = time.perf_counter()
        rows = WAYS[way](Path(source), Path(work))
        seconds = time.perf_counter() - begin
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps({"rows": rows, "seconds": seconds, "peak": peak}))


def run(way: str, source: Path) -> dict[str, float]:
    """Measure one way in a process of its own."""
    root = str(Path(__file__).resolve().parent.parent)
    paths = os.pathsep.join([root, *filter(None, [os.environ.get("PYTHONPATH")])])
    done = subprocess.run(
        [sys.executable, __file__, "--measure", way, str(source)],
        env={**os.environ, "PYTHONPATH": paths, "HF_HUB_OFFLINE": "1"},
        check=True, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    return json.loads(done.stdout.splitlines()[-1])  # type: ignore[no-any-return]


def main() -> None:
    """Run the ways in turn and print them side by side."""
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else ROWS
    ways = [way for way in WAYS if find_spec(IMPORTS.get(way, "json"))]
    runs: dict[str, list[dict[str, float]]] = {way: [] for way in ways}
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "chats.jsonl"
        write_chats(source, rows)
        size = source.stat().st_size
        for _ in range(ROUNDS):
            for way in ways:
                runs[way].append(run(way, source))
    print(f"{rows} chats, {size / 1e6:.0f} MB; {time.strftime('%Y-%m-%d')}, {os.cpu_count()} cores,"
          f" Python {platform.python_version()}; best of {ROUNDS}")  # fmt: skip
    for way in WAYS:
        if way not in runs:
            print(f"{way:<22}not measured: {IMPORTS[way]} is not installed here")
            continue
        best = min(each["seconds"] for each in runs[way])
        peak = max(each["peak"] for each in runs[way])
        print(f"{way:<22}{best:8.2f} s {rows / best:10,.0f} rows/s {peak / 1e9:8.2f} GB peak")
        if way == "ours, form":
            verdict = "met" if rows / best >= GOAL_ROWS and peak <= GOAL_BYTES else "missed"
            print(f"{'':<22}goal: {GOAL_ROWS:,} rows/s at {GOAL_BYTES / 1e9} GB or less: {verdict}")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--measure"]:
        measure(sys.argv[2], sys.argv[3])
    else:
        main()
