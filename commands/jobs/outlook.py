"""The part of the live line that moves between two lines of the log: time left, and cost."""

import time
from collections.abc import Callable

from rich.progress import ProgressColumn, Task
from rich.text import Text

from commands.jobs.line import eta_text


class Outlook(ProgressColumn):
    """Time left until the task's field `until` (a monotonic clock's), and what `cost` says."""

    def __init__(self, cost: Callable[[], str]) -> None:
        super().__init__()
        self._cost = cost

    def render(self, task: Task) -> Text:
        """Write both as of now."""
        until = task.fields.get("until")
        left = None if until is None or task.finished else max(0.0, until - time.monotonic())
        return Text("  ".join(part for part in (eta_text(left), self._cost()) if part))
