"""`tunestack train`: check, upload, submit, follow, register."""

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from commands.data import checked_pair
from commands.job_view import watch
from commands.options import json_option, stack_option, yes_option
from commands.output import confirm, say, show
from commands.session import REHEARSAL, Session
from core.catalog import vm_size
from core.errors import SettingsError, check_all
from core.recipe import Recipe
from core.refs import JobRef, ModelRef
from training.assets import packaged_weights
from training.data.check import Report
from training.data.split import TRAIN, VALIDATION
from training.follow import follow
from training.models import find_model, register
from training.recipes import load_recipe
from training.submission import Order, submit


@dataclass(frozen=True)
class Trained:
    """What `train` hands on: the job, and the model where it was waited for."""

    job: JobRef
    model: ModelRef | None = None


@click.command()
@stack_option
@click.option(
    "--recipe", "-r", default="",
    help="Recipe by name, or a path to your own.  [default: rehearsal, on Azure phi-3.5-mini]",
)  # fmt: skip
@click.option(
    "--data", "folder", type=click.Path(path_type=Path), default=Path("data/sample"),
    show_default=True, help="Folder with train.jsonl and validation.jsonl.",
)  # fmt: skip
@click.option("--train-file", type=click.Path(path_type=Path), help="Instead of --data's.")
@click.option("--eval-file", type=click.Path(path_type=Path), help="Instead of --data's.")
@click.option(
    "--set", "overrides", multiple=True, metavar="PATH=VALUE",
    help="Change a part of the recipe: training.epochs=2. Can be repeated.",
)  # fmt: skip
@click.option("--follow/--no-follow", default=True, help="Wait and watch; else only submit.")
@click.option(
    "--timeout", type=click.FloatRange(0.1, 504), default=24, show_default=True,
    help="Hours after which Azure stops the job.",
)  # fmt: skip
@yes_option
@json_option
def train(
    stack: str,
    recipe: str,
    folder: Path,
    train_file: Path | None,
    eval_file: Path | None,
    overrides: tuple[str, ...],
    follow: bool,
    timeout: float,
    yes: bool,
    as_json: bool,
) -> None:
    """Fine-tune a model: upload, submit, follow, register."""
    session = Session(stack)
    order = check_order(
        session,
        recipe or default_recipe(stack),
        train_file or folder / TRAIN,
        eval_file or folder / VALIDATION,
        overrides=overrides,
        timeout_hours=timeout,
    )
    _say_cost(session, order)
    confirm("Submit the job?", yes=yes or session.is_rehearsal)
    trained = train_model(session, order, waits=follow)
    show(_document(session, trained), as_json, lambda: _print(session, trained))


def default_recipe(stack: str) -> str:
    """Name the recipe that a stack trains where none is asked for."""
    return "rehearsal" if stack == REHEARSAL else "phi-3.5-mini"


def check_order(
    session: Session,
    recipe: str,
    train_file: Path,
    eval_file: Path,
    *,
    overrides: tuple[str, ...] = (),
    timeout_hours: float = 24,
) -> Order:
    """Check recipe and both files before anything is sent.

    Raises:
        SettingsError: every finding in all three, and in the stack's settings.
        PrerequisiteError: a packaged base model is not installed.
    """
    recipes: list[Recipe] = []
    reports: list[Report] = []

    def check_files() -> None:
        try:
            reports.extend(checked_pair(train_file, eval_file))
        except SettingsError as error:
            error.hint = error.hint if train_file.exists() else "tunestack data get sample"
            raise

    check_all(
        lambda: recipes.append(load_recipe(recipe, overrides)),
        check_files,
        lambda: session.settings,
    )
    packaged_weights(recipes[0])
    device = session.settings.compute
    return Order(recipes[0], reports[0], reports[1], device, timeout_hours)


def train_model(session: Session, order: Order, *, waits: bool = True) -> Trained:
    """Submit a checked order; where `waits`, follow the job and register its model.

    Raises:
        JobFailed: the job did not complete.
        CloudError: Azure refused a step; names it.
    """
    cloud, outputs = session.cloud, session.outputs
    say(f"Uploading data, base model and code for [bold]{order.recipe.name}[/bold] …")
    job = submit(cloud, outputs, order)
    say(f"Submitted [bold]{job.name}[/bold]" + (f"\n{job.studio_url}" if job.studio_url else ""))
    if not waits:
        return Trained(job)
    watch(follow(cloud, outputs, job.name), job.name, session.stack)
    model = register(cloud, outputs, job.name)
    return Trained(job.model_copy(update={"status": "Completed"}), model)


def _say_cost(session: Session, order: Order) -> None:
    if session.is_rehearsal:
        say("The job runs on this machine and costs nothing.")
        return
    nodes = order.recipe.training.nodes
    size = session.settings.cluster_vm_size
    known = vm_size(size)
    if not known or known.price_per_hour is None:
        say(f"{nodes} x {size}: the price is not known here; https://prices.azure.com has it.")
        return
    price = known.price_per_hour * nodes
    say(
        f"{nodes} x {size}: ${price:.2f} an hour while the job runs, at most"
        f" ${price * order.timeout_hours:.0f} in {order.timeout_hours:g} h ({known.source})."
    )


def _document(session: Session, trained: Trained) -> dict[str, Any]:
    document: dict[str, Any] = {"job": trained.job.model_dump(), "model": None}
    if trained.model:
        document["model"] = find_model(session.cloud, session.outputs, trained.model)
    return document


def _print(session: Session, trained: Trained) -> None:
    on = "" if session.is_rehearsal else f" --stack {shlex.quote(session.stack)}"
    if trained.model:
        click.echo(f"Model {trained.model}")
        say(f"Next: tunestack models compare{on}; tunestack deploy{on}")
    else:
        click.echo(f"Job {trained.job.name}")
        say(f"Next: tunestack jobs logs {trained.job.name} --follow{on}")
        say(f"Then: tunestack models register {trained.job.name}{on}")
