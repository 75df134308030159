"""Progress of `up` and `destroy`: every resource, how long it takes, what Azure does with it now.

On a terminal a table that lives as long as the run; elsewhere a line for each resource that is
done, and from time to time one for those that are not.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any

from commands import output
from commands.pulse import Pulse

if TYPE_CHECKING:
    from rich.console import Console

    from infra.engine import Event

DONE = {
    "new": "made",
    "changed": "updated",
    "gone": "deleted",
    "canceled": "canceled",
    "purged": "purged",
    "taken": "taken over",
}
STILL_SECONDS = 15.0
"""Between two lines of what is still under way, without a terminal."""
ASK_AFTER = 4.0
"""Seconds until Azure is asked about a resource, and between two questions."""

Ask = Callable[[str], str]


@dataclass
class Flight:
    """A resource under way."""

    event: "Event"
    began: float
    azure: str = ""


class Progress:
    """Takes an engine's events and shows them; used with `with`, the terminal shows a table."""

    def __init__(
        self,
        ask: Ask | None = None,
        *,
        console: "Console | None" = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ask, self._clock = ask, clock
        self._console = console or output.console()
        self._began = clock()
        self._lock = threading.Lock()
        self._live: Any = None
        self.counts: dict[str, int] = {}
        self.under_way: dict[tuple[str, str], Flight] = {}
        self.done: list[str] = []
        """What was said of those that are done, oldest first (rich markup)."""
        self._pulses = [Pulse(STILL_SECONDS, self.say_still, self._is_busy)]
        if ask:
            self._pulses.append(Pulse(ASK_AFTER, self.ask_azure, self._is_busy))

    def __call__(self, event: "Event") -> None:
        """Take one event of an engine, from whichever thread."""
        if event.change == "note":
            self._print(f"  [cyan]{_plain(event.name)}[/cyan]")
        elif not event.is_done:
            with self._lock:
                self.under_way[_key(event)] = Flight(event, self._clock())
            for pulse in self._pulses:
                pulse.start()
        else:
            self._finish(event)

    def __enter__(self) -> "Progress":
        """Show the table, if there is a terminal to show it on."""
        if self._console.is_terminal:
            from rich.live import Live

            from commands.progress_view import view

            self._live = Live(
                console=self._console,
                get_renderable=lambda: view(self, self._clock()),
                refresh_per_second=4,
                transient=True,
            )
            self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Take the table away; say in a line what was done."""
        if self._live:
            self._live.stop()
            self._live = None
            seconds = self._clock() - self._began
            self._print(f"  {self.summary() or 'nothing changed'} [dim]in {seconds:.0f} s[/dim]")

    def summary(self) -> str:
        """Count what is done: `27 made, 1 failed`."""
        words = {**DONE, "failed": "failed"}
        counted = [f"{self.counts[name]} {words[name]}" for name in words if self.counts.get(name)]
        return ", ".join(counted)

    def say_still(self) -> None:
        """Print what is under way, where no table shows it."""
        if self._live:
            return
        now = self._clock()
        still = [
            f"{_plain(flight.event.title)} {_plain(flight.event.name)} {now - flight.began:.0f} s"
            + (f" (Azure: {_plain(flight.azure)})" if flight.azure else "")
            for flight in self.flights()
        ]
        if still:
            self._print(f"  [dim]still {'; '.join(still)}[/dim]")

    def ask_azure(self) -> None:
        """Ask Azure what it does with what takes long."""
        for flight in self.flights():
            if self._ask and flight.event.id and self._clock() - flight.began >= ASK_AFTER:
                flight.azure = self._ask(flight.event.id)

    def flights(self) -> list[Flight]:
        """List what is under way, oldest first."""
        with self._lock:
            return list(self.under_way.values())

    def _is_busy(self) -> bool:
        return bool(self.under_way)

    def _finish(self, event: "Event") -> None:
        with self._lock:
            self.under_way.pop(_key(event), None)
            counted = "failed" if event.error else str(event.change)
            self.counts[counted] = self.counts.get(counted, 0) + 1
        if event.error:
            self._print(_line("[red]failed[/red]", event) + _words(event.error))
        elif event.change in DONE:
            line = _line(DONE[event.change], event)
            self.done.append(line)
            if self._live is None:
                self._print(line)

    def _print(self, line: str) -> None:
        self._console.print(line, soft_wrap=True)


def _key(event: "Event") -> tuple[str, str]:
    return event.title, event.name


def _line(word: str, event: "Event") -> str:
    name = _plain(f"{event.title} {event.name}")
    return f"  {word} {name} [dim]{event.seconds:.1f} s[/dim]"


def _words(error: str) -> str:
    return "" if error == "failed" else f": {_plain(error)}"


def _plain(text: str) -> str:
    from rich.markup import escape

    return escape(text)
