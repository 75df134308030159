"""`tunestack train`: check, upload, submit, follow, register."""

from dataclasses import replace
from pathlib import Path

import click

from commands import pricing
from commands.options import json_option, stack_option, yes_option
from commands.output import confirm, show
from commands.preflight import ignore_option, preflight
from commands.session import Session
from commands.train.cost import nodes_of, say_cost
from commands.train.estimate import say_estimate, show_estimate
from commands.train.like import Wanted, like_order, say_differences
from commands.train.ordering import check_order, default_recipe
from commands.train.probe import check_probe, estimate_option, probe_option, run_probe
from commands.train.result import document, print_result
from commands.train.run import train_model
from training.data.split import TRAIN, VALIDATION
from training.submission import Order

TIMEOUT_HOURS = 24.0


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
    "--losses", type=click.IntRange(1, 20), default=2, show_default=True,
    help="Low-priority nodes may be taken so often; then it goes on on dedicated ones.",
)  # fmt: skip
@pricing.max_cost_option("node price x nodes x --timeout, the most that the run can cost,")
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
    losses: int,
    max_cost: float | None,
    estimate: bool,
    probe: int | None,
    yes: bool,
    as_json: bool,
    ignored: tuple[str, ...],
) -> None:
    """Fine-tune a model: upload, submit, follow, register."""
    session = Session(stack)
    wanted = Wanted(recipe, folder, train_file, eval_file, overrides, cluster, timeout, losses)
    check_probe(probe, follow=follow)
    order = like_order(session, like, wanted) if like else _order(session, wanted)
    if estimate:
        show_estimate(session, order, nodes_of(session, order), as_json=as_json)
        return
    order = replace(order, place=order.place.model_copy(update={"resubmits": follow}))
    preflight(session, "train", ignored=ignored, recipe=order.recipe, node=nodes_of(session, order))
    say_cost(session, order, max_cost)
    say_estimate(session, order, nodes_of(session, order))
    if probe and not run_probe(session, order, probe, yes=yes, as_json=as_json):
        return
    if like:
        say_differences(session, order)
    confirm("Submit the job?", yes=yes or session.is_rehearsal)
    trained = train_model(session, order, waits=follow)
    show(document(session, trained), as_json, lambda: print_result(session, trained))


def _order(session: Session, wanted: Wanted) -> Order:
    folder = wanted.folder or Path("data/sample")
    return check_order(
        session,
        wanted.recipe or default_recipe(session.stack),
        wanted.train_file or folder / TRAIN,
        wanted.eval_file or folder / VALIDATION,
        overrides=wanted.overrides,
        timeout_hours=wanted.timeout_hours or TIMEOUT_HOURS,
        cluster=wanted.cluster,
        losses=wanted.losses,
    )
