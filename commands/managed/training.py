"""`train` by a managed route: files prepared, money told, job submitted, followed, model named.

Nothing here knows which service tunes: `training.managed.contract.TuningService` is asked.
"""

import shlex
import tempfile
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import click
from rich.markup import escape

from commands import pricing
from commands.data.check import check_files as check_data
from commands.grants import naming_missing_grants
from commands.managed.following import follow_job
from commands.output import confirm, say, show
from commands.preflight import preflight
from commands.session import Session
from commands.train.asked import Asked
from core.errors import SettingsError, check_all
from core.managed_prices import hosting
from core.managed_recipe import AnyManaged
from core.refs import JobRef
from training.data.check import require_good
from training.managed.contract import ManagedJob, ManagedOrder, TunedModel, TuningService
from training.managed.data import prepare
from training.managed.money import Estimate, hosting_per_hour, training_cost
from training.managed.services import service_for
from training.recipes import load_any_recipe

HOSTED_AS = {"openai": ("DeveloperTier", "GlobalStandard"), "serverless": ("Consumption",)}
"""How a tuned model of a route is usually deployed: what an hour of it costs is told."""


@dataclass(frozen=True)
class Tuned:
    """What a managed training hands on: its job, and the model where it was waited for."""

    job: JobRef
    model: TunedModel | None = None


def train(session: Session, asked: Asked) -> None:
    """Tune as asked by Azure's own service, or show what that would cost."""
    with tempfile.TemporaryDirectory(prefix="tunestack-tuning-") as folder:
        order = check_order(session, asked, Path(folder))
        cost = training_cost(order)
        if asked.estimate:
            show(_cost_document(order, cost), asked.as_json, lambda: _print_cost(order, cost))
            return
        preflight(session, "train", ignored=asked.ignored, managed=order.recipe)
        service = service_for(session.cloud, session.outputs, order.recipe.route, session.stack)
        _say_cost(session, order, cost, asked.max_cost)
        _say_twins(session, service, order)
        confirm("Submit the job?", yes=asked.yes or session.is_rehearsal)
        job = submit(session, service, replace(order, estimate=cost.usd))
    tuned = finish(session, service, job.name) if asked.follow else Tuned(job)
    show(document(tuned), asked.as_json, lambda: print_result(session, tuned))


def check_order(session: Session, asked: Asked, folder: Path) -> ManagedOrder:
    """Check options, recipe and files before anything is sent; write the files to `folder`.

    Raises:
        SettingsError: every finding in all three, and in the stack's settings.
    """
    recipes: list[AnyManaged] = []
    orders: list[ManagedOrder] = []

    def check_files() -> None:
        files = (asked.train_file, _validation(asked))
        try:
            if not recipes:  # what more a file must be is its recipe's to say
                require_good(*check_data(tuple(file for file in files if file)))
                return
            prepared = prepare(recipes[0], *files, folder, lambda line: say(escape(line)))
        except SettingsError as error:
            error.hint = error.hint if asked.train_file.exists() else "tunestack data get sample"
            raise
        orders.append(ManagedOrder(recipes[0], *prepared))

    check_all(
        lambda: _refuse_options(asked),
        lambda: recipes.append(_recipe(session, asked)),
        check_files,
        lambda: str(session.settings),
    )
    return orders[0]


def submit(session: Session, service: TuningService, order: ManagedOrder) -> JobRef:
    """Upload and create the job; say its name, and its page where it has one."""
    say(f"Uploading data for [bold]{escape(order.recipe.name)}[/bold] …")
    with naming_missing_grants(session):
        job = service.submit(order, lambda text: say(escape(text)))
    say(f"Submitted [bold]{job.name}[/bold]" + (f"\n{job.studio_url}" if job.studio_url else ""))
    return job


def finish(session: Session, service: TuningService, job: str) -> Tuned:
    """Follow a job to its end and find its model.

    Raises:
        JobFailed: the job did not complete.
    """
    ended = follow_job(session, service, job)
    made = next((model for model in service.models() if model.job == job), None)
    return Tuned(ended.ref(), made)


def document(tuned: Tuned) -> dict[str, Any]:
    """Give the result as JSON-ready data, in the form of the own-GPU route."""
    model = tuned.model.document() if tuned.model else None
    return {"job": tuned.job.model_dump(), "model": model}


def print_result(session: Session, tuned: Tuned) -> None:
    """Print the model's name, or the job's, and the next command."""
    on = "" if session.is_rehearsal else f" --stack {shlex.quote(session.stack)}"
    if tuned.model is None:
        click.echo(f"Job {tuned.job.name}")
        say(f"Next: tunestack jobs logs {tuned.job.name} --follow{on}")
        say(f"Then: tunestack models list{on}")
        return
    click.echo(f"Model {tuned.model.ref}")
    name = shlex.quote(str(tuned.model.ref))
    say(f"Next: tunestack models compare {name}{on}; tunestack deploy --model {name}{on}")


