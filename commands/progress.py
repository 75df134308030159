"""Progress of `up` and `destroy`: a line on stderr for each resource that changed."""

from typing import TYPE_CHECKING

from rich.markup import escape

from commands import output

if TYPE_CHECKING:
    from infra.engine import Event

DONE = {"new": "made", "changed": "updated", "gone": "deleted"}


class Progress:
    """Prints what is done, counts it, and says at the end what was left as it was."""

    def __init__(self) -> None:
        self._console = output.console()
        self.counts: dict[str, int] = {}

    def __call__(self, event: "Event") -> None:
        """Take one event of an engine."""
        if not event.is_done:
            return
        self.counts[event.change] = self.counts.get(event.change, 0) + 1
        if event.change not in DONE:
            return
        word = f"[red]{event.error}[/red]" if event.error else DONE[event.change]
        name = escape(f"{event.title} {event.name}")
        self._console.print(f"  {word} {name} [dim]{event.seconds:.1f} s[/dim]")
