"""What Azure ML checks of a new cluster's VM size: that there is such a size, and quota for a node.

Codes and words as several public logs of 2026 have them: a dedicated cluster is refused where the
family's limit has no room for one node, with `minNodeCount` 0, too; of low priority the pool's
limit counts (one log says that it does not). What is in use does not matter here. In some of the
logs the refused cluster stayed behind as Failed; here nothing does.
"""

from local import cores, quota
from local.operations import Call, Refusal
from local.quota import DEDICATED, LOW_PRIORITY
from local.sizes import VmSize
from local.state import Document

HELP = "https://docs.microsoft.com/azure/machine-learning/how-to-manage-quotas"


def check_size(call: Call, compute: Document, before: Document | None) -> None:
    """Refuse a cluster of a size that its location lacks, or that the quota has no node of."""
    if before is not None:
        return
    location = compute["location"]
    size, offered = cores.compute_size(compute), quota.offered(call.world.state, location)
    if size not in offered:
        raise _unsupported(compute["properties"]["properties"]["vmSize"], offered)
    nodes = max(1, int(compute["properties"]["properties"]["scaleSettings"]["minNodeCount"]))
    wanted = nodes * size.vcpus
    for name, words in _limits(size, is_low=cores.is_low_priority(compute)):
        limit = quota.limit(call.world.state, name, location)
        if wanted > limit:
            raise Refusal(
                400,
                "ClusterMinNodesExceedCoreQuota",
                f"The specified subscription has a {words} vCPU quota of {limit} and cannot"
                f" accomodate for at least {nodes} requested managed compute nodes which maps to"
                f" {wanted} vCPUs. Talk to your Subscription Admin or refer to {HELP} to increase"
                f" the {words} quota",
            )


def _limits(size: VmSize, *, is_low: bool) -> tuple[tuple[str, str], ...]:
    """Give the quotas that count, with what the refusal calls them."""
    if is_low:
        return ((LOW_PRIORITY.name, "total"),)
    return ((size.family.code, f"Standard {size.family.words} family"), (DEDICATED.name, "total"))


def _unsupported(name: str, offered: list[VmSize]) -> Refusal:
    refusal = Refusal(
        400,
        "InvalidPropertyValue",
        f"The specified value {name} for property Cluster.Properties.VMSize is not a supported VM"
        " size. See additional details for supported VM sizes.",
    )
    names = ",".join(size.name.upper() for size in offered)
    refusal.details = ({"code": "SupportedVMSizes", "message": names},)
    return refusal
