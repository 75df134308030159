"""A job as it runs, on stderr: its log, and one live line of step, loss, time left and cost."""

import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from commands.jobs.cost import JobCost
from commands.jobs.line import Meter, eta_text, metrics_line
from commands.output import console, say
from core.errors import UserError
from training.follow import Event, LogLine, Metrics, Status

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID


def watch(
    events: Iterable[Event], job: str, stack: str, cost: Callable[[], JobCost] | None = None
) -> None:
    """Show events until they end; on Ctrl-C say that the job goes on and how to come back.

    `cost` reads the job's price and start; it is asked when the job runs.

    Raises:
        JobFailed: as `training.follow.follow` does; its hint then names the stack.
    """
    try:
        with naming_stack(stack):
            if sys.stderr.isatty():
                _watch_live(events, Meter(cost))
            else:
                _watch_plain(events, Meter(cost))
    except KeyboardInterrupt:
        say(
            f"\nThe job {job} goes on, and costs while it runs.\n"
            f"  come back: tunestack jobs logs {job} --follow --stack {stack}\n"
            f"  stop it:   tunestack jobs cancel {job} --stack {stack}"
        )
        raise


@contextmanager
def naming_stack(stack: str) -> Iterator[None]:
    """Add `--stack` to the command in the hint of an error that comes from below."""
    try:
        yield
    except UserError as error:
        if "tunestack jobs " in error.hint or "tunestack models " in error.hint:
            error.hint += f" --stack {stack}"
        raise


def _watch_plain(events: Iterable[Event], meter: Meter) -> None:
    screen = console()
    for event in events:
        match event:
            case Status(status):
                _begin(status, meter)
                screen.print(f"{_clock()} {status}", markup=False)
            case LogLine(text) if not _is_listing(text):
                screen.print(text, markup=False, soft_wrap=True)
            case Metrics(values):
                more = (eta_text(values.get("eta_seconds")), "" if meter.is_free else meter.told())
                screen.print(metrics_line(values, *more), markup=False, soft_wrap=True)


def _watch_live(events: Iterable[Event], meter: Meter) -> None:
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    from commands.jobs.outlook import Outlook

    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        TextColumn("{task.fields[measured]}"),
        TimeElapsedColumn(),
        Outlook(meter.told),
    )
    with Progress(*columns, console=console(), transient=False) as progress:
        line = progress.add_task("Submitted", total=None, measured="", until=None)
        for event in events:
            if isinstance(event, Status):
                _begin(event.status, meter)
            _update(progress, line, event)


def _begin(status: str, meter: Meter) -> None:
    if status == "Running":
        meter.begin()


def _update(progress: "Progress", line: "TaskID", event: Event) -> None:
    match event:
        case Status(status):
            progress.update(line, description=status, until=None)
            if status == "Completed":
                total = progress.tasks[line].total or 1
                progress.update(line, total=total, completed=total)
        case LogLine(text) if not _is_listing(text):
            progress.console.print(text, markup=False, style="dim", soft_wrap=True)
        case Metrics(values):
            progress.update(
                line,
                total=values.get("steps"),
                completed=values.get("step", 0),
                measured=metrics_line(values),
                **_until(values),
            )


def _until(values: dict[str, Any]) -> dict[str, Any]:
    """Give when the training ends; an evaluation's line says nothing of it."""
    left = values.get("eta_seconds")
    return {} if left is None else {"until": time.monotonic() + left}


def _is_listing(text: str) -> bool:
    """Tell the image build's list of installed packages, a hundred lines that nobody reads."""
    return text.startswith(" + ")


def _clock() -> str:
    return time.strftime("%H:%M:%S")
