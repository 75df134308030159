"""Rules about VM sizes: does the region offer them, and until when does Azure have them."""

from collections.abc import Iterator

from core.capacity import Offer, offers
from core.facts import Facts
from core.lifecycle import Kind, judged
from core.rules import Finding, Rule, failed, ok, unknown
from core.settings import Settings

LIKE = 3
CLUSTER = "AmlCompute"


def wanted_sizes(settings: Settings) -> dict[str, str]:
    """Give the VM sizes that a stack uses, each with the setting that asks for it."""
    found = {settings.deployment_vm_size: "endpointVmSize"}
    found |= {plan.vm_size: "clusters" for plan in settings.cluster_plans}
    return found | {settings.cluster_vm_size: "vmSize"}


def offered(facts: Facts) -> Iterator[Finding]:
    """Say whether the region offers every size, for what the stack does with it."""
    found, place = offers(facts), facts.settings.location
    if not found:
        yield unknown(f"Azure gave no list of the VM sizes of {place}")
        return
    by_name = {offer.name.lower(): offer for offer in found}
    lacking = list(_lacking(facts, by_name))
    yield from lacking
    if not lacking:
        yield ok(f"{place} offers {', '.join(sorted(wanted_sizes(facts.settings)))}")


def _lacking(facts: Facts, by_name: dict[str, Offer]) -> Iterator[Finding]:
    place = facts.settings.location
    for name, key in wanted_sizes(facts.settings).items():
        if name.lower() not in by_name:
            yield failed(f"{place} does not offer {name}", _instead(key, name, by_name))
    for plan in facts.settings.cluster_plans:
        offer = by_name.get(plan.vm_size.lower())
        if offer is None:
            continue
        if offer.compute_types and CLUSTER not in offer.compute_types:
            told = f"{place} offers {plan.vm_size}, but not for clusters"
            yield failed(told, _instead("vmSize", plan.vm_size, by_name))
        elif plan.priority == "LowPriority" and not offer.is_low_priority:
            told = f"{place} offers {plan.vm_size}, but not at low priority"
            yield failed(told, "set lowPriority to false, or take the cluster out of `clusters`")


def _instead(key: str, name: str, by_name: dict[str, Offer]) -> str:
    """Name sizes of the same kind that the region has, and the setting to change."""
    has_gpu = name.lower().startswith("standard_n")
    like = [o.name for o in sorted(by_name.values(), key=_size) if bool(o.gpus) == has_gpu][:LIKE]
    there = f"tunestack:{key}: {' or '.join(like)}" if like else "no size like it there"
    return f"{there}, or another tunestack:location"


def _size(offer: Offer) -> tuple[int, int, str]:
    return (offer.gpus, offer.vcpus, offer.name)


def lasting(facts: Facts) -> Iterator[Finding]:
    """Judge every VM size of the stack by the table of retirements."""
    keys = wanted_sizes(facts.settings)
    for key in dict.fromkeys(keys.values()):
        names = [name for name, asked_by in keys.items() if asked_by == key]
        yield from judged(Kind.VM_SIZE, names, facts.today, f"tunestack:{key}: {{}}")


RULES = (
    Rule("location", offered, stops=frozenset({"up"})),
    Rule(
        "lifecycle.vm-size",
        lasting,
        stops=frozenset({"up", "train"}),
        needs_azure=False,
        of_nodes=True,
    ),
)
