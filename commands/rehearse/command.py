"""`tunestack rehearse`: the sum of the single commands, told step by step.

Every step is a command line that a person can type, run through the same entry. What it would
cost on Azure stands beside it; the time that it took here stands at the end.
"""

import os
import shlex
import time
from collections.abc import Callable, Sequence

import click

from commands.options import yes_option
from commands.output import confirm, say
from commands.rehearse import managed, own_gpu
from commands.rehearse.step import TEARDOWN, Step
from commands.session import REHEARSAL
from core.errors import UserError
from core.home import home
from core.settings import environment_name
from training.managed.services import FEATURE

Run = Callable[[Sequence[str]], int]


@click.command()
@click.option(
    "--route", type=click.Choice(("azureml", *managed.WAYS)), default="azureml", show_default=True,
    help="Who tunes: a cluster of your own, or one of Azure's two services.",
)  # fmt: skip
@click.option("--recipe", default="", help="What to tune.  [default: by --route]")
@click.option(
    "--question",
    default="Can you recommend a cheap hotel in Lisbon?",
    show_default=True,
    help="What to ask the tuned model at the end.",
)
@click.option("--keep", is_flag=True, help="Leave the stack and what answers standing.")
@yes_option
@click.pass_context
def rehearse(
    context: click.Context, route: str, recipe: str, question: str, keep: bool, yes: bool
) -> None:
    """Go the whole way here: stack, data, training, endpoint, chat, teardown."""
    if (home() / "stacks" / f"{REHEARSAL}.json").exists() and not keep:
        confirm(f"The stack {REHEARSAL} stands; use it, and take it down at the end?", yes=yes)
    say(
        "[bold]A rehearsal[/bold]: every step is a real command against an Azure on this machine."
        "\nNo account, no bill. With another --stack the same commands do it on Azure."
    )
    _add_feature(route)
    run = _runner(context)
    todo = _steps(route, recipe, question) + ([] if keep else [TEARDOWN])
    times = [(step.title, _perform(number, step, run)) for number, step in enumerate(todo, 1)]
    if not keep:
        _stop_local()
    _conclude(times, keep, route)


def _steps(route: str, recipe: str, question: str) -> list[Step]:
    if route in managed.WAYS:
        return managed.steps(route, recipe or managed.WAYS[route].recipe, question)
    return own_gpu.steps(recipe or own_gpu.RECIPE, question)


def _add_feature(route: str) -> None:
    """Set what a managed route needs for this process alone, where a person can see how."""
    if feature := FEATURE.get(route):
        variable = environment_name(feature)
        os.environ[variable] = "true"
        say(f"   [green]$ export {variable}=true[/green]   (Pulumi.{REHEARSAL}.yaml stays)")


def _runner(context: click.Context) -> Run:
    root = context.find_root().command

    def run(command: Sequence[str]) -> int:
        result = root.main(args=list(command), prog_name="tunestack", standalone_mode=False)
        return result if isinstance(result, int) else 0

    return run


def _perform(number: int, step: Step, run: Run) -> float:
    say(f"\n[bold cyan]{number}. {step.title}[/bold cyan]  {step.story}")
    say(f"   [dim]On Azure: {step.on_azure}.[/dim]")
    say(f"   [green]$ tunestack {shlex.join(step.command)}[/green]")
    begin = time.perf_counter()
    code = run(step.command)
    if code:
        raise UserError(
            f"The rehearsal stopped at step {number} ({step.title}), exit code {code}.",
            hint="Look around: tunestack status; take it down: tunestack destroy --yes",
        )
    return time.perf_counter() - begin


def _stop_local() -> None:
    from local.process import stop

    stop(home() / "local")


def _conclude(times: list[tuple[str, float]], keep: bool, route: str) -> None:
    together = sum(seconds for _, seconds in times)
    say("\n[bold]Where the time went[/bold]")
    for title, seconds in times:
        say(f"   {title:<16}{seconds:7.1f} s  {'█' * round(30 * seconds / together)}")
    say(f"   {'Together':<16}{together:7.1f} s")
    if route not in managed.WAYS:
        say(f"\nThe training's page: {own_gpu.report() / 'index.html'}")
        say(f"The comparison's page: {own_gpu.comparison()}")
    if keep:
        say("\nEverything stands. Talk to it: tunestack chat; take it down: tunestack destroy")
    else:
        say("\nNothing is left. For real: tunestack init --stack dev; tunestack up --stack dev")
