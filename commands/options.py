"""The options that several commands share, one decorator each."""

from collections.abc import Callable
from typing import Any

import click

Command = Callable[..., Any]


def stack_option(command: Command) -> Command:
    """Add `--stack`: which stack the command is about."""
    return click.option(
        "--stack",
        "-s",
        default="local",
        show_default=True,
        envvar="TUNESTACK_STACK",
        help="Stack to work on; `local` is the rehearsal on this machine.",
    )(command)


def json_option(command: Command) -> Command:
    """Add `--json`: one document on stdout."""
    return click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")(
        command
    )


def yes_option(command: Command) -> Command:
    """Add `--yes`: do not ask."""
    return click.option(
        "--yes", "-y", is_flag=True, help="Do not ask before it costs or destroys."
    )(command)
