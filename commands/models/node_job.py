"""A job that makes a model without training: its node, its price, and following it to its end."""

from collections.abc import Callable
from functools import partial

from commands import pricing
from commands.jobs.cost import job_cost
from commands.jobs.view import naming_stack, watch
from commands.output import say
from commands.session import Session
from core.errors import JobFailed
from core.price_list import DEDICATED, LOW_PRIORITY, Quote
from core.refs import ClusterRef, JobRef, ModelRef
from training.clusters import find_cluster
from training.follow import JobLost, follow

MINUTES_BEFORE = 15
"""Until a node has started and, the first time, its image is built: as others tell of Azure."""


def cluster_of(session: Session, cluster: str) -> ClusterRef:
    """Give the cluster by its name; an earlier version's main one is known by its setting alone."""
    name = cluster or session.outputs.cluster
    if name == session.outputs.cluster and name not in session.outputs.clusters:
        return ClusterRef(vm_size=session.settings.cluster_vm_size, max_nodes=1)
    return find_cluster(session.outputs, name)


def hourly(session: Session, cluster: str) -> tuple[str, Quote | None]:
    """Give a cluster's size and what one node of it costs an hour; None where nobody knows."""
    node = cluster_of(session, cluster)
    priority = LOW_PRIORITY if node.is_low_priority else DEDICATED
    return node.vm_size, pricing.price_list(session, node.vm_size).vm(node.vm_size, priority)


def say_price(
    session: Session, cluster: str, hours: float, minutes: float, limit: float | None
) -> float | None:
    """Say what the job costs and how long it takes; give the USD that it is expected to cost.

    `hours` is the most that it runs. None where the price is not known.

    Raises:
        SettingsError: it is more than a person allowed.
    """
    size, quote = hourly(session, cluster)
    each = quote.per_hour if quote else None
    most = None if each is None else each * hours
    pricing.check_max_cost(
        limit,
        most,
        f"{hours:g} h on one {size}",
        [f"{pricing.dollars(each)} an hour"],
        instead="Take a cluster of a smaller size, or allow more.",
    )
    free = "It runs on this machine and costs nothing; on Azure: " * session.is_rehearsal
    say(
        f"{free}one {size}, {pricing.dollars(each)} an hour, at most {pricing.dollars(most)} in"
        f" {hours:g} h{f' ({quote.source})' if quote else ''}. About {max(1.0, minutes):.0f} min"
        f" on two cores, after up to {MINUTES_BEFORE} min until node and image are there; neither"
        " was timed on Azure."
    )
    return None if each is None else each * (minutes + MINUTES_BEFORE) / 60


def followed(
    session: Session, job: JobRef, again: str, register: Callable[[str], ModelRef]
) -> ModelRef:
    """Follow the job to its end and register what it made; `again` is the command that does so.

    Raises:
        JobFailed: it did not complete; nothing is registered.
    """
    say(f"The job [bold]{job.name}[/bold]" + (f"\n{job.studio_url}" if job.studio_url else ""))
    try:
        events = follow(session.cloud, session.outputs, job.name)
        watch(events, job.name, session.stack, partial(job_cost, session, job.name))
    except JobLost as lost:
        raise JobFailed(str(lost), hint=f"Nothing was registered. Again: {again}") from lost
    except JobFailed as error:
        # It has no checkpoints to go on from, and nothing to be set smaller.
        hint = "\n".join(line for line in error.hint.splitlines() if "jobs resume" not in line)
        more = f"Again, on larger nodes where it was memory: {again} --cluster …"
        error.hint = f"Nothing was registered.\n{hint}\n{more}"
        raise
    except KeyboardInterrupt:
        say(f"Once it has completed, this registers it: {again}")
        raise
    with naming_stack(session.stack):
        return register(job.name)
