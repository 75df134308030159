"""How commands speak: results on stdout, progress and questions on stderr."""

import json
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

import click

from core.errors import SettingsError, UserError

if TYPE_CHECKING:
    from rich.console import Console


def console() -> "Console":
    """Give the console for progress: stderr, so that stdout stays one document."""
    from rich.console import Console

    return Console(stderr=True, highlight=False)


def say(text: str) -> None:
    """Print a line of progress to stderr (rich markup)."""
    console().print(text, soft_wrap=True)


def show(document: Any, as_json: bool, render: Callable[[], None]) -> None:
    """Print a result: as one JSON document, or as `render` shows it."""
    if as_json:
        click.echo(json.dumps(document, indent=2, ensure_ascii=False, default=str))
    else:
        render()


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Print a table to stdout, as wide as its content where stdout is no terminal."""
    from rich.console import Console
    from rich.table import Column, Table

    # Folded where the terminal is narrow: of a name that is cut nobody can copy the rest.
    heads = [Column(column, overflow="fold") for column in columns]
    grid = Table(*heads, title=title or None, title_justify="left", box=None, pad_edge=False)
    for row in rows:
        grid.add_row(*[str(cell) for cell in row])
    width = None if sys.stdout.isatty() else 200
    Console(file=sys.stdout, highlight=False, width=width).print(grid)


def shortened(name: str, most: int = 40) -> str:
    """Leave out the middle of a long name; both ends tell one tuned model from another.

    Of the path in an Azure ML model's id only what follows `models/` is left.
    """
    if "/models/" in name:
        name = name.rpartition("/models/")[2].replace("/versions/", ":")
    half = (most - 1) // 2
    return name if len(name) <= most else f"{name[:half]}…{name[len(name) - half :]}"


def confirm(question: str, *, yes: bool) -> None:
    """Ask before something costs or destroys.

    Raises:
        SettingsError: there is no terminal to ask at; names `--yes`.
        UserError: the person said no.
    """
    if yes:
        return
    if not sys.stdin.isatty():
        raise SettingsError(f"{question} There is no terminal to ask at.", hint="Add --yes.")
    if not click.confirm(question, err=True):
        raise UserError("Stopped; nothing was changed.")
