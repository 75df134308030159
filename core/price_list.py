"""What things cost an hour: a list of quotes, each with its source, its region and its date.

`shipped` makes the list from this program's tables; retail_prices.py asks Azure for newer ones.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from typing import TypeVar

from core.catalog import REGISTRY_BASIC_PER_HOUR, REGISTRY_PRICES, Source, vm_size

HOURS_A_MONTH = 730
"""As Azure's own calculator counts a month."""

EVERYWHERE = "every region"
"""The region of a price that Azure charges alike everywhere."""

DEDICATED, LOW_PRIORITY = "Dedicated", "LowPriority"

Key = TypeVar("Key")


class Meter(StrEnum):
    """What bills by the hour besides virtual machines, as a person reads it."""

    REGISTRY_BASIC = "container registry, Basic"
    REGISTRY_PREMIUM = "container registry, Premium"
    PRIVATE_ENDPOINT = "private endpoint"
    LOAD_BALANCER = "load balancer of a cluster"
    METRIC_ALERT = "alert on a metric"


@dataclass(frozen=True)
class Quote:
    """USD an hour, and where that comes from."""

    per_hour: float
    source: Source

    def told(self, location: str, today: date) -> str:
        """Say where it comes from and how old it is; and where it is another region's."""
        source = self.source
        days = (today - source.as_of).days
        age = "of today" if days <= 0 else f"{days} day{'s' * (days != 1)} old"
        elsewhere = source.region not in (location, EVERYWHERE)
        region = f"{source.region} list prices" + (f", not {location}'s" if elsewhere else "")
        return f"{region}, {source.as_of.isoformat()}, {age} ({source.origin})"


@dataclass(frozen=True)
class PriceList:
    """Quotes for one location."""

    location: str
    vms: Mapping[tuple[str, str], Quote] = field(default_factory=dict)
    """By size in lower case and priority."""
    meters: Mapping[Meter, Quote] = field(default_factory=dict)

    def vm(self, size: str, priority: str = DEDICATED) -> Quote | None:
        """Look a VM size up, in any case; None where its price is not known."""
        return self.vms.get((size.lower(), priority))

    def per_hour(self, size: str, priority: str = DEDICATED) -> float | None:
        """Give a VM size's price in USD; None where it is not known."""
        quote = self.vm(size, priority)
        return quote.per_hour if quote else None

    def over(self, other: "PriceList") -> "PriceList":
        """Lay these quotes over another list's, of which an equally old or older one gives way."""
        return PriceList(
            self.location,
            _newest(self.vms, other.vms),
            _newest(self.meters, other.meters),
        )


def _newest(ours: Mapping[Key, Quote], theirs: Mapping[Key, Quote]) -> dict[Key, Quote]:
    better = {
        key: quote
        for key, quote in ours.items()
        if key not in theirs or quote.source.as_of >= theirs[key].source.as_of
    }
    return {**theirs, **better}


def shipped(location: str, sizes: Iterable[str]) -> PriceList:
    """Give what the tables of this program say of these VM sizes, and of everything else."""
    vms = {}
    for name in sizes:
        size = vm_size(name)
        if size and size.price_per_hour is not None:
            vms[name.lower(), DEDICATED] = Quote(size.price_per_hour, size.source)
    return PriceList(location, vms, _TABLE)


_NOTED = "public notes of Azure's retail price list"
_COSTS_PAGE = Source("Azure ML's own page on costs", EVERYWHERE, date(2026, 11, 21))
_ALERTS = Source(_NOTED, "eastus", date(2026, 7, 23))

_TABLE: Mapping[Meter, Quote] = {
    Meter.REGISTRY_BASIC: Quote(REGISTRY_BASIC_PER_HOUR, REGISTRY_PRICES),
    Meter.REGISTRY_PREMIUM: Quote(1.6666 / 24, Source(_NOTED, "eastus2", date(2026, 10, 1))),
    Meter.PRIVATE_ENDPOINT: Quote(0.01, Source(_NOTED, EVERYWHERE, date(2026, 9, 17))),
    # "Every 50 nodes of a compute cluster have one standard load balancer billed", around $0.33 a
    # day; the page does not say that a cluster at 0 nodes is spared, so it is counted.
    Meter.LOAD_BALANCER: Quote(0.33 / 24, _COSTS_PAGE),
    # A time series a month; a subscription's first ten are free, and counted here all the same.
    Meter.METRIC_ALERT: Quote(0.10 / HOURS_A_MONTH, _ALERTS),
}
