"""The group of all commands: modules are loaded when asked for, errors become exit codes, once."""

import importlib
import traceback
from typing import Any

import click

from core.errors import UserError
from core.home import home


class Root(click.Group):
    """A lazy group: `<name>` is in `commands/<name>.py` or `commands/<name>/command.py`."""

    def __init__(self, summaries: dict[str, str], page: str) -> None:
        super().__init__("tunestack", no_args_is_help=True)
        self.summaries = summaries
        self.page = page

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Give the commands in the order in which a person needs them."""
        return list(self.summaries)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        """Import the command's module and give the command."""
        if name not in self.summaries:
            return None
        module = importlib.import_module(f"commands.{name}")
        if hasattr(module, "__path__"):
            module = importlib.import_module(f"commands.{name}.command")
        command: click.Command = getattr(module, name)
        return command

    def format_help(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Show the page of the entry, which needs no import."""
        formatter.write(self.page)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; print what went wrong and leave with its exit code."""
        try:
            return super().invoke(ctx)
        except UserError as error:
            _report(error)
            ctx.exit(error.exit_code)
        except (click.exceptions.Exit, click.ClickException, click.Abort, BrokenPipeError):
            raise
        except KeyboardInterrupt:
            click.echo("\nInterrupted. What was submitted goes on: tunestack status", err=True)
            ctx.exit(130)
        except Exception:  # noqa: BLE001 - the last line of defence: it is shown and kept
            _report_bug()
            ctx.exit(70)


def command_line(summaries: dict[str, str], page: str) -> Root:
    """Make the command line of these commands, with this page as its help."""
    root = Root(summaries, page)
    click.version_option(package_name="tunestack")(root)
    return root


def _report(error: UserError) -> None:
    click.echo(f"Error: {error}", err=True)
    if error.hint:
        click.echo(f"Hint: {error.hint}", err=True)


def _report_bug() -> None:
    trace = traceback.format_exc()
    log = home() / "crash.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_text(trace)
    click.echo(trace, err=True)
    click.echo(f"This is a bug of tunestack. The trace is in {log}.", err=True)
