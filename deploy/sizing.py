"""What a VM size means for serving: its price, the quota it takes, whether it is still there."""

import math
import re

from core.catalog import vm_size
from core.errors import SettingsError
from core.price_list import HOURS_A_MONTH, Quote

RESERVE = 1.2
"""Azure keeps a fifth more than the instances of most sizes, for upgrades, and rounds up."""
EXEMPT = re.compile(r"Standard_(NC\d+ad\w*|ND\d+\w*)_(A100_v4|H100_v5)", re.IGNORECASE)
"""Sizes without that reserve, among those that the catalog does not know."""


def require_current(name: str) -> None:
    """Refuse a size that Azure has retired.

    Raises:
        SettingsError: it is retired; names one that serves.
    """
    size = vm_size(name)
    if size is not None and size.retired is not None:
        raise SettingsError(
            f"endpointVmSize: {name} was retired on {size.retired.isoformat()}; no deployment"
            " starts on it.",
            hint="For example Standard_NC24ads_A100_v4, or Standard_E4s_v3 without a GPU.",
        )


def price(name: str, quote: Quote | None, instances: int = 1) -> str:
    """Say what instances cost by a quote of today; None where there is none."""
    if quote is None:
        return f"{name}: the price is not known here; https://prices.azure.com has it."
    per_hour = quote.per_hour * instances
    size = name if instances == 1 else f"{instances} x {name}"
    return (
        f"{size}: ${per_hour:.3f} an hour, ${per_hour * HOURS_A_MONTH:,.0f} a month of"
        f" {HOURS_A_MONTH} h, from now until the endpoint is deleted ({quote.source})."
    )


def quota_instances(name: str, instances: int) -> int:
    """Say for how many instances Azure wants quota, so that it can upgrade them while they answer.

    Sizes with A100 or H100 take no more than they are (learn.microsoft.com,
    reference-managed-online-endpoints-vm-sku-list); all others a fifth, rounded up to whole ones.
    """
    size = vm_size(name)
    is_exempt = size.is_reservation_exempt if size else bool(EXEMPT.fullmatch(name))
    # 1.2 is no binary fraction: 1.2 times 5 is 6 and not one more.
    return instances if is_exempt else math.ceil(round(RESERVE * instances, 6))


def quota_note(name: str, instances: int = 1) -> str:
    """Say where Azure wants quota for more cores than run; empty where it does not."""
    size = vm_size(name)
    if size is None or quota_instances(name, instances) == instances:
        return ""
    wanted, running = quota_instances(name, instances) * size.vcpus, instances * size.vcpus
    return (
        f"It takes quota for {wanted} cores, not {running}: Azure reserves 20 % more instances for"
        " upgrades of this size and rounds up."
    )
