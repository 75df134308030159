"""A teardown's own steps, one by one: each is reported, conflicts are waited out, the end is kept.

A step that Azure refuses does not stop the next one; what hangs on it is the caller's to know.
"""

import time
from collections.abc import Callable

from core.errors import CloudError
from infra.engine import Change, Event, Existing, Report

CONFLICT_SECONDS = 900.0
"""How long a resource may be busy with something else, such as being created."""
RETRY_SECONDS = 10.0
FINAL_CONFLICTS = ("ScopeLocked", "ReadOnlyDisabledSubscription")
"""Azure's 409s that no waiting ends."""


class Steps:
    """What was done so far, and what Azure would not do."""

    def __init__(self, report: Report) -> None:
        self.report = report
        self.gone: dict[str, Existing] = {}
        self.purged: dict[str, Existing] = {}
        self.canceled: dict[str, Existing] = {}
        self.refused: dict[str, str] = {}
        """By lower-case id: what Azure said."""

    def take(
        self,
        item: Existing,
        call: Callable[[], bool],
        change: Change = Change.GONE,
        *,
        is_guess: bool = False,
    ) -> CloudError | None:
        """Do one step and remember what came of it; give what Azure refused it with.

        `call` answers False where there was nothing to do: that is no error and no deletion, and
        of a guess not worth a word.
        """
        began = time.monotonic()
        if not is_guess:
            self.report(Event(item.name, item.title, change, is_done=False, id=item.id))
        try:
            was_there = patiently(call)
        except CloudError as error:
            self._tell(item, change, began, error.code or "failed")
            self.refused[item.id.lower()] = f"{item.title} {item.name}: {error}"
            return error
        if was_there or not is_guess:
            self._tell(item, change if was_there else Change.SAME, began)
        if was_there:
            self._keep(item, change)
        return None

    def _keep(self, item: Existing, change: Change) -> None:
        if change is Change.CANCELED:
            self.canceled[item.id.lower()] = item
        elif change is Change.PURGED:
            self.purged[item.id.lower()] = item
        else:
            self.gone[item.id.lower()] = item

    def _tell(self, item: Existing, change: Change, began: float, error: str = "") -> None:
        seconds = time.monotonic() - began
        self.report(Event(item.name, item.title, change, True, seconds, error, id=item.id))


def patiently(call: Callable[[], bool]) -> bool:
    """Try again while Azure says that something else is still at work there (409)."""
    deadline = time.monotonic() + CONFLICT_SECONDS
    while True:
        try:
            return call()
        except CloudError as error:
            is_busy = error.status == 409 and error.code not in FINAL_CONFLICTS
            if not is_busy or time.monotonic() > deadline:
                raise
        time.sleep(RETRY_SECONDS)
