"""The faults that requests meet, and how often a client may try again."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from local import faults
from local.faults import Fault

BUDGET = 3
"""Tries after the first one, for answers and for cut connections alike: azure-core's default."""

FAULTS = {
    "429": Fault(status=429, retry_after=1),
    "500": Fault(status=500),
    "502": Fault(status=502),
    "503": Fault(status=503),
    "cut-before": Fault(drop=True),
    "cut-after": Fault(drop=True, after=True),
    "500-after": Fault(status=500, after=True),
    "slow": Fault(slow=300),
}
FAILING = [name for name in FAULTS if name != "slow"]


@contextmanager
def meeting(azure: Path, meant: Fault, fault: Fault, times: int) -> Iterator[None]:
    """Let a fault hit the requests that `meant` names; see to it that it has hit them all."""
    where = {"method": meant.method, "host": meant.host, "path": meant.path}
    rule = faults.add(azure, replace(fault, **where, times=times))
    yield
    [met] = [found for found in faults.rules(azure) if found.number == rule.number]
    assert met.hits == times, f"hit {met.hits} of {times} times"
