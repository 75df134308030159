"""The clock of what happens at a moment: a schedule that is due, the times of its runs.

It is the machine's, set ahead by as much as somebody said, so that nobody waits for a moment that
is hours away. Only schedules go by it: tokens, deletions and polls keep their own time.
"""

import time
from datetime import UTC, datetime

from core.errors import SettingsError
from local.state import Place, opened

KEY = "setting:/clock"
MOST_AHEAD = 366 * 86400


def now(place: Place) -> float:
    """Give the local Azure's time, in seconds since 1970."""
    return time.time() + ahead(place)


def ahead(place: Place) -> float:
    """Give how many seconds the local Azure's clock is before the machine's."""
    with opened(place) as state:
        return float((state.get(KEY) or {}).get("ahead", 0.0))


def set_ahead(place: Place, seconds: float) -> None:
    """Set the clock so many seconds before the machine's; 0 sets it right again.

    Raises:
        SettingsError: it is behind the machine's, or more than a year ahead.
    """
    if not 0 <= seconds <= MOST_AHEAD:
        raise SettingsError(f"{seconds:g} s is not between 0 and a year ahead.")
    with opened(place) as state, state.transaction():
        state.put(KEY, "setting", {"ahead": seconds})


def write(moment: float) -> str:
    """Write a moment as Azure does."""
    return datetime.fromtimestamp(moment, UTC).isoformat().replace("+00:00", "Z")


def read(written: str) -> float:
    """Read a moment as Azure writes it."""
    return datetime.fromisoformat(written).timestamp()
