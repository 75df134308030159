"""How far asking has come: bars on a terminal, else a line now and then."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

from rich.markup import escape

from commands.jobs.line import eta_text
from commands.output import console

if TYPE_CHECKING:
    from rich.console import Console

LINE_SECONDS = 15.0
"""Between two lines about a side, without a terminal."""


class Progress(Protocol):
    """Is told how many questions a side has answered, of how many; from any thread."""

    def __call__(self, side: str, done: int, of: int) -> None:
        """Take a count."""


@contextmanager
def live_progress(screen: "Console | None" = None) -> Iterator[Progress]:
    """Give what shows the counts until the block ends."""
    screen = screen or console()
    if not screen.is_terminal:
        yield _Lines(screen)
        return
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Bars(*columns, console=screen) as bars:
        tasks: dict[str, int] = {}
        lock = threading.Lock()

        def update(side: str, done: int, of: int) -> None:
            with lock:
                if side not in tasks:
                    # What was kept before says nothing of the pace.
                    tasks[side] = bars.add_task(escape(side), total=of, completed=done)
            bars.update(tasks[side], completed=done)  # type: ignore[arg-type]

        yield update


class _Lines:
    """Says a side's count in a line: first, last, and every so many seconds."""

    def __init__(self, screen: "Console") -> None:
        self._screen = screen
        self._began: dict[str, tuple[float, int]] = {}
        self._told: dict[str, float] = {}
        self._lock = threading.Lock()

    def __call__(self, side: str, done: int, of: int) -> None:
        with self._lock:
            now = time.monotonic()
            if done < of and now - self._told.get(side, -LINE_SECONDS) < LINE_SECONDS:
                return
            self._told[side] = now
            left = self._left(side, done, of, now)
            self._screen.print(f"  {side}: {done} of {of} answered{left}", markup=False)

    def _left(self, side: str, done: int, of: int, now: float) -> str:
        """Say how long it still takes at the pace of this run; what was kept before is none."""
        began, kept = self._began.setdefault(side, (now, done))
        if done in (of, kept):
            return ""
        return f", {eta_text((now - began) / (done - kept) * (of - done))}"
