"""What a VM size means for serving: what it costs, and where it is small, with the numbers."""

import math
import re

from core.catalog import VmSize, vm_size
from core.errors import SettingsError
from core.price_list import HOURS_A_MONTH, Quote

RESERVE = 1.2
"""Azure keeps a fifth more than the instances of most sizes, for upgrades, and rounds up."""
EXEMPT = re.compile(r"Standard_(NC\d+ad\w*|ND\d+\w*)_(A100_v4|H100_v5)", re.IGNORECASE)
"""Sizes without that reserve, among those that the catalog does not know."""

PARAMETERS = 3_821_079_552
"""Phi-3.5-mini's, of which a model is taken to have as many where its tags do not tell."""
NUMBER_BYTES = 2
"""A weight in bfloat16, as the scoring program holds it."""
READ_PER_SECOND = 22
WRITTEN_PER_SECOND = 3.4
"""Tokens of Phi-3.5-mini on two CPU cores with AVX-512, measured on 2026-11-21."""
REQUEST_SECONDS = 150
SMALL = 300_000_000
"""Parameters up to which processors answer well enough."""


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


def price(name: str, quote: Quote | None) -> str:
    """Say what one instance costs by a quote of today; None where there is none."""
    if quote is None:
        return f"{name}: the price is not known here; https://prices.azure.com has it."
    month = quote.per_hour * HOURS_A_MONTH
    return (
        f"{name}: ${quote.per_hour:.3f} an hour, ${month:,.0f} a month of {HOURS_A_MONTH} h, from"
        f" now until the endpoint is deleted ({quote.source})."
    )


def warnings(name: str, parameters: int = PARAMETERS) -> list[str]:
    """Say where a size is small for a model of so many parameters, one finding a line."""
    size = vm_size(name)
    if size is None:
        return [f"{name} is not in this program's catalog: look at its memory and quota yourself."]
    return [*_quota(size), *_memory(size, parameters), *_speed(size, parameters)]


def quota_instances(name: str, instances: int) -> int:
    """Say for how many instances Azure wants quota, so that it can upgrade them while they answer.

    Sizes with A100 or H100 take no more than they are (learn.microsoft.com,
    reference-managed-online-endpoints-vm-sku-list); all others a fifth, rounded up to whole ones.
    """
    size = vm_size(name)
    is_exempt = size.is_reservation_exempt if size else bool(EXEMPT.fullmatch(name))
    # 1.2 is no binary fraction: 1.2 times 5 is 6 and not one more.
    return instances if is_exempt else math.ceil(round(RESERVE * instances, 6))


def _quota(size: VmSize) -> list[str]:
    if size.is_reservation_exempt:
        return []
    cores = quota_instances(size.name, 1) * size.vcpus
    return [
        f"It takes quota for {cores} cores, not {size.vcpus}: Azure reserves 20 % more instances"
        " for upgrades of this size and rounds up."
    ]


def _memory(size: VmSize, parameters: int) -> list[str]:
    weights = parameters * NUMBER_BYTES / 1e9
    memory = size.gpu_memory_gib if size.gpus else size.memory_gib
    if memory >= 2 * weights:
        return []
    return [
        f"{memory} GiB are little for a model of {_billion(parameters)} parameters:"
        f" {weights:.0f} GB of weights, and the cache of every answer beside them."
    ]


def _speed(size: VmSize, parameters: int) -> list[str]:
    if size.gpus or parameters <= SMALL:
        return []
    share = PARAMETERS / parameters  # reading weights is most of the work
    read, written = READ_PER_SECOND * share, WRITTEN_PER_SECOND * share
    tokens = int(REQUEST_SECONDS * written)
    return [
        f"No GPU: two cores read {read:.0f} and write {written:.2g} tokens a second"
        f" of a model of {_billion(parameters)} parameters, {tokens} in {REQUEST_SECONDS} s of a"
        " request;"
        f" this size has {size.vcpus} virtual cores. Models of 0.1 billion are fine."
    ]


def _billion(parameters: int) -> str:
    return f"{parameters / 1e9:.1f} billion"
