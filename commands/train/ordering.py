"""The order of a `train`: recipe, files and cluster checked together, before anything is sent."""

from pathlib import Path

from commands.data.check import checked_pair
from commands.session import REHEARSAL, Session
from core.environments import Device
from core.errors import SettingsError, check_all
from core.recipe import Recipe
from training.assets import packaged_weights
from training.clusters import device_of, find_cluster
from training.data.check import Report
from training.kept_orders import Place
from training.recipes import fits_device, load_recipe
from training.submission import Order


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
    losses: int = 2,
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
            reports.extend(checked_pair(train_file, eval_file, recipes[0] if recipes else None))
        except SettingsError as error:
            error.hint = error.hint if train_file.exists() else "tunestack data get sample"
            raise

    check_all(
        lambda: recipes.append(load_recipe(recipe, overrides)),
        check_files,
        lambda: devices.append(_device(session, cluster)),
    )
    if reasons := fits_device(recipes[0], devices[0]):
        raise SettingsError("\n".join(reasons), hint="Nothing was sent.")
    packaged_weights(recipes[0])
    return Order(
        recipes[0], reports[0], reports[1], devices[0], timeout_hours, cluster=cluster,
        place=Place(losses_allowed=losses),
    )  # fmt: skip


def _device(session: Session, cluster: str) -> Device:
    """Say what the job trains on; a cluster that was asked for must be the stack's."""
    chosen = session.settings.compute
    return device_of(find_cluster(session.outputs, cluster), chosen) if cluster else chosen
