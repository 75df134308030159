"""Azure VM sizes and list prices that decisions and estimates use, with where they come from.

Figures age: every price carries its region and date, and whoever shows one shows those too.
Live prices and quota are looked up elsewhere; this file knows what must be known offline.
"""

from dataclasses import dataclass
from datetime import date


@dataclass(frozen=True)
class Source:
    """Where a set of figures comes from."""

    origin: str
    region: str
    as_of: date

    def __str__(self) -> str:
        return f"list prices of {self.region}, USD, {self.as_of.isoformat()} ({self.origin})"


GPU_PRICES = Source(
    "retail list as collected in public, November 2026", "eastus", date(2026, 11, 9)
)
CPU_PRICES = Source("as several public projects quote the list", "eastus", date(2026, 11, 21))
REGISTRY_PRICES = Source("published guide to the price list", "eastus", date(2026, 6, 19))


@dataclass(frozen=True)
class VmSize:
    """A VM size that a cluster or a deployment may run on."""

    name: str
    vcpus: int
    memory_gib: int
    price_per_hour: float | None
    source: Source
    gpu: str = ""
    gpus: int = 0
    gpu_memory_gib: int = 0
    """Of one GPU."""
    is_reservation_exempt: bool = False
    """Online deployments of other sizes need 20 % more quota than they use, for upgrades."""
    retired: date | None = None
    family: str = ""
    """As the portal's quota page begins its row: `Standard NCADSA100v4 Family`, for clusters
    followed by `Cluster Dedicated vCPUs`. A100, T4, ESv3, DSv2 and NCadsH100v5 were read in
    people's own lists of such rows; NDSH100v5, DSv3 and NCSv3 are Azure Compute's names of the
    families (learn.microsoft.com, N-series quotas), written in the same way."""


def _a100(name: str, vcpus: int, memory: int, gpus: int, price: float) -> VmSize:
    family = "Standard NCADSA100v4 Family"
    return VmSize(name, vcpus, memory, price, GPU_PRICES, "A100", gpus, 80, True, family=family)


def _h100(name: str, vcpus: int, memory: int, gpus: int, price: float, each: int) -> VmSize:
    family = f"Standard {'NDSH100v5' if name.startswith('Standard_ND') else 'NCadsH100v5'} Family"
    return VmSize(name, vcpus, memory, price, GPU_PRICES, "H100", gpus, each, True, family=family)


def _t4(name: str, vcpus: int, memory: int, price: float) -> VmSize:
    family = "Standard NCASv3_T4 Family"
    return VmSize(name, vcpus, memory, price, CPU_PRICES, "T4", 1, 16, family=family)


def _cpu(name: str, vcpus: int, memory: int, price: float, series: str) -> VmSize:
    return VmSize(name, vcpus, memory, price, CPU_PRICES, family=f"Standard {series} Family")


def _v100(name: str, vcpus: int, memory: int, gpus: int) -> VmSize:
    # Deallocated by Azure on that day; the portal tutorial still deploys to the smallest.
    gone = date(2025, 9, 30)
    family = "Standard NCSv3 Family"
    return VmSize(
        name, vcpus, memory, None, GPU_PRICES, "V100", gpus, 16, retired=gone, family=family
    )


VM_SIZES = (
    _a100("Standard_NC24ads_A100_v4", 24, 220, 1, 3.673),
    _a100("Standard_NC48ads_A100_v4", 48, 440, 2, 9.554),
    _a100("Standard_NC96ads_A100_v4", 96, 880, 4, 19.108),
    _h100("Standard_NC40ads_H100_v5", 40, 320, 1, 6.98, 94),
    _h100("Standard_NC80adis_H100_v5", 80, 640, 2, 17.64, 94),
    _h100("Standard_ND96isr_H100_v5", 96, 1900, 8, 98.32, 80),
    _t4("Standard_NC4as_T4_v3", 4, 28, 0.526),
    _t4("Standard_NC16as_T4_v3", 16, 110, 1.204),
    _cpu("Standard_E4s_v3", 4, 32, 0.252, "ESv3"),
    _cpu("Standard_E8s_v3", 8, 64, 0.504, "ESv3"),
    _cpu("Standard_E16s_v3", 16, 128, 1.008, "ESv3"),
    _cpu("Standard_D4s_v3", 4, 16, 0.192, "DSv3"),
    _cpu("Standard_DS3_v2", 4, 14, 0.229, "DSv2"),
    _v100("Standard_NC6s_v3", 6, 112, 1),
    _v100("Standard_NC12s_v3", 12, 224, 2),
    _v100("Standard_NC24s_v3", 24, 448, 4),
)

REGISTRY_BASIC_PER_HOUR = 0.167 / 24
"""A Basic container registry costs $0.167 a day, used or not."""

_BY_NAME = {size.name.lower(): size for size in VM_SIZES}


def vm_size(name: str) -> VmSize | None:
    """Look a size up, in any case; None where this catalog does not know it."""
    return _BY_NAME.get(name.lower())


def price_per_hour(name: str) -> float | None:
    """Give a size's price in USD; None where it is not known."""
    size = vm_size(name)
    return size.price_per_hour if size else None
