"""How fast a training goes and when it will be done, told from a clock and the trainer's steps.

Evaluations and saves are pauses: they count for the time left, not for the speed.
"""

import math
import time
from collections import deque
from collections.abc import Callable, Mapping

RECENT = 10
"""Measurements that the time left is told from."""


class Pace:
    """A stopwatch that knows training from pauses; it starts anew where a job is resumed."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._begin = self._mark = clock()
        self._paused = 0.0
        self._last: dict[str, float] = {}
        """The newest length of each kind of pause, in seconds."""
        self._seen: tuple[int, float | None, float] = (0, 0.0, 0.0)
        """Step, tokens and training seconds at the last measurement."""
        self._recent: deque[tuple[int, float]] = deque(maxlen=RECENT)
        self._is_first = True

    def begin(self, step: int) -> None:
        """Start at a step: 0, or the one that a resumed job goes on from.

        A resumed job's count of tokens goes on from a figure that is not known here, so its first
        measurement tells no speed.
        """
        self._begin = self._mark = self._clock()
        self._paused = 0.0
        self._recent.clear()
        self._is_first = True
        self._seen = (step, None if step else 0.0, 0.0)

    def step_ended(self) -> None:
        """Note that a step is done; what comes now may be a pause."""
        self._mark = self._clock()

    def pause_ended(self, kind: str) -> None:
        """Count the time since the last step or pause as a pause of this kind."""
        now = self._clock()
        self._last[kind] = now - self._mark
        self._paused += now - self._mark
        self._mark = now

    def measure(
        self, step: int, steps: int, tokens: float, every: Mapping[str, float]
    ) -> dict[str, float]:
        """Give seconds, tokens a second and the seconds left, at a step that has been logged.

        `tokens` is the trainer's count so far, of all processes together; `every` says after how
        many steps each kind of pause comes.
        """
        trained = self._mark - self._begin - self._paused
        before, tokens_before, trained_before = self._seen
        self._seen = (step, tokens, trained)
        taken = trained - trained_before
        found = {"seconds": self._clock() - self._begin, "training_seconds": taken}
        if taken > 0 and tokens_before is not None and tokens > tokens_before:
            found["tokens_per_second"] = (tokens - tokens_before) / taken
        if len(self._recent) == 1 and self._is_first:
            self._recent.clear()  # the first steps warm up: they tell the time only while alone
            self._is_first = False
        if step > before:
            self._recent.append((step - before, taken))
        if self._recent:
            found["eta_seconds"] = self._left(step, steps, every)
        return found

    def _left(self, step: int, steps: int, every: Mapping[str, float]) -> float:
        done, taken = (sum(column) for column in zip(*self._recent, strict=True))
        pauses = sum(
            due(step, steps, interval) * self._last.get(kind, 0.0)
            for kind, interval in every.items()
        )
        return (steps - step) * taken / done + pauses


def due(step: int, steps: int, interval: float) -> int:
    """Count how often something is still due that comes every `interval` steps, now included."""
    if interval <= 0:
        return 0
    return max(0, math.floor(steps / interval + 1e-6) - math.floor((step - 1) / interval + 1e-6))
