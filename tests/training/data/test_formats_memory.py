"""The memory does not grow with the data: ten times the rows, the same peak."""

import csv
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
FEW, MANY = 10_000, 100_000
GROWTH = 10
"""MiB. Each row has some 300 bytes, so that the 90,000 rows more would be 26 MiB as a file and
a multiple of that as Python objects."""

PROGRAM = """
import re, sys
from pathlib import Path
from training.data import formats
for path in sys.argv[1:]:
    rows = sum(1 for line in formats.read(path) if not line.fault)
    peak = re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())
    print(rows, int(peak[1]) // 1024)
"""
"""Not getrusage: its peak is inherited from the process that started this one."""


def records(count: int) -> Iterator[dict[str, str]]:
    for number in range(count):
        yield {"user": f"Question {number}? " * 8, "assistant": f"Answer {number}. " * 8}


def jsonl(path: Path, count: int) -> None:
    with path.open("w") as file:
        file.writelines(json.dumps(record) + "\n" for record in records(count))


def json_list(path: Path, count: int) -> None:
    with path.open("w") as file:
        file.write("[")
        for number, record in enumerate(records(count)):
            file.write("," * (number > 0) + json.dumps(record))
        file.write("]")


def table(path: Path, count: int) -> None:
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, ("user", "assistant"))
        writer.writeheader()
        writer.writerows(records(count))


def parquet(path: Path, count: int) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    schema = pyarrow.schema([("user", pyarrow.string()), ("assistant", pyarrow.string())])
    with parquet.ParquetWriter(path, schema) as writer:
        for _ in range(count // 5000):
            rows = list(records(5000))
            writer.write_table(pyarrow.Table.from_pylist(rows, schema=schema))


def one_row_group(path: Path, count: int) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    parquet.write_table(pyarrow.Table.from_pylist(list(records(count))), path, row_group_size=count)


@pytest.mark.skipif(sys.platform != "linux", reason="the peak is read from /proc")
@pytest.mark.parametrize(
    ("ending", "write"),
    [
        ("jsonl", jsonl),
        ("json", json_list),
        ("csv", table),
        ("parquet", parquet),
        ("parquet", one_row_group),
    ],
)
def test_ten_times_the_rows_take_no_more_memory(
    tmp_path: Path, ending: str, write: Callable[[Path, int], None]
) -> None:
    """In a process of its own: pyarrow's memory is no Python object, and peaks never go down.

    Arrow's allocator, mimalloc, keeps what it is given back, up to some 60 MiB however long the
    file is; the system's gives it back at once, so that what is held can be seen.
    """
    paths = [tmp_path / f"{name}.{ending}" for name in ("few", "many")]
    for path, count in zip(paths, (FEW, MANY), strict=True):
        write(path, count)
    environment = {name: value for name, value in os.environ.items() if "MALLOC" not in name}
    environment["ARROW_DEFAULT_MEMORY_POOL"] = "system"
    run = subprocess.run(
        [sys.executable, "-c", PROGRAM, *map(str, paths)],
        cwd=ROOT, env=environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    (few, before), (many, after) = (map(int, line.split()) for line in run.stdout.splitlines())
    assert (few, many) == (FEW, MANY)
    assert after - before <= GROWTH, f"{ending}: {before} MiB became {after} MiB"
