"""Where a process and its descendants listen."""

import psutil


def addresses(pid: int) -> set[str]:
    """Give the hosts that a process and everything below it listens on."""
    found: set[str] = set()
    try:
        top = psutil.Process(pid)
        family = [top, *top.children(recursive=True)]
    except psutil.NoSuchProcess:
        return found
    for process in family:
        try:
            connections = process.net_connections(kind="tcp")
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
        found |= {c.laddr.ip for c in connections if c.status == psutil.CONN_LISTEN}
    return found
