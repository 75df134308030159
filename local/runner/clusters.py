"""The nodes of compute clusters: who holds them, and who is next."""

import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Clusters:
    """Counts of nodes in use; jobs get theirs in the order in which they came."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._held: dict[str, dict[str, int]] = defaultdict(dict)
        self._queue: dict[str, list[str]] = defaultdict(list)

    def take(
        self,
        cluster: str,
        job: str,
        wanted: int,
        most: Callable[[], int],
        is_stopped: Callable[[], bool],
    ) -> bool:
        """Wait for nodes; False where the job was stopped first.

        `most` says how many the cluster may have in all; it is asked each time, while nobody else
        can take or give back any.
        """
        key = cluster.lower()
        with self._changed:
            self._queue[key].append(job)
            try:
                while not is_stopped():
                    used = sum(self._held[key].values())
                    if self._queue[key][0] == job and used + wanted <= most():
                        self._held[key][job] = wanted
                        return True
                    self._changed.wait(0.2)
                return False
            finally:
                self._queue[key].remove(job)
                self._changed.notify_all()

    def give_back(self, cluster: str, job: str) -> None:
        """Free what a job holds."""
        with self._changed:
            self._held[cluster.lower()].pop(job, None)
            self._changed.notify_all()

    @contextmanager
    def unchanged(self) -> Iterator[None]:
        """Let no job take or give back nodes meanwhile, for who counts them and acts on it."""
        with self._changed:
            yield

    def in_use(self, cluster: str) -> int:
        """Count the nodes of a cluster that jobs hold."""
        with self._changed:
            return sum(self._held[cluster.lower()].values())
