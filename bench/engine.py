"""`pulumi up` of the whole stack against the local Azure: how much the engine and we add.

The least that an `up` can take is the engine's start and the critical path: the longest chain of
resources that wait for each other, each with the time that Azure (here the local one) took for
it. The start is what the same engine takes for a program that imports all of ours, asks the
provider who is signed in and declares nothing. Needs pulumi (`make engine`); prints the ratio of
the real run to that least.
"""

import json
import os
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "engine")]

from engine_rig import Project, pulumi_command

from core.home import environments
from local.process import start, stop

RUNS = 3
EMPTY = """import sys
sys.path.insert(0, {root!r})
import infra.program
infra.program.authorization.get_client_config()
"""


def critical_path(resources: list[dict[str, Any]], seconds: dict[str, float]) -> float:
    """Add up the longest chain of resources that depend on each other."""
    by_urn = {row["urn"]: row for row in resources}
    ends: dict[str, float] = {}

    def end(urn: str) -> float:
        if urn not in ends:
            row = by_urn[urn]
            before = set(row.get("dependencies") or []) & by_urn.keys()
            ends[urn] = max(map(end, before), default=0.0) + seconds.get(urn, 0.0)
        return ends[urn]

    return max(map(end, by_urn))


def timed(project: Project, *arguments: str, **extra: str) -> float:
    """Run pulumi; give the seconds."""
    began = time.perf_counter()
    project.pulumi(*arguments, **extra)
    return time.perf_counter() - began


def empty(project: Project, folder: Path) -> Project:
    """Lay out the same project with a program that declares nothing."""
    folder.mkdir()
    shutil.copytree(project.folder / "bin", folder / "bin", symlinks=True)
    (folder / "state").mkdir()
    (folder / "infra").mkdir()
    (folder / "Pulumi.yaml").symlink_to(ROOT / "Pulumi.yaml")
    (folder / "infra" / "__main__.py").write_text(EMPTY.format(root=str(ROOT)))
    return Project(folder, project.azure)


def run(project: Project, bare: Project, number: int) -> tuple[float, float, float]:
    """Give seconds of the engine's start, of the critical path and of the whole `up`."""
    stack, times = f"run{number}", project.folder / f"times{number}"
    bare.init(stack)
    started = timed(bare, "up", "--yes", "--skip-preview", "-s", stack)
    project.init(stack)
    whole = timed(
        project, "up", "--yes", "--skip-preview", "-s", stack, TUNESTACK_PROVIDER_TIMES=str(times)
    )
    rows = map(json.loads, times.read_text().splitlines())
    path = critical_path(project.resources(stack), {row["urn"]: row["seconds"] for row in rows})
    project.pulumi("destroy", "--yes", "--skip-preview", "--run-program", "-s", stack)
    return started, path, whole


def main() -> int:
    """Measure and print."""
    if pulumi_command() is None:
        print("There is no pulumi here: make engine")
        return 0
    folder = Path(tempfile.mkdtemp(prefix="tunestack-bench-"))
    azure = start(folder / "azure", environments=environments())
    os.environ.update(azure.environment)
    try:
        (folder / "project").mkdir()
        project = Project.make(folder / "project", azure.environment)
        bare = empty(project, folder / "bare")
        rows = [run(project, bare, number) for number in range(RUNS)]
    finally:
        stop(folder / "azure")
        shutil.rmtree(folder, ignore_errors=True)
    started, path, whole = (statistics.median(column) for column in zip(*rows, strict=True))
    print(f"engine's start        {started:6.2f} s")
    print(f"critical path         {path:6.2f} s")
    print(f"pulumi up, 27 of ours {whole:6.2f} s")
    print(f"ratio                 {whole / (started + path):6.2f}   (goal: at most 1.3)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
