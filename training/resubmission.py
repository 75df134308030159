"""What follows a job that lost its nodes: on the same cluster, on dedicated nodes, or nothing.

The decision and the order that goes out again; who asks, tells and follows is above.
"""

from dataclasses import dataclass
from pathlib import Path

from core.azure_errors import operation
from core.catalog import vm_size
from core.cloud import Cloud
from core.environments import Device
from core.errors import CloudError, JobFailed, UserError
from core.price_list import LOW_PRIORITY
from core.refs import ClusterRef, JobRef, StackOutputs
from training.clusters import device_of, find_cluster
from training.environment import JOB_FOLDER
from training.jobs import ENDED
from training.kept_orders import KeptOrder, find_order
from training.submission import Order, job_ref, submit


@dataclass(frozen=True)
class Next:
    """Where a run goes on, and why there."""

    cluster: str
    why: str


def next_cluster(kept: KeptOrder, outputs: StackOutputs) -> Next:
    """Choose where a run goes on whose job `kept` has just lost its low-priority nodes.

    Raises:
        JobFailed: nowhere: nobody asked for it, or no dedicated cluster serves; says what to do.
    """
    resume = f"tunestack jobs resume {kept.job}"
    lost = kept.place.losses + 1
    if not kept.place.resubmits or kept.priority != LOW_PRIORITY:
        raise JobFailed(
            f"The job {kept.job} lost its nodes; submitted with --no-follow, it is not submitted"
            " again by itself.",
            hint=f"Go on from its checkpoints: {resume}",
        )
    if lost < kept.place.losses_allowed:
        return Next(kept.cluster, f"loss {lost} of {kept.place.losses_allowed}")
    found = dedicated_cluster(kept, outputs)
    if not found:
        size = kept.vm_size or "SIZE"
        raise JobFailed(
            f"The run {kept.place.run} lost its low-priority nodes {_times(lost)}, and no dedicated"
            f" cluster of the stack serves instead of {size}.",
            hint=f"Make one: tunestack init --set clusters={size}, tunestack up; then"
            f" {resume} --cluster NAME. Or try the same again: {resume}",
        )
    return Next(found, f"dedicated nodes, after low-priority ones were lost {_times(lost)}")


def dedicated_cluster(kept: KeptOrder, outputs: StackOutputs) -> str:
    """Find a dedicated cluster that can do what the lost one did, the main one first; else empty.

    The same kind of node, at least as many of them, each with at least as much memory.
    """
    names = sorted(outputs.clusters, key=lambda name: name != outputs.cluster)
    return next((name for name in names if _serves(outputs.clusters[name], kept)), "")


def last_of_run(cloud: Cloud, outputs: StackOutputs, kept: KeptOrder) -> KeptOrder:
    """Give the order of a run's newest job that exists."""
    while find_next(cloud, outputs, kept) is not None:
        found = find_order(cloud, outputs, next_name(kept))
        if found is None:
            return kept
        kept = found
    return kept


def find_next(cloud: Cloud, outputs: StackOutputs, kept: KeptOrder) -> JobRef | None:
    """Find the job that follows another in its run; None: there is none yet."""
    from azure.core.exceptions import ResourceNotFoundError

    name = next_name(kept)
    with operation(f"read the job {name}"):
        try:
            return job_ref(cloud.workspace(outputs).jobs.get(name))
        except ResourceNotFoundError:
            return None


def next_name(kept: KeptOrder) -> str:
    """Give the name of the job that follows another in its run."""
    return f"{kept.place.run}-{kept.place.number + 1}"


def order_again(
    kept: KeptOrder,
    outputs: StackOutputs,
    cluster: str,
    *,
    losses: int,
    resubmits: bool = True,
    code: Path = JOB_FOLDER,
) -> Order:
    """Make the order of the next job of a run: the same but for its cluster and its number."""
    number = kept.place.number + 1
    change = {"number": number, "losses": losses, "resubmits": resubmits}
    return Order(
        kept.recipe,
        kept.train,
        kept.validation,
        device_for(kept, outputs, cluster),
        kept.timeout_hours,
        code=code,
        estimate=kept.estimate_usd,
        cluster="" if cluster == outputs.cluster else cluster,
        place=kept.place.model_copy(update=change),
    )


def device_for(kept: KeptOrder, outputs: StackOutputs, cluster: str) -> Device:
    """Say what an order trains on, on a cluster of the stack.

    Raises:
        SettingsError: the stack has no such cluster.
    """
    if cluster == outputs.cluster and cluster not in outputs.clusters:
        return kept.device  # an earlier version made the stack
    return device_of(find_cluster(outputs, cluster), kept.device)


def submit_again(cloud: Cloud, outputs: StackOutputs, kept: KeptOrder, order: Order) -> JobRef:
    """Submit the next job of a run, or find it where somebody else was faster."""
    found = find_next(cloud, outputs, kept)
    if found is not None:
        return found
    try:
        return submit(cloud, outputs, order)
    except CloudError:
        found = find_next(cloud, outputs, kept)
        if found is None:
            raise
        return found


def require_resumable(kept: KeptOrder, status: str) -> None:
    """Refuse to go on from a job that still runs, or has nothing left to do.

    Raises:
        UserError: says what to do instead.
    """
    if status == "Completed":
        raise UserError(
            f"The job {kept.job} has completed: there is nothing left to do.",
            hint=f"The same anew: tunestack train --like {kept.job}",
        )
    if status not in ENDED:
        raise UserError(
            f"The job {kept.job} is {status}: it goes on by itself.",
            hint=f"tunestack jobs logs {kept.job} --follow",
        )


def _serves(cluster: ClusterRef, kept: KeptOrder) -> bool:
    if cluster.is_low_priority or cluster.max_nodes < kept.recipe.training.nodes:
        return False
    if cluster.vm_size.lower() == kept.vm_size.lower():
        return True
    ours, lost = vm_size(cluster.vm_size), vm_size(kept.vm_size)
    if ours is None or lost is None or bool(ours.gpus) != bool(lost.gpus):
        return False
    if ours.gpus:
        return ours.gpus >= lost.gpus and ours.gpu_memory_gib >= lost.gpu_memory_gib
    return ours.memory_gib >= lost.memory_gib


def _times(number: int) -> str:
    return "once" if number == 1 else f"{number} times"
