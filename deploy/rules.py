"""What a deployment takes: quota with Azure's reserve, memory, time, an image, packages."""

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
from core.catalog import VmSize, vm_size
from core.environments import Device
from core.facts import Facts, Serving
from core.images import Pinned
from core.lifecycle import Kind, verdict
from core.rules import Finding, Rule, failed, ok, unknown, warning
from deploy.endpoint import endpoint_name_in
from deploy.environment import SERVING, has_gpu
from deploy.memory import (
    ANSWER_TOKENS,
    EACH_TOKENS,
    PARAMETERS,
    REQUEST_SECONDS,
    SLOW_SECONDS,
    Need,
    answer_seconds,
    billions,
    need,
    number,
    room,
    written_per_second,
)
from deploy.sizing import quota_instances

ONE = (1,)
"""What `deploy` asks for where nobody has said how many."""


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
    needed = sum(quota_instances(size, count) for count in _counts(facts)) * known.vcpus
    own = _own_cores(facts, known.family)
    for part in filter(None, (row, region_row(rows))):
        if found := _short(facts, part, needed, own):
            yield found
            return
    yield ok(f"{row.told(needed)}{_why(facts)}")


def _short(facts: Facts, row: Usage, needed: int, own: int) -> Finding | None:
    fix, why = quota_fix(facts, row.name, row.used + needed), _why(facts)
    if row.free >= needed:
        return None
    if row.limit >= needed and row.free + own >= needed:
        told = f"{row.told(needed)}{why}; the endpoint itself has {own} of them now"
        return warning(told, f"tunestack undeploy --stack {facts.stack} first; or {fix}")
    return failed(f"{row.told(needed)}{why}", fix)


def _counts(facts: Facts) -> tuple[int, ...]:
    return facts.serving.instances if facts.serving else ONE


def _why(facts: Facts) -> str:
    count = sum(_counts(facts))
    if quota_instances(facts.serving_size, count) == count:
        return ""
    plural = "s" * (count != 1)
    return f" ({count} instance{plural}, and 20 % more that Azure keeps for upgrades, rounded up)"


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


def memory(facts: Facts) -> Iterator[Finding]:
    """Hold a model's memory against its size's: alone with one conversation, and with many."""
    asked, name = facts.serving, facts.serving_size
    if asked is None:
        return
    size = vm_size(name)
    if size is None:
        yield warning(f"{name} is not in this program's catalog: whether {asked.model} fits into"
                      " its memory, and how fast it answers, is not known here")  # fmt: skip
        return
    parameters = asked.parameters or PARAMETERS
    needed, has = need(parameters, asked.runtime, name), room(size)
    if needed.alone > has:
        told = f"{asked.model} does not fit into {name}: {_parts(asked, name, needed)}"
        told += f" make {needed.alone:.1f} GB, and {has:.1f} GB of {_memory(size)} can be used"
        # A refusal needs to be certain: an assumed size is only worth a word.
        yield failed(told, _smaller(asked)) if asked.parameters else warning(told, _smaller(asked))
    elif needed.together(asked.concurrency) > has:
        yield warning(
            f"{asked.model} on {name}: {_parts(asked, name, needed)} leave room in {has:.1f} GB for"
            f" {needed.fitting(has)} conversations of {EACH_TOKENS:,} tokens at once;"
            f" {asked.concurrency}, as many as an instance takes in, need"
            f" {needed.together(asked.concurrency):.1f} GB",
            "Others wait, or are told to come back. " + _smaller(asked),
        )
    else:
        yield ok(f"{asked.model} fits into {name}: {_parts(asked, name, needed)}")


def speed(facts: Facts) -> Iterator[Finding]:
    """Say how long an answer takes without a GPU, where that is long."""
    asked, name = facts.serving, facts.serving_size
    size = vm_size(name)
    if asked is None or size is None or size.gpus:
        return
    parameters, kind = asked.parameters or PARAMETERS, number(asked.runtime, name)
    seconds = answer_seconds(parameters, kind)
    if seconds <= SLOW_SECONDS:
        yield ok(f"{asked.model} answers on {name} in about {seconds:.0f} s")
        return
    four = answer_seconds(parameters, "int4")
    yield warning(
        f"{asked.model} on {name}, without a GPU: two cores write"
        f" {written_per_second(parameters, kind):.2g} tokens a second of"
        f" {_how_large(asked)} in {kind} (this size has {size.vcpus} virtual cores):"
        f" {ANSWER_TOKENS} tokens take {seconds:.0f} s of the {REQUEST_SECONDS} s that Azure"
        " allows a request",
        f"In four bits, where a processor has AVX-512: {written_per_second(parameters, 'int4'):.2g}"
        f" a second, {four:.0f} s, and {need(parameters, 'openvino', name).weights:.1f} GB of"
        f" weights: tunestack models export {asked.model} --to int4. Or a --vm-size with a GPU.",
    )


def _parts(asked: Serving, name: str, needed: Need) -> str:
    return (
        f"{needed.weights:.1f} GB of weights ({_how_large(asked)} in {number(asked.runtime, name)})"
        f", {needed.overhead:.1f} GB for the program and {needed.token * 1e3:.2f} MB for each token"
        " of a conversation"
    )


def _how_large(asked: Serving) -> str:
    if asked.parameters:
        return f"{billions(asked.parameters)} parameters"
    return f"{billions(PARAMETERS)} parameters, assumed as its tags do not tell,"


def _memory(size: VmSize) -> str:
    if size.gpus:
        return f"the {size.gpu_memory_gib} GiB of its {size.gpu}"
    return f"its {size.memory_gib} GiB"


def _smaller(asked: Serving) -> str:
    larger = "A --vm-size with more memory"
    if asked.runtime == "openvino":
        return f"{larger}."
    return f"{larger}, or four bits on processors: tunestack models export {asked.model} --to int4"


def size_lasts(facts: Facts) -> Iterator[Finding]:
    """Judge the size that a deployment runs on."""
    yield verdict(Kind.VM_SIZE, facts.serving_size, facts.today, "--vm-size {}")


def _device(facts: Facts) -> Device:
    return "gpu" if has_gpu(facts.serving_size) else "cpu"


DEPLOY = frozenset({"deploy"})
CONTAINER = Pinned(SERVING, _device, "deploy/serving")
RULES = (
    Rule("quota.endpoint", quota, stops=DEPLOY, warns=frozenset({"up"})),
    Rule("memory.endpoint", memory, stops=DEPLOY, needs_azure=False),
    Rule("speed.endpoint", speed, stops=DEPLOY, needs_azure=False),
    Rule("lifecycle.endpoint-size", size_lasts, stops=DEPLOY, needs_azure=False),
    Rule("lifecycle.serving-image", CONTAINER.image_lasts, stops=DEPLOY, needs_azure=False),
    Rule("image.serving-tag", CONTAINER.image_is_there, stops=DEPLOY, needs_azure=False),
    Rule("lifecycle.serving-packages", CONTAINER.packages_last, stops=DEPLOY, needs_azure=False),
)
