"""What a `train` may cost: told, held against `--max-cost`, and noted with the order."""

from dataclasses import replace

from commands import pricing
from commands.output import say
from commands.session import Session
from commands.train.estimate import own_offer
from core.features import ClusterPlan
from core.price_list import DEDICATED, LOW_PRIORITY
from training.clusters import find_cluster
from training.submission import Order


def say_cost(session: Session, order: Order, limit: float | None) -> None:
    """Say what the run costs at most, and refuse what is more than a person allowed."""
    nodes, (size, priority) = order.recipe.training.nodes, node_of(session, order)
    if session.is_rehearsal:
        say("The job runs on this machine and costs nothing.")
        if limit is None:
            return
    quote = pricing.price_list(session, size).vm(size, priority)
    price = quote.per_hour * nodes if quote else None
    each = [f"{nodes} x {pricing.dollars(quote.per_hour if quote else None)} an hour"]
    pricing.check_max_cost(
        limit,
        _most(session, order, price),
        f"{order.timeout_hours:g} h on {nodes} x {size}",
        each + _again(order, priority),
        instead="Give a shorter --timeout, fewer nodes or a smaller vmSize, or allow more.",
    )
    if quote is None or price is None:
        say(f"{nodes} x {size}: the price is not known here; https://prices.azure.com has it.")
    elif not session.is_rehearsal:
        say(
            f"{nodes} x {size}: ${price:.2f} an hour while the job runs, at most"
            f" ${price * order.timeout_hours:.0f} in {order.timeout_hours:g} h ({quote.source})."
        )


def _most(session: Session, order: Order, price: float | None) -> float | None:
    """Give what the run can cost at most, also where it is submitted again after losses."""
    size, priority = node_of(session, order)
    if price is None or not _again(order, priority):
        return None if price is None else price * order.timeout_hours
    dedicated = pricing.price_list(session, size).per_hour(size, DEDICATED)
    if dedicated is None:
        return None
    together = price * order.place.losses_allowed + dedicated * order.recipe.training.nodes
    return together * order.timeout_hours


def _again(order: Order, priority: str) -> list[str]:
    if priority != LOW_PRIORITY or not order.place.resubmits:
        return []
    return [f"up to {order.place.losses_allowed} times, and then once on dedicated nodes"]


def node_of(session: Session, order: Order) -> tuple[str, str]:
    """Give the VM size and the priority of the nodes that the job runs on."""
    if not order.cluster:
        return session.settings.cluster_vm_size, DEDICATED
    cluster = find_cluster(session.outputs, order.cluster)
    return cluster.vm_size, LOW_PRIORITY if cluster.is_low_priority else DEDICATED


def nodes_of(session: Session, order: Order) -> ClusterPlan:
    """Give the nodes that the job needs at once, for the rules about quota."""
    size, priority = node_of(session, order)
    is_low = priority == LOW_PRIORITY
    return ClusterPlan(size, order.recipe.training.nodes, "LowPriority" if is_low else "Dedicated")


def with_estimate(session: Session, order: Order) -> Order:
    """Note what the run is expected to cost on Azure, for `tunestack cost` to compare with."""
    size, priority = node_of(session, order)
    price = pricing.price_list(session, size).per_hour(size, priority)
    if price is None:
        return order
    together = price * order.recipe.training.nodes
    offer = own_offer(session, order, nodes_of(session, order))
    if offer is not None and not order.is_probe:
        hours = (offer.hours.low + offer.hours.high) / 2
    else:
        hours = pricing.expected_run(session).hours
    return replace(order, estimate=together * hours, price_per_hour=together)
