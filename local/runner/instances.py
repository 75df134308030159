"""The instances of a deployment: which of them answer, and which one gets the next request."""

import threading
import time
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field

from local.runner.tasks import Task

DRAIN_STEP = 0.05


@dataclass(eq=False)
class Instance(Task):
    """One server process of a deployment, and whoever starts it again when it dies."""

    number: int = 0
    port: int = 0
    """Where its process listens and answers; 0: it does not."""
    in_flight: int = 0
    """Requests that it has."""
    is_leaving: bool = False
    """Whether it gets no further request."""
    settled: threading.Event = field(default_factory=threading.Event)
    """Set when it has answered for the first time, or has failed to."""
    failure: Exception | None = None


@dataclass(eq=False)
class Serving(Task):
    """A deployment's task: its instances, and the news that its thread waits for."""

    news: threading.Event = field(default_factory=threading.Event)
    wanted: int | None = None
    """How many instances it shall have, where somebody has asked for another count."""
    is_retiring: bool = False
    """Whether another one has taken over, so that it ends when its requests are answered."""
    _picking: threading.Lock = field(default_factory=threading.Lock)

    @property
    def instances(self) -> list[Instance]:
        """Its instances, ready or not."""
        return [part for part in list(self.parts) if isinstance(part, Instance)]

    @property
    def answering(self) -> "Serving":
        """The one whose instances answer: this one, or the one that it has not replaced yet."""
        earlier = self.survivor
        return earlier.answering if isinstance(earlier, Serving) else self

    def take(self, tried: Collection[Instance] = ()) -> Instance | None:
        """Give the ready instance with the fewest requests one more; None where none is left."""
        with self._picking:
            free = [
                one
                for one in self.instances
                if one.port and not one.is_leaving and one not in tried
            ]
            chosen = min(free, key=lambda one: one.in_flight, default=None)
            if chosen is not None:
                chosen.in_flight += 1
            return chosen

    def give_back(self, instance: Instance) -> None:
        """Count a request as done."""
        with self._picking:
            instance.in_flight -= 1

    def drain(self, instances: Collection[Instance], seconds: float) -> None:
        """Give instances no further request and wait, so long at most, until theirs are done."""
        with self._picking:
            for one in instances:
                one.is_leaving = True
        deadline = time.monotonic() + seconds
        while any(one.in_flight for one in instances) and time.monotonic() < deadline:
            if self.sleep(DRAIN_STEP):
                return

    def scale(self, count: int) -> None:
        """Ask for so many instances; returns at once."""
        self.wanted = count
        self.news.set()

    def take_over(self) -> None:
        """Answer from now on in place of what this replaces, which ends when it has no requests."""
        self.has_taken_over = True
        last: Task = self
        for one in list(self._earlier()):
            one.is_retiring = True
            one.news.set()
            last.before, last = one, one
        last.before = None

    def _earlier(self) -> Iterator["Serving"]:
        """List what runs and came before this."""
        before = self.before
        while isinstance(before, Serving):
            if before.is_alive:
                yield before
            before = before.before

    def stop_own(self) -> None:
        """Ask it to end, but not what it replaces."""
        super().stop_own()
        self.news.set()
