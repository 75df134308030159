"""The table of a run on a terminal: what is under way, a short tail of what is done."""

from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from commands.progress import Flight, Progress

TAIL = 4
"""How many of the finished are named; the others are counted."""
MOST_ROWS = 12
"""How many of those under way have a row of their own: a table must fit the window."""

MARKS = {"new": "+", "changed": "~", "gone": "-", "canceled": "-", "purged": "-"}

_SPINNER = Spinner("dots")


def view(progress: "Progress", now: float) -> RenderableType:
    """Draw the run as it stands."""
    flights = progress.flights()
    tail = [Text.from_markup(line) for line in progress.done[-TAIL:]]
    rows: list[RenderableType] = [*tail]
    if flights:
        rows.append(_table(flights[:MOST_ROWS], now))
    more = f" ({len(flights) - MOST_ROWS} more under way)" if len(flights) > MOST_ROWS else ""
    _SPINNER.update(text=(progress.summary() or "looking at the state") + more)
    return Group(*rows, _SPINNER)


def _table(flights: list["Flight"], now: float) -> Table:
    grid = Table.grid(padding=(0, 1))
    for flight in flights:
        event = flight.event
        grid.add_row(
            f"  {MARKS.get(event.change, ' ')}",
            Text(f"{event.title} {event.name}"),
            Text(f"{now - flight.began:.0f} s", style="dim"),
            Text(f"Azure: {flight.azure}" if flight.azure else "", style="cyan"),
        )
    return grid
