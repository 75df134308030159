"""A job as it runs, on stderr: its log, and one live line of step, loss and time left."""

import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from commands.output import console, say
from core.errors import UserError
from training.follow import Event, LogLine, Metrics, Status

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID


def watch(events: Iterable[Event], job: str, stack: str) -> None:
    """Show events until they end; on Ctrl-C say that the job goes on and how to come back.

    Raises:
        JobFailed: as `training.follow.follow` does; its hint then names the stack.
    """
    try:
        with naming_stack(stack):
            if sys.stderr.isatty():
                _watch_live(events)
            else:
                _watch_plain(events)
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


def metrics_line(values: dict[str, Any]) -> str:
    """Write what was measured at a step in one line."""
    parts = []
    if "step" in values:
        steps = f"/{values['steps']}" if values.get("steps") else ""
        parts.append(f"step {values['step']}{steps}")
    parts += [
        f"{name.replace('_', ' ')} {_figure(name, values[name])}"
        for name in ("epoch", "loss", "eval_loss", "learning_rate")
        if isinstance(values.get(name), int | float)
    ]
    return "  ".join(parts)


def _figure(name: str, value: float) -> str:
    if name == "learning_rate":
        return f"{value:.2g}"
    return f"{value:.2f}" if name == "epoch" else f"{value:.3f}"


def _watch_plain(events: Iterable[Event]) -> None:
    screen = console()
    for event in events:
        match event:
            case Status(status):
                screen.print(f"{_clock()} {status}", markup=False)
            case LogLine(text) if not _is_listing(text):
                screen.print(text, markup=False, soft_wrap=True)
            case Metrics(values):
                screen.print(metrics_line(values), markup=False, soft_wrap=True)


def _watch_live(events: Iterable[Event]) -> None:
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        TextColumn("{task.fields[measured]}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console(), transient=False) as progress:
        line = progress.add_task("Submitted", total=None, measured="")
        for event in events:
            _update(progress, line, event)


def _update(progress: "Progress", line: "TaskID", event: Event) -> None:
    match event:
        case Status(status):
            progress.update(line, description=status)
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
            )


def _is_listing(text: str) -> bool:
    """Tell the image build's list of installed packages, a hundred lines that nobody reads."""
    return text.startswith(" + ")


def _clock() -> str:
    return time.strftime("%H:%M:%S")
