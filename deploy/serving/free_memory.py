"""How much memory is left for a model's work on processors."""

from pathlib import Path

CGROUP = Path("/sys/fs/cgroup")


def free_memory() -> int:
    """Give the bytes that this machine, or this container where it is limited, has left.

    What only keeps files at hand counts as free.
    """
    free = _fields(Path("/proc/meminfo"), ":")["MemAvailable"] * 1024
    try:
        most = (CGROUP / "memory.max").read_text(encoding="ascii").strip()
        used = int((CGROUP / "memory.current").read_text(encoding="ascii"))
        files = _fields(CGROUP / "memory.stat", " ")["inactive_file"]
    except OSError:  # no container, or one of an older kind
        return free
    return free if most == "max" else min(free, max(0, int(most) - used + files))


def _fields(path: Path, separator: str) -> dict[str, int]:
    lines = path.read_text(encoding="ascii").splitlines()
    pairs = (line.split(separator, 1) for line in lines)
    return {name: int(value.split()[0]) for name, value in pairs}
