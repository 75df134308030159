"""What a stack has cost so far: run times and standing times, by list prices. No bill.

Not seen: storage and logs by use, data transfer, tokens of hosted models, a node's start and its
idle minutes, deployments and jobs that were deleted, changes of an instance count, and discounts.
Azure's own figures are `billed`; they lag by a day.
"""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from core.errors import CloudError
from core.price_list import DEDICATED, LOW_PRIORITY, PriceList
from infra.prices import Price
from infra.standing.hosted import HostedModel
from infra.standing.run_times import Ran, moment
from infra.standing.workloads import API, Compute, Deployment, Endpoint, Workloads, total

if TYPE_CHECKING:
    from core.arm import Arm

COSTS_API = "2023-11-01"
REGISTRY_API = "2023-01-01-preview"
BIRTHS = ("creationDate", "creationTime", "createdOn")
"""Where registries, workspaces and clusters say it besides `systemData`."""

NOT_SEEN = (
    "storage and logs by use, data transfer, tokens of hosted models, a node's start and its idle"
    " minutes, what was deleted since, earlier instance counts, discounts"
)


@dataclass(frozen=True)
class Item:
    """One thing that has cost something."""

    kind: str
    """`job`, `tuning` (by a managed service), `deployment` or `standing`."""
    name: str
    what: str
    hours: float | None
    usd: float | None
    """None where its time or its price is not known."""
    estimate: float | None = None
    """USD that were told before; of jobs alone."""
    per_hour: float | None = 0.0
    """USD that it costs an hour now; 0 where it has ended."""


@dataclass(frozen=True)
class Costs:
    """All that a stack has cost, as far as can be seen."""

    items: tuple[Item, ...]
    nodes_per_hour: float | None
    """USD that the clusters' nodes cost an hour now, with a job or idle."""

    @property
    def usd(self) -> float:
        """The sum of what is known."""
        return sum(item.usd for item in self.items if item.usd is not None)

    @property
    def unknown(self) -> tuple[str, ...]:
        """What is missing in the sum."""
        return tuple(f"{item.kind} {item.name}" for item in self.items if item.usd is None)

    @property
    def per_hour(self) -> float | None:
        """USD an hour now; None where a price is not known."""
        return total([*(item.per_hour for item in self.items), self.nodes_per_hour])

    @property
    def known_per_hour(self) -> float:
        """USD an hour now of what has a known price: at least so much."""
        amounts = (*(item.per_hour for item in self.items), self.nodes_per_hour)
        return sum(amount for amount in amounts if amount is not None)

    def document(self) -> dict[str, Any]:
        """Give it JSON-ready."""
        return {
            "items": [asdict(item) for item in self.items],
            "usd": round(self.usd, 4),
            "per_hour": None if self.per_hour is None else round(self.per_hour, 4),
            "known_per_hour": round(self.known_per_hour, 4),
            "unknown": list(self.unknown),
            "not_seen": NOT_SEEN,
        }


def costs(
    prices: Iterable[Price],
    born: datetime | None,
    jobs: Sequence[Ran],
    found: Workloads,
    listed: PriceList,
    now: datetime,
) -> Costs:
    """Add up what stands since `born`, what ran, and what answers; all by the list's prices.

    Of `prices` those count that are paid while nothing runs.
    """
    computes = {compute.id.lower(): compute for compute in found.computes}
    rows = [
        _standing(price, born, now)
        for price in prices
        if price.when == "standing" and price.per_hour != 0
    ]
    rows += [_job(job, computes.get(job.compute), listed, now) for job in jobs]
    rows += [
        _deployment(endpoint, deployment, listed, now)
        for endpoint in found.endpoints
        for deployment in endpoint.deployments
    ]
    rows += [_hosted(one, now) for one in found.hosted]
    return Costs(tuple(rows), total(_nodes(compute, listed) for compute in found.computes))


def burn(found: Workloads, listed: PriceList) -> float | None:
    """Give USD an hour of what runs now: nodes, deployments, hosted models; None: not known."""
    deployments = (one for endpoint in found.endpoints for one in endpoint.deployments)
    return total(
        [
            *(deployment_price(one, listed) for one in deployments),
            *(one.per_hour for one in found.hosted),
            *(_nodes(compute, listed) for compute in found.computes),
        ]
    )


def deployment_price(deployment: Deployment, listed: PriceList) -> float | None:
    """Give USD an hour of a deployment's instances."""
    return _times(listed.per_hour(deployment.vm_size), deployment.instances)


