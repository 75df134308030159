"""How long a container may take to get ready, by its model's size, and what Azure is told of it.

A broken deployment is given up after minutes, however large its model; a small one sooner. The
container is ready once its program has loaded the model and the model has answered.
"""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from azure.ai.ml.entities import ProbeSettings

AT_MOST_SECONDS = 480
"""After so long at the latest a deployment that never answers is given up."""

START_SECONDS = 90
"""For Python, its libraries and the first answer; a CUDA runtime takes as long again."""
SECONDS_A_GB = 30
"""For weights: read from a cold disk, turned into the processor's own numbers."""
LONGEST_SECONDS = 330
UNKNOWN_GB = 8
DELAY, PERIOD, TIMEOUT = 10, 15, 10
LIVE_FAILURES = 8
"""A busy program may miss some of its liveness probes: two minutes of silence are its end."""


@dataclass(frozen=True)
class Probe:
    """When a container counts as not answering; all in seconds."""

    delay: int
    failures: int
    period: int = PERIOD
    timeout: int = TIMEOUT

    @property
    def gives_up_after(self) -> int:
        """Give the seconds until the last of its failures is certain."""
        return self.delay + self.period * self.failures + self.timeout

    def settings(self) -> "ProbeSettings":
        """Write it as azure-ai-ml takes it."""
        from azure.ai.ml.entities import ProbeSettings

        return ProbeSettings(
            initial_delay=self.delay,
            period=self.period,
            timeout=self.timeout,
            success_threshold=1,
            failure_threshold=self.failures,
        )


def probes(gigabytes: float | None, *, has_gpu: bool) -> tuple[Probe, Probe]:
    """Give the readiness and the liveness probe for weights of so many GB; None: not known."""
    size = UNKNOWN_GB if gigabytes is None else gigabytes
    wanted = START_SECONDS * (2 if has_gpu else 1) + SECONDS_A_GB * size
    seconds = min(LONGEST_SECONDS, wanted)
    readiness = Probe(DELAY, math.ceil((seconds - DELAY) / PERIOD))
    # It starts when readiness is decided, so that a model being loaded is left alone.
    liveness = Probe(DELAY + PERIOD * readiness.failures, LIVE_FAILURES)
    return readiness, liveness
