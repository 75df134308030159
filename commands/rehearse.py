"""`tunestack rehearse`: the sum of the single commands, told step by step.

Every step is a command line that a person can type, run through the same entry. What it would
cost on Azure stands beside it; the time it took here stands at the end.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import click

from commands.output import console, say
from commands.session import REHEARSAL
from core.errors import UserError
from core.home import home


@dataclass(frozen=True)
class Step:
    """One command of the rehearsal, what it does and what it would cost on Azure."""

    title: str
    command: tuple[str, ...]
    story: str
    on_azure: str


@dataclass(frozen=True)
class Timing:
    """How long a step took."""

    title: str
    seconds: float


def steps(recipe: str, question: str) -> list[Step]:
    """List the rehearsal's steps; `recipe` is what the training step tunes."""
    data = str(home() / "rehearsal" / "data")
    train, heldout = f"{data}/sample/train.jsonl", f"{data}/sample/validation.jsonl"
    return [
        Step(
            "The stack",
            ("up", "--stack", REHEARSAL, "--yes"),
            "The Pulumi program declares workspace, storage, identities, grants and cluster.",
            "about 8 minutes; a few dollars a month while it stands, the cluster at 0 nodes",
        ),
        Step(
            "The data",
            ("data", "get", "sample", "--folder", data),
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
            ("train", "--stack", REHEARSAL, "--recipe", recipe, "--train-file", train,
             "--eval-file", heldout, "--yes"),
            "Uploads data and code, submits an Azure ML job, follows it, registers the model.",
            "Phi-3.5-mini on Standard_NC24ads_A100_v4: $3.67 an hour while the job runs",
        ),
        Step(
            "The comparison",
            ("models", "compare", "--stack", REHEARSAL),
            "Held-out questions, answered by the base and by the tuned model in the same job.",
            "free",
        ),
        Step(
            "The endpoint",
            ("deploy", "--stack", REHEARSAL, "--yes"),
            "An online endpoint with its own identity; traffic moves when it has answered.",
            "about 10 minutes; $3.67 an hour until it is deleted",
        ),
        Step(
            "The chat",
            ("chat", "--stack", REHEARSAL, "--once", question),
            "The endpoint answers through the model's own chat template.",
            "free beside the endpoint",
        ),
    ]  # fmt: skip


TEARDOWN = Step(
    "The teardown",
    ("destroy", "--stack", REHEARSAL, "--yes"),
    "Endpoint, cluster, grants, workspace, group: all of it, then a look for what is left.",
    "about 5 minutes; afterwards nothing costs",
)


@click.command()
@click.option("--recipe", default="rehearsal", show_default=True, help="What to tune.")
@click.option(
    "--question", default="Can you recommend a cheap hotel in Lisbon?", show_default=True,
    help="What to ask the tuned model at the end.",
)  # fmt: skip
@click.option("--keep", is_flag=True, help="Leave the stack and the endpoint standing.")
@click.pass_context
def rehearse(context: click.Context, recipe: str, question: str, keep: bool) -> None:
    """Go the whole way here: stack, data, training, endpoint, chat, teardown."""
    _introduce()
    run = _runner(context)
    timings = []
    for number, step in enumerate(steps(recipe, question) + ([] if keep else [TEARDOWN]), start=1):
        timings.append(_perform(number, step, run))
    if not keep:
        _stop_local()
    _conclude(timings, keep)


def _introduce() -> None:
    say(
        "[bold]A rehearsal[/bold]: every step below is a real command against an Azure on this"
        " machine.\nNo account, no bill. With another --stack the same commands do it on Azure."
    )


def _runner(context: click.Context) -> Callable[[Sequence[str]], int]:
    root = context.find_root().command

    def run(command: Sequence[str]) -> int:
        result = root.main(args=list(command), prog_name="tunestack", standalone_mode=False)
        return result if isinstance(result, int) else 0

    return run


def _perform(number: int, step: Step, run: Callable[[Sequence[str]], int]) -> Timing:
    say(f"\n[bold cyan]{number}. {step.title}[/bold cyan]  {step.story}")
    say(f"   [dim]On Azure: {step.on_azure}[/dim]")
    console().print(
        "   $ tunestack " + " ".join(_quoted(step.command)), markup=False, style="green"
    )
    begin = time.perf_counter()
    code = run(step.command)
    if code:
        raise UserError(
            f"The rehearsal stopped at step {number} ({step.title}), exit code {code}.",
            hint="Look around: tunestack status; take it down: tunestack destroy --yes",
        )
    return Timing(step.title, time.perf_counter() - begin)


def _quoted(command: Sequence[str]) -> list[str]:
    return [f'"{word}"' if " " in word else word for word in command]


def _stop_local() -> None:
    from local.process import stop

    stop(home() / "local")


def _conclude(timings: list[Timing], keep: bool) -> None:
    total = sum(timing.seconds for timing in timings)
    say("\n[bold]Where the time went[/bold]")
    for timing in timings:
        share = timing.seconds / total
        say(f"   {timing.title:<16}{timing.seconds:7.1f} s  {'█' * round(30 * share)}")
    say(f"   {'Together':<16}{total:7.1f} s")
    if keep:
        say("\nEverything stands. Talk to it: tunestack chat; take it down: tunestack destroy")
    else:
        say("\nNothing is left. For real: tunestack init --stack dev; tunestack up --stack dev")
