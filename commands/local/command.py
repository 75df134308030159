"""`tunestack local`: the rehearsal's Azure, by hand."""

import shlex
from pathlib import Path
from typing import Any

import click

from commands.local.clock import clock
from commands.local.customer import customer
from commands.local.fault import fault
from commands.local.name import name as name_group
from commands.local.preempt import preempt
from commands.local.quota import quota
from commands.local.rights import rights
from commands.options import json_option
from commands.output import say, show, table
from core.home import environments, home


@click.group(name="local")
def local() -> None:
    """Run the rehearsal's Azure by hand: start, env, status, stop."""


for _command in (clock, customer, fault, preempt, quota, rights, name_group):
    local.add_command(_command)


@local.command()
@json_option
def start(as_json: bool) -> None:
    """Start it, or find it running."""
    from local.process import start as start_azure

    azure = start_azure(home() / "local", environments=environments())
    document = {"pid": azure.pid, "ca_bundle": str(azure.ca_bundle), "folder": str(_folder())}
    show(document, as_json, lambda: _say_started(azure.pid))


@local.command()
@json_option
def env(as_json: bool) -> None:
    """Print the variables that point a shell at it: eval "$(tunestack local env)"."""
    from local.process import start as start_azure

    azure = start_azure(home() / "local", environments=environments())
    show(azure.environment, as_json, lambda: _print_exports(azure.environment))


@local.command()
@json_option
def status(as_json: bool) -> None:
    """Show whether it runs and what is in it."""
    from local.process import status as status_of

    found = status_of(_folder())
    document: dict[str, Any] = {"running": found is not None, **(found or {})}
    show(document, as_json, lambda: _print_status(document))


@local.command()
@json_option
def stop(as_json: bool) -> None:
    """Stop it with everything that it runs; its state stays for the next start."""
    from local.process import stop as stop_azure

    was_running = stop_azure(_folder())
    text = "The local Azure is stopped." if was_running else "The local Azure was not running."
    show({"stopped": was_running}, as_json, lambda: click.echo(text))


def _folder() -> Path:
    return home() / "local"


def _say_started(pid: int) -> None:
    click.echo(f"The local Azure runs (process {pid}).")
    say('Point a shell at it: eval "$(tunestack local env)"')


def _print_exports(environment: dict[str, str]) -> None:
    for name, value in environment.items():
        click.echo(f"export {name}={shlex.quote(value)}")


def _print_status(document: dict[str, Any]) -> None:
    if not document["running"]:
        click.echo("The local Azure is not running.")
        return
    rows = [(key.replace("_", " "), value) for key, value in document.items() if key != "running"]
    table("The local Azure", ["", ""], rows)
