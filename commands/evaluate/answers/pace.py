"""Who asks what next: sides keep abreast, so that none has the machine, or the hour, for itself."""

import threading
from collections import deque
from collections.abc import Iterable, Mapping, Sequence

from evaluation.cases import Case


class Pace:
    """Hands cases out to the sides in one order, to none more than `ahead` before the others.

    A side that has answered some before skips those; one that has nothing left holds nobody up.
    """

    def __init__(
        self, cases: Sequence[Case], missing: Mapping[str, Iterable[str]], ahead: int
    ) -> None:
        """Begin; `missing` are the ids of the cases that each side is to be asked."""
        self._ahead = ahead
        self._changed = threading.Condition()
        self._is_stopped = False
        order = list({case.id: case for case in cases}.values())
        self._left: dict[str, deque[tuple[int, Case]]] = {}
        for side, ids in missing.items():
            wanted = set(ids)
            places = ((place, case) for place, case in enumerate(order) if case.id in wanted)
            self._left[side] = deque(places)

    @property
    def is_stopped(self) -> bool:
        """True once somebody has said that no more is asked."""
        return self._is_stopped

    def next(self, side: str) -> Case | None:
        """Give a side its next case, as soon as the others are near; None where it has no more."""
        with self._changed:
            self._changed.wait_for(lambda: self._may(side))
            if self._is_stopped or not self._left[side]:
                return None
            _, case = self._left[side].popleft()
            self._changed.notify_all()
            return case

    def stop(self) -> None:
        """Hand nothing out any more."""
        with self._changed:
            self._is_stopped = True
            self._changed.notify_all()

    def _may(self, side: str) -> bool:
        left = self._left[side]
        if self._is_stopped or not left:
            return True
        slowest = min(those[0][0] for those in self._left.values() if those)
        return left[0][0] < slowest + self._ahead
