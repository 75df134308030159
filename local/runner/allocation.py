"""Nodes for a job: as many as its cluster may have, as far as the quota reaches.

A job for which the quota has no room waits in its queue, and the cluster says why in its `errors`;
it goes on when quota is raised or freed. That Azure waits so was seen in public logs (a job stuck
at ClusterCoreQuotaReached); the error's words are not Azure's.
"""

from typing import Any

from local import cores
from local.cores import Shortage
from local.ml.workspace import document_at, region
from local.state import Document
from local.world import World

CODE = "ClusterCoreQuotaReached"


def nodes_allowed(world: World, compute: Document, wanted: int) -> int:
    """Say how many nodes a cluster may have in all, were `wanted` more to be allocated."""
    most = nodes_of(compute)
    clusters, size = world.processes.clusters, cores.compute_size(compute)
    if size is None or clusters.in_use(compute["id"]) + wanted > most:
        return most
    place = region(document_at(world.state, compute["id"].rpartition("/computes/")[0]))
    is_low = cores.is_low_priority(compute)
    short = cores.shortage(world.state, clusters, place, size, wanted, is_low=is_low)
    note_shortage(world, compute["id"], short)
    return most if short is None else 0


def note_shortage(world: World, compute_id: str, short: Shortage | None) -> None:
    """Let a cluster say why it has no nodes, or no longer say so."""
    errors = [{"error": _error(short)}] if short else None
    with world.state.transaction():
        compute = world.state.get(compute_id)
        if compute is None or compute["properties"]["properties"].get("errors") == errors:
            return
        compute["properties"]["properties"]["errors"] = errors
        world.state.put(compute_id, compute["type"], compute)


def note_nodes(world: World, compute_id: str) -> None:
    """Let a cluster say how many nodes jobs hold; an idle one goes at once here."""
    # The nodes are locked first: who waits for some asks the state while it holds that lock.
    with world.processes.clusters.unchanged(), world.state.transaction():
        compute = world.state.get(compute_id)
        held = world.processes.clusters.in_use(compute_id)
        inner = (compute or {}).get("properties", {}).get("properties") or {}
        if compute is None or inner.get("currentNodeCount") == held:
            return
        states = {**(inner.get("nodeStateCounts") or {}), "runningNodeCount": held}
        inner.update(currentNodeCount=held, targetNodeCount=held, nodeStateCounts=states)
        world.state.put(compute_id, compute["type"], compute)


def nodes_of(compute: Document) -> int:
    """Count the nodes that a cluster may have."""
    scale = (compute["properties"].get("properties") or {}).get("scaleSettings") or {}
    return int(scale.get("maxNodeCount") or 1)


def _error(short: Shortage) -> dict[str, Any]:
    return {
        "code": CODE,
        "message": f"The cluster cannot get its nodes: {short.words}: {short.needed} more vCPUs are"
        f" needed, {short.used} of {short.limit} are in use.",
    }
