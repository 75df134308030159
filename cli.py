"""The entry: a lazy Click group. Errors become exit codes here, once."""

import importlib
import sys
import traceback
from pathlib import Path
from typing import Any, NoReturn

import click

from core.errors import UserError

COMMANDS = {
    "rehearse": "The whole way on this machine: stack, data, training, endpoint, chat, teardown.",
    "init": "Set a stack up: location, sizes, backend.",
    "plan": "Show what `up` would make, who may do what and why.",
    "up": "Make the stack's resources in Azure.",
    "status": "Show what is there and what is running.",
    "destroy": "Take everything down.",
    "data": "Get, check and split training data.",
    "train": "Fine-tune a model: upload, submit, follow, register.",
    "jobs": "List, show, follow, cancel and download jobs.",
    "models": "List and show registered models.",
    "deploy": "Serve a registered model on an online endpoint.",
    "chat": "Talk to the deployed model.",
    "undeploy": "Delete the endpoint and what it costs.",
    "local": "The rehearsal's Azure, by hand: start, env, status, stop.",
}
"""Every command and its one-line help; a test holds these equal to the commands' own."""


class Cli(click.Group):
    """Loads a command's module when it is asked for, and turns errors into exit codes."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Give the commands in the order in which a person needs them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        """Import commands/<name>.py and give its command."""
        if name not in COMMANDS:
            return None
        module = importlib.import_module(f"commands.{name}")
        command: click.Command = getattr(module, name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing any."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; print what went wrong and leave with its exit code."""
        try:
            return super().invoke(ctx)
        except UserError as error:
            _report(error)
            ctx.exit(error.exit_code)
        except (click.exceptions.Exit, click.ClickException, click.Abort):
            raise
        except KeyboardInterrupt:
            click.echo("\nInterrupted. What was submitted goes on: tunestack status", err=True)
            ctx.exit(130)
        except Exception:
            _report_bug()
            ctx.exit(70)


def _report(error: UserError) -> None:
    click.echo(f"Error: {error}", err=True)
    if error.hint:
        click.echo(f"Hint: {error.hint}", err=True)


def _report_bug() -> None:
    from core.home import home

    log = home() / "crash.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_text(traceback.format_exc())
    traceback.print_exc()
    click.echo(f"This is a bug of tunestack. The trace is in {log}.", err=True)


@click.group(cls=Cli)
@click.version_option(package_name="tunestack")
def cli() -> None:
    """Fine-tune a language model on Azure: rehearse it on this machine, then do it for real."""


def main() -> NoReturn:
    """Run the command line with the project's folder importable."""
    sys.path.insert(0, str(Path(__file__).resolve().parent))
    cli(prog_name="tunestack")
    sys.exit(0)


if __name__ == "__main__":
    main()