def _recipe(session: Session, asked: Asked) -> AnyManaged:
    recipe = load_any_recipe(asked.recipe(session), asked.wanted.overrides)
    if recipe.route == "azureml":
        raise SettingsError(f"{recipe.name} is no recipe of a managed route.")
    return recipe


def _refuse_options(asked: Asked) -> None:
    """Refuse by name what only a cluster of one's own has, all of it at once."""
    wanted = asked.wanted
    given = {
        "--like": asked.like,
        "--cluster": wanted.cluster,
        "--timeout": wanted.timeout_hours,
        "--losses": asked.losses,
        "--probe": asked.probe,
    }
    names = [name for name, value in given.items() if value not in (None, "")]
    if names:
        raise SettingsError(
            f"{', '.join(names)}: Azure's own service tunes; there is no cluster, no node and no"
            " earlier order of it to choose.",
            hint="Leave them out, or take a recipe for your own cluster: tunestack recipe list",
        )


def _validation(asked: Asked) -> Path | None:
    """Give the validation file; None where the folder has none and none was named.

    A training file that was named alone is not measured on the sample's validation file, which
    the folder would be by default: a share of it is held out.
    """
    if asked.wanted.eval_file:
        return asked.eval_file
    is_of_folder = asked.wanted.train_file is None or asked.wanted.folder is not None
    return asked.eval_file if is_of_folder and asked.eval_file.exists() else None


def _say_cost(session: Session, order: ManagedOrder, cost: Estimate, limit: float | None) -> None:
    """Say what training and hosting cost, and refuse what is more than a person allowed."""
    if session.is_rehearsal:
        say("The job runs on this machine and costs nothing. On Azure:")
    for line in (*cost.told, *_hosting(order)):
        say(escape(line))
    pricing.check_max_cost(
        limit,
        cost.usd,
        f"tuning {order.recipe.base.id} on {order.train.rows} records",
        list(cost.told),
        instead="Fewer epochs (--set training.epochs=1) or less data, or allow more.",
    )


def _say_twins(session: Session, service: TuningService, order: ManagedOrder) -> None:
    """Say which jobs do the same already: who was cut off before its name was told looks here."""
    for job in service.jobs():
        if not job.is_over and _is_same(job, order):
            say(
                f"[yellow]Note:[/yellow] [bold]{job.name}[/bold] ({job.status}) tunes"
                f" {escape(job.base)} on this file already. Going on makes a second job, which"
                f" costs again; to follow the first: tunestack jobs logs {job.name} --follow"
                f" --stack {shlex.quote(session.stack)}"
            )


def _is_same(job: ManagedJob, order: ManagedOrder) -> bool:
    """Compare model and file; where a service kept no tags, the file's name has its hash."""
    known = job.tags.get("data_sha256") or job.tags.get("data_file", "")
    is_same_file = bool(known) and (known == order.train.sha256 or order.train.sha256[:16] in known)
    return is_same_file and job.base.lower() == order.recipe.base.id.lower()


def _hosting(order: ManagedOrder) -> list[str]:
    """Say what an hour of the tuned model's deployment will cost, before a token is asked for."""
    quotes = [(sku, hosting(order.recipe.base.id, sku)) for sku in HOSTED_AS[order.recipe.route]]
    known = [(sku, quote) for sku, quote in quotes if quote is not None]
    if not known:
        return ["Deployed later it costs tokens, and hours at a price that no public page names."]
    told = " or ".join(f"{pricing.dollars(quote.per_hour)} ({sku})" for sku, quote in known)
    sources = "; ".join(dict.fromkeys(str(quote.source) for _, quote in known))
    return [f"Deployed later: {told} an hour, asked or not, and its tokens: {sources}."]


def _hosting_prices(order: ManagedOrder) -> dict[str, float | None]:
    skus = HOSTED_AS[order.recipe.route]
    return {sku: hosting_per_hour(order.recipe.base.id, sku) for sku in skus}


def _cost_document(order: ManagedOrder, cost: Estimate) -> dict[str, Any]:
    return {
        "recipe": order.recipe.name,
        "route": order.recipe.route,
        "base": order.recipe.base.id,
        **asdict(cost),
        "hosting_per_hour": _hosting_prices(order),
    }


def _print_cost(order: ManagedOrder, cost: Estimate) -> None:
    click.echo(f"{order.recipe.name}: {order.recipe.base.id}, route {order.recipe.route}")
    for line in (*cost.told, *_hosting(order)):
        click.echo(line)
