"""What Azure ML offers in a region and how much of it a subscription may use.

`vmSizes` and `usages` of Microsoft.MachineLearningServices (2025-12-01). Clusters and online
endpoints draw on the same family's quota, which is apart from that of plain virtual machines
(learn.microsoft.com, how-to-manage-quotas). A cluster without nodes holds none of it.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from core.catalog import vm_size

if TYPE_CHECKING:
    from core.facts import Facts

API = "2025-12-01"
PROVIDER = "Microsoft.MachineLearningServices"
CLUSTERS = "Cluster Dedicated vCPUs"
REGION = "Total Cluster Dedicated Regional vCPUs"
LOW_PRIORITY = "Total Cluster LowPriority vCPUs"
"""The portal also writes `Low Priority` and `Regional`: rows are found by their letters."""


@dataclass(frozen=True)
class Usage:
    """A row of the quota page, in virtual cores."""

    code: str
    """Azure's own name of it, by its letters alone."""
    name: str
    """As the portal writes it."""
    used: int
    limit: int

    @property
    def free(self) -> int:
        """What is left; never less than nothing."""
        return max(0, self.limit - self.used)

    def told(self, needed: int) -> str:
        """Write the row with what is needed of it, as the portal names it."""
        return f"{self.name}: {needed} needed, {self.free} free of {self.limit}"


@dataclass(frozen=True)
class Offer:
    """A VM size that a region offers to Azure ML."""

    name: str
    family: str
    vcpus: int
    gpus: int
    is_low_priority: bool
    compute_types: tuple[str, ...]


@dataclass(frozen=True)
class Cores:
    """How many virtual cores a VM size has, and on which family's quota it draws."""

    family: str
    vcpus: int


def usages(facts: "Facts") -> list[Usage]:
    """List the rows of the region's quota; empty where Azure gives no list."""
    return [_usage(row) for row in facts.get_list(facts.at_location(PROVIDER, "usages"), API)]


def offers(facts: "Facts") -> list[Offer]:
    """List the VM sizes of the region; empty where Azure gives no list."""
    return [_offer(row) for row in facts.get_list(facts.at_location(PROVIDER, "vmSizes"), API)]


def cores(name: str, offered: Sequence[Offer] = ()) -> Cores | None:
    """Look a size's family and cores up, in the catalog or in Azure's list; None in neither."""
    known = vm_size(name)
    if known is not None and known.family:
        return Cores(known.family, known.vcpus)
    for offer in offered:
        if offer.name.lower() == name.lower() and offer.family and offer.vcpus:
            return Cores(offer.family, offer.vcpus)
    return None


def family_row(rows: Sequence[Usage], family: str) -> Usage | None:
    """Find a family's row by Azure's code for it or by the portal's words."""
    codes = {_letters(family), _letters(f"{family} {CLUSTERS}")}
    return _row(rows, lambda text: text in codes)


def region_row(rows: Sequence[Usage]) -> Usage | None:
    """Find the row that all dedicated nodes of the region share."""
    return _row(rows, lambda text: text.startswith("totalclusterdedicated"))


def low_priority_row(rows: Sequence[Usage]) -> Usage | None:
    """Find the row that all low-priority nodes of the region share."""
    return _row(rows, lambda text: text.startswith("totalclusterlowpriority"))


def quota_fix(facts: "Facts", row: str, limit: int) -> str:
    """Say where a limit is raised, by the portal's own words."""
    return (
        f"https://ml.azure.com > Quota > {facts.settings.location} > {row} > Request quota:"
        f" {limit}  (or another location, or a smaller size)"
    )


def _row(rows: Sequence[Usage], is_it: Callable[[str], bool]) -> Usage | None:
    return next((row for row in rows if is_it(row.code) or is_it(_letters(row.name))), None)


def _letters(text: str) -> str:
    """Reduce a name to what all of Azure's spellings of it share."""
    return re.sub(r"[^a-z0-9]", "", text.lower())


def _usage(row: dict[str, Any]) -> Usage:
    name = row.get("name") or {}
    code = str(name.get("value") or "")
    shown = str(name.get("localizedValue") or code)
    used, limit = row.get("currentValue"), row.get("limit")
    return Usage(_letters(code), shown, int(used or 0), int(limit or 0))


def _offer(row: dict[str, Any]) -> Offer:
    return Offer(
        str(row.get("name") or ""),
        str(row.get("family") or ""),
        int(row.get("vCPUs") or 0),
        int(row.get("gpus") or 0),
        bool(row.get("lowPriorityCapable")),
        tuple(row.get("supportedComputeTypes") or ()),
    )
