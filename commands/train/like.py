"""`train --like JOB`: an earlier job's order, with changes, and what the changes are."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.markup import escape

from commands.data.check import checked_pair
from commands.output import say
from commands.session import Session
from core.errors import SettingsError, UserError, check_all
from core.recipe import Recipe
from training.assets import packaged_weights, require_data
from training.data.check import Report
from training.data.split import TRAIN, VALIDATION
from training.environment import JOB_FOLDER
from training.kept_orders import DataAsset, KeptOrder, Place, find_order, read_order
from training.lineage import flat
from training.managed.services import find_managed_job
from training.recipes import changed_recipe
from training.reproduction import staged_code_sha256
from training.resubmission import device_for
from training.submission import Order

Data = Report | DataAsset


@dataclass(frozen=True)
class Wanted:
    """What a person gave to `train`; empty or None: not given."""

    recipe: str = ""
    folder: Path | None = None
    train_file: Path | None = None
    eval_file: Path | None = None
    overrides: tuple[str, ...] = ()
    cluster: str = ""
    timeout_hours: float | None = None
    losses: int = 2


def like_order(session: Session, like: str, wanted: Wanted) -> Order:
    """Take an earlier job's order over, but for what is wanted otherwise.

    Data that was not given is used by reference: nothing of it needs to lie here.

    Raises:
        SettingsError: every finding in recipe, files and cluster.
        UserError: no order was kept for that job, or its data are gone.
    """
    kept = _order_of(session, like)
    cluster = wanted.cluster or kept.cluster
    found: dict[str, Any] = {}
    check_all(
        lambda: _refuse_recipe(wanted),
        lambda: found.update(recipe=changed_recipe(kept.recipe, wanted.overrides)),
        lambda: found.update(data=_data(session, kept, wanted, found.get("recipe"))),
        lambda: found.update(device=device_for(kept, session.outputs, cluster)),
    )
    packaged_weights(found["recipe"])
    train, validation = found["data"]
    return Order(
        found["recipe"], train, validation, found["device"],
        wanted.timeout_hours or kept.timeout_hours, code=JOB_FOLDER,
        cluster="" if cluster == session.outputs.cluster else cluster,
        place=Place(like=like, losses_allowed=wanted.losses),
    )  # fmt: skip


def say_differences(session: Session, order: Order) -> None:
    """Say in what an order differs from the one that it is like."""
    kept = read_order(session.cloud, session.outputs, order.place.like)
    lines = list(differences(kept, order, session.outputs.cluster))
    head = f"Like {kept.job} ({kept.submitted})"
    say(f"{head}, except for:" if lines else f"{head}, in everything.")
    for line in lines:
        say(f"  {escape(line)}")


def differences(kept: KeptOrder, order: Order, main_cluster: str) -> Iterator[str]:
    """Yield what differs, a line each: `path: before -> now`."""
    recipes = (kept.recipe, order.recipe)
    before, now = (dict(flat(recipe.model_dump(mode="json"))) for recipe in recipes)
    for path in sorted(before.keys() | now.keys()):
        if before.get(path) != now.get(path):
            yield f"{path}: {before.get(path, 'not set')} -> {now.get(path, 'not set')}"
    for name, old, new in (
        ("training data", kept.train, order.train),
        ("validation data", kept.validation, order.validation),
    ):
        if old.sha256 != new.sha256:
            yield f"{name}: {_told(old)} -> {_told(new)}"
    pairs = (
        ("cluster", kept.cluster, order.cluster or main_cluster),
        ("timeout", f"{kept.timeout_hours:g} h", f"{order.timeout_hours:g} h"),
        ("code of the job", kept.code_sha256[:12], staged_code_sha256(order)[:12]),
    )
    yield from (f"{name}: {old} -> {new}" for name, old, new in pairs if old != new)


def _order_of(session: Session, like: str) -> KeptOrder:
    """Read an earlier job's order; of one that a service of Azure's ran, none is kept."""
    if kept := find_order(session.cloud, session.outputs, like):
        return kept
    managed = find_managed_job(session.cloud, session.outputs, like)
    if managed is None:
        return read_order(session.cloud, session.outputs, like)
    service, job = managed
    recipe = job.tags.get("recipe") or "NAME"
    raise UserError(
        f"{like} was tuned by Azure's own service (route {service.route}): no order is kept of it.",
        hint="With the same data this orders the same again: tunestack train --recipe"
        f" {recipe} --data FOLDER --stack {session.stack}",
    )


def _refuse_recipe(wanted: Wanted) -> None:
    if wanted.recipe:
        raise SettingsError(
            "--recipe: --like brings the earlier job's.", hint="Change parts of it with --set."
        )


def _data(
    session: Session, kept: KeptOrder, wanted: Wanted, recipe: Recipe | None
) -> tuple[Data, Data]:
    """Check the files that are given; else name the earlier job's assets, which must be there."""
    train, validation = wanted.train_file, wanted.eval_file
    if wanted.folder is not None:
        train, validation = train or wanted.folder / TRAIN, validation or wanted.folder / VALIDATION
    if train is not None and validation is not None:
        return checked_pair(train, validation, recipe)
    if train is not None or validation is not None:
        raise SettingsError(
            "--train-file, --eval-file: --like takes both or none: leaks between them are checked.",
            hint="--data FOLDER gives both.",
        )
    for data in (kept.train, kept.validation):
        require_data(session.cloud, session.outputs, data.asset)
    return kept.train, kept.validation


def _told(data: Data) -> str:
    return f"{data.rows} chats ({data.sha256[:12]})"