def vm_sizes(found: Workloads) -> list[str]:
    """List the VM sizes of what runs, to ask for their prices."""
    deployments = (one for endpoint in found.endpoints for one in endpoint.deployments)
    return [*(compute.vm_size for compute in found.computes), *(one.vm_size for one in deployments)]


def born(arm: "Arm", ids: Iterable[str]) -> datetime | None:
    """Say since when the oldest of these resources stands; None where none of them says it."""
    moments = (moment(text) for id in ids for text in _birth(arm.get(*_ask(id)) or {}))
    return min((found for found in moments if found), default=None)


def billed(arm: "Arm", group: str) -> tuple[float, str]:
    """Ask Cost Management what a resource group has cost this month: the amount, the currency.

    The figures are 8 to 24 hours behind. Request and answer as in the REST reference, Query -
    Usage; never tried on Azure.

    Raises:
        CloudError: Azure refused, or answered what is not documented.
    """
    body = {
        "type": "ActualCost",
        "timeframe": "MonthToDate",
        "dataset": {
            "granularity": "None",
            "aggregation": {"totalCost": {"name": "Cost", "function": "Sum"}},
        },
    }
    answer = arm.post(f"{group}/providers/Microsoft.CostManagement/query", COSTS_API, body)
    found = answer.get("properties") or {}
    names = [str(column.get("name")) for column in found.get("columns") or []]
    rows = found.get("rows") or []
    if rows and "Cost" not in names:
        raise CloudError("Cost Management answered no column Cost.", hint=f"It has {names}.")
    amount = sum(float(row[names.index("Cost")]) for row in rows)
    named = {str(row[names.index("Currency")]) for row in rows} if "Currency" in names else set()
    return amount, ", ".join(sorted(named)) or "USD"


def _standing(price: Price, since: datetime | None, now: datetime) -> Item:
    hours = (now - since).total_seconds() / 3600 if since else None
    usd = _times(price.per_hour, hours)
    return Item("standing", price.what, price.source, hours, usd, per_hour=price.per_hour)


def _job(job: Ran, compute: Compute | None, listed: PriceList, now: datetime) -> Item:
    # What its nodes cost now is counted with the cluster's, where they also stand idle.
    price = _node(compute, listed) if compute else None
    hours = job.hours(now)
    size = compute.vm_size if compute else "a cluster that is gone"
    usd = 0.0 if hours == 0 else _times(price, hours, job.nodes)
    return Item("job", job.name, f"{job.status}, {job.nodes} × {size}", hours, usd, job.estimate)


def _deployment(
    endpoint: Endpoint, deployment: Deployment, listed: PriceList, now: datetime
) -> Item:
    since = moment(deployment.created) or moment(endpoint.created)
    hours = (now - since).total_seconds() / 3600 if since else None
    price = deployment_price(deployment, listed)
    name = f"{endpoint.name}/{deployment.name}"
    what = f"{deployment.instances} × {deployment.vm_size}"
    return Item("deployment", name, what, hours, _times(price, hours), per_hour=price)


def _hosted(hosted: HostedModel, now: datetime) -> Item:
    """Price a model that Azure hosts since it was made; its tokens are not seen."""
    since = moment(hosted.created)
    hours = (now - since).total_seconds() / 3600 if since else None
    price = hosted.per_hour
    usd = 0.0 if price == 0 else _times(price, hours)
    what = f"{hosted.what}, {hosted.sku}"
    return Item("deployment", hosted.name, what, hours, usd, per_hour=price)


def _nodes(compute: Compute, listed: PriceList) -> float | None:
    if not compute.nodes or compute.is_attached:
        return 0.0
    return _times(_node(compute, listed), compute.nodes)


def _node(compute: Compute, listed: PriceList) -> float | None:
    priority = LOW_PRIORITY if compute.is_low_priority else DEDICATED
    return listed.per_hour(compute.vm_size, priority)


def _times(amount: float | None, *counts: float | None) -> float | None:
    for count in counts:
        if amount is None or count is None:
            return None
        amount *= count
    return amount


def _ask(id: str) -> tuple[str, str]:
    return id, REGISTRY_API if "/microsoft.containerregistry/" in id.lower() else API


def _birth(item: dict[str, Any]) -> tuple[Any, ...]:
    properties = item.get("properties") or {}
    created = (item.get("systemData") or {}).get("createdAt")
    return (created, *(properties.get(name) for name in BIRTHS))
