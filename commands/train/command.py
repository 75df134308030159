"""`tunestack train`: check, upload, submit, follow, register."""

from pathlib import Path

import click

from commands import pricing
from commands.options import json_option, stack_option, yes_option
from commands.preflight import ignore_option
from commands.session import Session
from commands.train.asked import Asked
from commands.train.like import Wanted
from commands.train.probe import estimate_option, probe_option
from commands.train.routes import trainer

LOSSES = 2


@click.command()
@stack_option
@click.option(
    "--recipe", "-r", default="",
    help="Recipe by name, or a path to your own.  [default: rehearsal, on Azure phi-3.5-mini]",
)  # fmt: skip
@click.option(
    "--data", "folder", type=click.Path(path_type=Path),
    help="Folder with train.jsonl and validation.jsonl.  [default: data/sample]",
)  # fmt: skip
@click.option("--train-file", type=click.Path(path_type=Path), help="Instead of --data's.")
@click.option("--eval-file", type=click.Path(path_type=Path), help="Instead of --data's.")
@click.option(
    "--set", "overrides", multiple=True, metavar="PATH=VALUE",
    help="Change a part of the recipe: training.epochs=2. Can be repeated.",
)  # fmt: skip
@click.option(
    "--like", metavar="JOB", default="",
    help="Recipe, data, cluster and timeout of an earlier job, but for what is given here.",
)  # fmt: skip
@click.option("--cluster", default="", help="One of the stack's clusters.  [default: the main one]")
@click.option("--follow/--no-follow", default=True, help="Wait and watch; else only submit.")
@click.option(
    "--timeout", type=click.FloatRange(0.1, 504),
    help="Hours after which Azure stops the job.  [default: 24]",
)  # fmt: skip
@click.option(
    "--losses", type=click.IntRange(1, 20),
    help="Low-priority nodes may be taken so often; then it goes on on dedicated ones."
    f"  [default: {LOSSES}]",
)  # fmt: skip
@pricing.max_cost_option(
    "node price x nodes x --timeout, the most that the run can cost (a managed one: its tokens),"
)
@estimate_option
@probe_option
@yes_option
@json_option
@ignore_option
def train(
    stack: str,
    recipe: str,
    folder: Path | None,
    train_file: Path | None,
    eval_file: Path | None,
    overrides: tuple[str, ...],
    like: str,
    cluster: str,
    follow: bool,
    timeout: float | None,
    losses: int | None,
    max_cost: float | None,
    estimate: bool,
    probe: int | None,
    yes: bool,
    as_json: bool,
    ignored: tuple[str, ...],
) -> None:
    """Fine-tune a model: upload, submit, follow, register."""
    session = Session(stack)
    wanted = Wanted(
        recipe, folder, train_file, eval_file, overrides, cluster, timeout, losses or LOSSES
    )
    asked = Asked(wanted, like, follow, losses, max_cost, estimate, probe, yes, as_json, ignored)
    trainer(session, asked)(session, asked)
