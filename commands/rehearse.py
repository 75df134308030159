"""`tunestack rehearse`: the sum of the single commands, told step by step.

Every step is a command line that a person can type, run through the same entry. What it would
cost on Azure stands beside it; the time that it took here stands at the end.
"""

import shlex
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from commands.options import yes_option
from commands.output import confirm, say
from commands.session import REHEARSAL
from core.catalog import vm_size
from core.errors import UserError
from core.home import home
from core.settings import Settings

Run = Callable[[Sequence[str]], int]


@dataclass(frozen=True)
class Step:
    """One command of the rehearsal, what it does and what it would mean on Azure."""

    title: str
    command: tuple[str, ...]
    story: str
    on_azure: str


def steps(recipe: str, question: str) -> list[Step]:
    """List the rehearsal's steps up to the chat; `recipe` is what the training step tunes."""
    folder = home() / "rehearsal"
    train, heldout = (str(folder / "sample" / f"{part}.jsonl") for part in ("train", "validation"))
    hourly = _hourly()
    return [
        Step(
            "The doctor",
            ("doctor", "--stack", REHEARSAL, "--recipe", recipe),
            "What would stop a later step, before anything costs: each line has its fix.",
            "free; the same command tells the quota that your subscription lacks",
        ),
        Step(
            "The stack",
            ("up", "--stack", REHEARSAL, "--yes"),
            "The Pulumi program makes workspace, storage, identities, grants and cluster.",
            "some minutes; it stands for cents a day, the cluster at no node",
        ),
        Step(
            "The data",
            ("data", "get", "sample", "--folder", str(folder)),
            "A travel assistant with one hard rule: no hotels, flights, rental cars, restaurants.",
            "free",
        ),
        Step(
            "The check",
            ("data", "check", train, heldout),
            "Every line is checked, all findings at once, before anything is sent.",
            "free",
        ),
        Step(
            "The training",
            (
                *("train", "--stack", REHEARSAL, "--recipe", recipe, "--yes"),
                *("--train-file", train, "--eval-file", heldout),
            ),
            "Uploads data and code, submits an Azure ML job, follows it, registers the model.",
            f"a node starts in about 5 minutes; {hourly} while the job runs",
        ),
        Step(
            "The comparison",
            ("models", "compare", "--stack", REHEARSAL),
            "Held-out questions, answered by the base and by the tuned model in that job.",
            "free",
        ),
        Step(
            "The report",
            ("jobs", "report", "--stack", REHEARSAL, "--folder", str(_report())),
            "Losses, speed, memory, verdict and samples of that job, as a page and a picture.",
            "free; the studio shows the job's own copy in its output `report`",
        ),
        Step(
            "The endpoint",
            ("deploy", "--stack", REHEARSAL, "--yes"),
            "An online endpoint with an identity of its own; traffic moves when it has answered.",
            f"about 10 minutes; {hourly} until it is deleted",
        ),
        Step(
            "The chat",
            ("chat", "--stack", REHEARSAL, "--once", question),
            "The endpoint answers through the model's own chat template.",
            "free beside the endpoint",
        ),
    ]


TEARDOWN = Step(
    "The teardown",
    ("destroy", "--stack", REHEARSAL, "--yes"),
    "Endpoint, cluster, grants, workspace, group: all of it, then a look for what is left.",
    "some minutes; afterwards nothing costs",
)


@click.command()
@click.option("--recipe", default="rehearsal", show_default=True, help="What to tune.")
@click.option(
    "--question",
    default="Can you recommend a cheap hotel in Lisbon?",
    show_default=True,
    help="What to ask the tuned model at the end.",
)
@click.option("--keep", is_flag=True, help="Leave the stack and the endpoint standing.")
@yes_option
@click.pass_context
def rehearse(context: click.Context, recipe: str, question: str, keep: bool, yes: bool) -> None:
    """Go the whole way here: stack, data, training, endpoint, chat, teardown."""
    if (home() / "stacks" / f"{REHEARSAL}.json").exists() and not keep:
        confirm(f"The stack {REHEARSAL} stands; use it, and take it down at the end?", yes=yes)
    say(
        "[bold]A rehearsal[/bold]: every step is a real command against an Azure on this machine."
        "\nNo account, no bill. With another --stack the same commands do it on Azure."
    )
    run = _runner(context)
    todo = steps(recipe, question) + ([] if keep else [TEARDOWN])
    times = [(step.title, _perform(number, step, run)) for number, step in enumerate(todo, 1)]
    if not keep:
        _stop_local()
    _conclude(times, keep)


def _report() -> Path:
    return home() / "rehearsal" / "report"


def _hourly() -> str:
    size = Settings().cluster_vm_size
    known = vm_size(size)
    price = known.price_per_hour if known else None
    return f"{size}, ${price:.2f} an hour" if price else size


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


def _conclude(times: list[tuple[str, float]], keep: bool) -> None:
    together = sum(seconds for _, seconds in times)
    say("\n[bold]Where the time went[/bold]")
    for title, seconds in times:
        say(f"   {title:<16}{seconds:7.1f} s  {'█' * round(30 * seconds / together)}")
    say(f"   {'Together':<16}{together:7.1f} s")
    say(f"\nThe training's page: {_report() / 'index.html'}")
    if keep:
        say("\nEverything stands. Talk to it: tunestack chat; take it down: tunestack destroy")
    else:
        say("\nNothing is left. For real: tunestack init --stack dev; tunestack up --stack dev")
