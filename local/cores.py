"""vCPUs in use: by the nodes that jobs hold and by online deployments, per family and location.

A deployment takes a fifth more than its instances have, rounded up to whole instances, unless its
family is exempt (Microsoft Learn, quota allocation for online deployments); Azure keeps that for
upgrades. Low-priority nodes count in a pool of their own, which all families share.
"""

import math
from collections import Counter
from dataclasses import dataclass

from local import quota
from local.ml.workspace import TYPE, region
from local.quota import DEDICATED, LOW_PRIORITY
from local.runner.clusters import Clusters
from local.sizes import VmSize, size_of
from local.state import Document, State

COMPUTES = f"{TYPE}/computes"
DEPLOYMENTS = f"{TYPE}/onlineEndpoints/deployments"
RESERVE = 1.2


@dataclass(frozen=True)
class Shortage:
    """A quota that would be exceeded."""

    name: str
    words: str
    used: int
    limit: int
    needed: int


def instances_counted(size: VmSize, instances: int) -> int:
    """Count the instances that a deployment takes from the quota."""
    return instances if size.family.is_exempt else math.ceil(round(instances * RESERVE, 6))


def used(state: State, clusters: Clusters, location: str) -> Counter[str]:
    """Count the vCPUs in use in a location, by the name of the quota."""
    found: Counter[str] = Counter()
    regions = {id.lower(): region(document) for id, document in state.find(TYPE)}
    for id, compute in state.find(COMPUTES):
        nodes = clusters.in_use(id)
        if nodes and regions.get(id.lower().rpartition("/computes/")[0]) == location:
            _add(found, compute_size(compute), nodes, is_low=is_low_priority(compute))
    for id, deployment in state.find(DEPLOYMENTS):
        if regions.get(id.lower().rpartition("/onlineendpoints/")[0]) == location:
            size, count = deployment_size(deployment), instances_of(deployment)
            _add(found, size, instances_counted(size, count) if size else 0)
    return found


def shortage(
    state: State,
    clusters: Clusters,
    location: str,
    size: VmSize,
    nodes: int,
    *,
    is_low: bool = False,
    given_back: int = 0,
) -> Shortage | None:
    """Give the first quota that so many more nodes would exceed; None where they fit.

    `given_back` are nodes of the same size that what is asked for replaces.
    """
    counts, needed = used(state, clusters, location), nodes * size.vcpus
    rows = (
        ((LOW_PRIORITY.name, LOW_PRIORITY.words),)
        if is_low
        else ((size.family.code, size.family.quota), (DEDICATED.name, DEDICATED.words))
    )
    for name, words in rows:
        now, most = counts[name] - given_back * size.vcpus, quota.limit(state, name, location)
        if now + needed > most:
            return Shortage(name, words, now, most, needed)
    return None


def compute_size(compute: Document) -> VmSize | None:
    """Give the VM size of a cluster; None where it is not known."""
    return size_of(str((compute["properties"].get("properties") or {}).get("vmSize") or ""))


def is_low_priority(compute: Document) -> bool:
    """Say whether a cluster's nodes come from the low-priority pool."""
    inner = compute["properties"].get("properties") or {}
    return str(inner.get("vmPriority") or "").lower() == "lowpriority"


def deployment_size(deployment: Document) -> VmSize | None:
    """Give the VM size of a deployment; None where it is not known."""
    return size_of(str(deployment["properties"].get("instanceType") or ""))


def instances_of(deployment: Document) -> int:
    """Count a deployment's instances."""
    return int((deployment.get("sku") or {}).get("capacity") or 1)


def _add(found: Counter[str], size: VmSize | None, nodes: int, *, is_low: bool = False) -> None:
    if size is None:
        return
    for name in (LOW_PRIORITY.name,) if is_low else (size.family.code, DEDICATED.name):
        found[name] += nodes * size.vcpus
