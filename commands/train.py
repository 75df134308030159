"""`tunestack train`: check, upload, submit, follow, register."""

import shlex
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import click

from commands import pricing
from commands.data import checked_pair
from commands.grants import naming_missing_grants
from commands.job_view import watch
from commands.options import json_option, stack_option, yes_option
from commands.output import confirm, say, show
from commands.preflight import ignore_option, preflight
from commands.session import REHEARSAL, Session
from core.environments import Device
from core.errors import SettingsError, check_all
from core.features import ClusterPlan
from core.price_list import DEDICATED, LOW_PRIORITY
from core.recipe import Recipe
from core.refs import JobRef, ModelRef
from training.assets import packaged_weights
from training.clusters import device_of, find_cluster
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
@click.option("--cluster", default="", help="One of the stack's clusters.  [default: the main one]")
@click.option("--follow/--no-follow", default=True, help="Wait and watch; else only submit.")
@click.option(
    "--timeout", type=click.FloatRange(0.1, 504), default=24, show_default=True,
    help="Hours after which Azure stops the job.",
)  # fmt: skip
@pricing.max_cost_option("node price x nodes x --timeout, the most that the run can cost,")
@yes_option
@json_option
@ignore_option
def train(
    stack: str,
    recipe: str,
    folder: Path,
    train_file: Path | None,
    eval_file: Path | None,
    overrides: tuple[str, ...],
    cluster: str,
    follow: bool,
    timeout: float,
    max_cost: float | None,
    yes: bool,
    as_json: bool,
    ignored: tuple[str, ...],
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
        cluster=cluster,
    )
    preflight(session, "train", ignored=ignored, recipe=order.recipe, node=_nodes(session, order))
    _say_cost(session, order, max_cost)
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
    cluster: str = "",
) -> Order:
    """Check recipe and both files before anything is sent.

    Raises:
        SettingsError: every finding in all three, and in the stack's settings.
        PrerequisiteError: a packaged base model is not installed.
    """
    recipes: list[Recipe] = []
    reports: list[Report] = []
    devices: list[Device] = []

    def check_files() -> None:
        try:
            reports.extend(checked_pair(train_file, eval_file))
        except SettingsError as error:
            error.hint = error.hint if train_file.exists() else "tunestack data get sample"
            raise

    check_all(
        lambda: recipes.append(load_recipe(recipe, overrides)),
        check_files,
        lambda: devices.append(_device(session, cluster)),
    )
    packaged_weights(recipes[0])
    return Order(recipes[0], reports[0], reports[1], devices[0], timeout_hours, cluster=cluster)


def _device(session: Session, cluster: str) -> Device:
    """Say what the job trains on; a cluster that was asked for must be the stack's."""
    chosen = session.settings.compute
    return device_of(find_cluster(session.outputs, cluster), chosen) if cluster else chosen


def train_model(session: Session, order: Order, *, waits: bool = True) -> Trained:
    """Submit a checked order; where `waits`, follow the job and register its model.

    Raises:
        JobFailed: the job did not complete.
        CloudError: Azure refused a step; names it.
    """
    with naming_missing_grants(session):
        return _train(session, order, waits=waits)


def _train(session: Session, order: Order, *, waits: bool) -> Trained:
    cloud, outputs = session.cloud, session.outputs
    say(f"Uploading data, base model and code for [bold]{order.recipe.name}[/bold] …")
    job = submit(cloud, outputs, _with_estimate(session, order))
    say(f"Submitted [bold]{job.name}[/bold]" + (f"\n{job.studio_url}" if job.studio_url else ""))
    if not waits:
        return Trained(job)
    watch(follow(cloud, outputs, job.name), job.name, session.stack)
    model = register(cloud, outputs, job.name)
    return Trained(job.model_copy(update={"status": "Completed"}), model)


def _say_cost(session: Session, order: Order, limit: float | None) -> None:
    """Say what the run costs at most, and refuse what is more than a person allowed."""
    nodes, (size, priority) = order.recipe.training.nodes, _node(session, order)
    if session.is_rehearsal:
        say("The job runs on this machine and costs nothing.")
        if limit is None:
            return
    quote = pricing.price_list(session, size).vm(size, priority)
    price = quote.per_hour * nodes if quote else None
    most = None if price is None else price * order.timeout_hours
    pricing.check_max_cost(
        limit,
        most,
        f"{order.timeout_hours:g} h on {nodes} x {size}",
        [f"{nodes} x {pricing.dollars(quote.per_hour if quote else None)} an hour"],
        instead="Give a shorter --timeout, fewer nodes or a smaller vmSize, or allow more.",
    )
    if quote is None or price is None:
        say(f"{nodes} x {size}: the price is not known here; https://prices.azure.com has it.")
    elif not session.is_rehearsal:
        say(
            f"{nodes} x {size}: ${price:.2f} an hour while the job runs, at most"
            f" ${price * order.timeout_hours:.0f} in {order.timeout_hours:g} h ({quote.source})."
        )


def _node(session: Session, order: Order) -> tuple[str, str]:
    """Give the VM size and the priority of the nodes that the job runs on."""
    if not order.cluster:
        return session.settings.cluster_vm_size, DEDICATED
    cluster = find_cluster(session.outputs, order.cluster)
    return cluster.vm_size, LOW_PRIORITY if cluster.is_low_priority else DEDICATED


def _nodes(session: Session, order: Order) -> ClusterPlan:
    """Give the nodes that the job needs at once, for the rules about quota."""
    size, priority = _node(session, order)
    is_low = priority == LOW_PRIORITY
    return ClusterPlan(size, order.recipe.training.nodes, "LowPriority" if is_low else "Dedicated")


def _with_estimate(session: Session, order: Order) -> Order:
    """Note what the run is expected to cost on Azure, for `tunestack cost` to compare with."""
    size, priority = _node(session, order)
    price = pricing.price_list(session, size).per_hour(size, priority)
    if price is None:
        return order
    run = pricing.expected_run(session)
    return replace(order, estimate=price * order.recipe.training.nodes * run.hours)


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
