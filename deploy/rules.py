"""Rules about what a deployment takes: quota with Azure's reserve, a size, an image, packages."""

from collections.abc import Iterator

from core.capacity import (
    API,
    Usage,
    cores,
    family_row,
    offers,
    quota_fix,
    region_row,
    usages,
)
from core.environments import Device
from core.facts import Facts
from core.images import Pinned
from core.lifecycle import Kind, verdict
from core.rules import Finding, Rule, failed, ok, unknown, warning
from deploy.endpoint import endpoint_name_in
from deploy.environment import SERVING, has_gpu
from deploy.sizing import quota_instances

INSTANCES = 1
"""How many `deploy` asks for."""


def quota(facts: Facts) -> Iterator[Finding]:
    """Compare what a deployment takes, the reserve for upgrades included, with what is free.

    A new deployment starts beside the one that answers, so that what the endpoint has already is
    no help until it is gone; but the very same deployment again takes nothing.
    """
    rows = usages(facts)
    if not rows:
        yield unknown(f"Azure gave no list of the quota of {facts.settings.location}")
        return
    size = facts.serving_size
    known = cores(size) or cores(size, offers(facts))
    row = family_row(rows, known.family) if known else None
    if known is None or row is None:
        yield unknown(f"Azure's list of quota has no row for {known.family if known else size}")
        return
    needed = quota_instances(size, INSTANCES) * known.vcpus
    own = _own_cores(facts, known.family)
    for part in filter(None, (row, region_row(rows))):
        if found := _short(facts, part, needed, own):
            yield found
            return
    yield ok(f"{row.told(needed)}{_why(size)}")


def _short(facts: Facts, row: Usage, needed: int, own: int) -> Finding | None:
    fix, why = quota_fix(facts, row.name, row.used + needed), _why(facts.serving_size)
    if row.free >= needed:
        return None
    if row.limit >= needed and row.free + own >= needed:
        told = f"{row.told(needed)}{why}; the endpoint itself has {own} of them now"
        return warning(told, f"tunestack undeploy --stack {facts.stack} first; or {fix}")
    return failed(f"{row.told(needed)}{why}", fix)


def _why(size: str) -> str:
    if quota_instances(size, INSTANCES) == INSTANCES:
        return ""
    return f" ({INSTANCES} instance, and 20 % more that Azure keeps for upgrades, rounded up)"


def _own_cores(facts: Facts, family: str) -> int:
    """Count the cores of a family that deployments of the stack's endpoint have now."""
    parts = facts.workspace_id.split("/")
    name = endpoint_name_in(parts[2], parts[4], parts[-1])
    path = f"{facts.workspace_id}/onlineEndpoints/{name}/deployments"
    return sum(_cores_of(item, family) for item in facts.get_list(path, API))


def _cores_of(item: dict[str, object], family: str) -> int:
    properties, sku = item.get("properties"), item.get("sku")
    assert isinstance(properties, dict)
    size = str(properties.get("instanceType") or "")
    count = int(sku.get("capacity") or 1) if isinstance(sku, dict) else 1
    known = cores(size)
    return quota_instances(size, count) * known.vcpus if known and known.family == family else 0


def size_lasts(facts: Facts) -> Iterator[Finding]:
    """Judge the size that a deployment runs on."""
    yield verdict(Kind.VM_SIZE, facts.serving_size, facts.today, "--vm-size {}")


def _device(facts: Facts) -> Device:
    return "gpu" if has_gpu(facts.serving_size) else "cpu"


DEPLOY = frozenset({"deploy"})
CONTAINER = Pinned(SERVING, _device, "deploy/serving")
RULES = (
    Rule("quota.endpoint", quota, stops=DEPLOY, warns=frozenset({"up"})),
    Rule("lifecycle.endpoint-size", size_lasts, stops=DEPLOY, needs_azure=False),
    Rule("lifecycle.serving-image", CONTAINER.image_lasts, stops=DEPLOY, needs_azure=False),
    Rule("image.serving-tag", CONTAINER.image_is_there, stops=DEPLOY, needs_azure=False),
    Rule("lifecycle.serving-packages", CONTAINER.packages_last, stops=DEPLOY, needs_azure=False),
)
