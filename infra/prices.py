"""What the stack costs: while it only stands, while it trains, while an endpoint answers."""

from dataclasses import dataclass

from core.catalog import REGISTRY_BASIC_PER_HOUR, REGISTRY_PRICES, vm_size
from core.settings import Settings
from infra.arm_types import TYPES


@dataclass(frozen=True)
class Price:
    """USD an hour of one thing, and when it is paid."""

    what: str
    when: str
    """`standing`, `training` or `serving`."""
    per_hour: float | None
    """None where the price is not known."""
    source: str


def prices(settings: Settings) -> tuple[Price, ...]:
    """Estimate the stack's hourly prices; what is billed by use counts as nothing while idle."""
    return (
        Price(
            "container registry, Basic", "standing", REGISTRY_BASIC_PER_HOUR, str(REGISTRY_PRICES)
        ),
        Price("storage, vault and logs", "standing", 0.0, "billed by use, not by the hour"),
        Price("cluster, no node while idle", "standing", 0.0, "billed by node"),
        _vm(settings.cluster_vm_size, "one cluster node", "training"),
        _vm(settings.deployment_vm_size, "one instance of a deployment", "serving"),
    )


BILLED_BY_USE = frozenset(
    kind.arm_type.lower()
    for kind in TYPES.values()
    if kind.title not in ("container registry", "compute cluster")
)
"""What of the program's resources costs nothing while nobody uses it and nothing is kept in it."""


def standing_price(arm_type: str, sku: str) -> float | None:
    """Give what a resource costs an hour while it only stands; None where it is not known.

    Nodes and deployments are priced where they are counted: standing/workloads.py.
    """
    if arm_type.lower() in BILLED_BY_USE:
        return 0.0
    if arm_type.lower() == "microsoft.containerregistry/registries" and sku in ("", "Basic"):
        return REGISTRY_BASIC_PER_HOUR
    return None


def per_hour(found: tuple[Price, ...], when: str) -> float | None:
    """Add up what is paid while standing, training or serving; None where a price is unknown."""
    amounts = [price.per_hour for price in found if price.when == when]
    known = [amount for amount in amounts if amount is not None]
    return sum(known) if len(known) == len(amounts) else None


def _vm(name: str, what: str, when: str) -> Price:
    size = vm_size(name)
    source = str(size.source) if size else "not in the catalog"
    return Price(f"{what}, {name}", when, size.price_per_hour if size else None, source)
