"""Rules about the quota of clusters: can a node ever start, and how many at once.

Where a family's limit is below one node no job ever starts (learn.microsoft.com,
how-to-manage-quotas: GPU families begin at 0 cores); whether the cluster itself can be made, that
page and people's logs (ClusterMinNodesExceedCoreQuota) say differently. So that has failed; a
limit below all nodes is a warning, as is what others use at the moment. A cluster without nodes
was seen to hold no quota: only its nodes of now are taken for the stack's own use.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence

from core.capacity import (
    API,
    LOW_PRIORITY,
    Usage,
    cores,
    family_row,
    low_priority_row,
    offers,
    quota_fix,
    region_row,
    usages,
)
from core.facts import Facts
from core.features import ClusterPlan
from core.rules import Finding, Rule, failed, ok, unknown, warning
from infra.doctor.subject import site_of
from infra.site import STACK_TAG

Sized = tuple[ClusterPlan, int]
"""A cluster, and the virtual cores of one node."""


def dedicated(facts: Facts) -> Iterator[Finding]:
    """Compare what the dedicated clusters need with each family's quota and the region's."""
    rows = usages(facts)
    if not rows:
        yield unknown(f"Azure gave no list of the quota of {facts.settings.location}")
        return
    own, families = _own_cores(facts), _by_family(facts)
    for family, plans in families.items():
        row = family_row(rows, family) if family else None
        if row is None:
            sizes = ", ".join(plan.vm_size for plan, _ in plans)
            yield unknown(f"Azure's list of quota has no row for {family or sizes}")
        else:
            yield from _judged(facts, row, plans, own[family])
    if (total := region_row(rows)) is not None:
        everything = [sized for plans in families.values() for sized in plans]
        yield from _short(facts, total, everything, sum(own.values()))


def low_priority(facts: Facts) -> Iterator[Finding]:
    """Compare what the low-priority clusters need with the pool that all sizes share."""
    plans = _sized(facts, "LowPriority")
    if not plans:
        return
    row = low_priority_row(usages(facts))
    if row is None:
        yield unknown(f"Azure's list of quota has no row {LOW_PRIORITY}")
    else:
        yield from _judged(facts, row, plans, sum(_own_cores(facts, "LowPriority").values()))


def _judged(facts: Facts, row: Usage, plans: Sequence[Sized], own: int) -> Iterator[Finding]:
    short = list(_short(facts, row, plans, own))
    yield from short or [ok(_row_without(row, own).told(_all(plans)))]


def _short(facts: Facts, row: Usage, plans: Sequence[Sized], own: int) -> Iterator[Finding]:
    """Find where a row does not do; nodes that the stack has already are not needed twice."""
    if not plans:
        return
    row, needed = _row_without(row, own), _all(plans)
    least = max(_least(facts, plan, vcpus) for plan, vcpus in plans)
    fix = quota_fix(facts, row.name, max(needed, row.limit))
    if row.limit < least:
        yield failed(row.told(needed), fix)
    elif row.limit < needed:
        yield warning(f"{row.told(needed)}; not all nodes start at once", fix)
    elif row.free < needed:
        yield warning(f"{row.told(needed)}; a job waits until others give theirs back", fix)


def _least(facts: Facts, plan: ClusterPlan, vcpus: int) -> int:
    """Give the cores without which no job starts: of one node, or of all that the job asks for."""
    if facts.node:
        return plan.max_nodes * vcpus
    is_main = plan == facts.settings.cluster_plans[0]
    nodes = facts.recipe.training.nodes if facts.recipe and is_main else 1
    return nodes * vcpus


def _all(plans: Sequence[Sized]) -> int:
    return sum(plan.max_nodes * vcpus for plan, vcpus in plans)


def _row_without(row: Usage, own: int) -> Usage:
    return Usage(row.code, row.name, max(0, row.used - own), row.limit)


def _by_family(facts: Facts) -> dict[str, list[Sized]]:
    """Gather the dedicated clusters by family; without a name: sizes that nobody knows."""
    found: dict[str, list[Sized]] = defaultdict(list)
    for plan, vcpus in _sized(facts, "Dedicated"):
        size = cores(plan.vm_size, offers(facts))
        found[size.family if size else ""].append((plan, vcpus))
    return found


def _sized(facts: Facts, priority: str) -> list[Sized]:
    plans = [plan for plan in facts.clusters if plan.priority == priority]
    return [(plan, _vcpus(facts, plan.vm_size)) for plan in plans]


def _vcpus(facts: Facts, name: str) -> int:
    size = cores(name) or cores(name, offers(facts))
    return size.vcpus if size else 0


def _own_cores(facts: Facts, priority: str = "Dedicated") -> dict[str, int]:
    """Count by family the cores of the nodes that the stack's own clusters have now."""
    found: dict[str, int] = defaultdict(int)
    site = site_of(facts)
    for item in facts.get_list(f"{site.workspace_id}/computes", API):
        inner = (item.get("properties") or {}).get("properties") or {}
        size = cores(str(inner.get("vmSize") or ""), ())
        is_ours = (item.get("tags") or {}).get(STACK_TAG) == site.tags[STACK_TAG]
        if size and is_ours and (inner.get("vmPriority") or "Dedicated") == priority:
            found[size.family] += size.vcpus * int(inner.get("currentNodeCount") or 0)
    return found


STOPS = frozenset({"up", "train"})
RULES = (
    Rule("quota.cluster", dedicated, stops=STOPS, of_nodes=True),
    Rule("quota.low-priority", low_priority, stops=STOPS, of_nodes=True),
)
