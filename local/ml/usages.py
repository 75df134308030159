"""Usages, quotas and VM sizes of a region: what is held, what may be, and on what.

`name.value` of a family is its code, the `family` of a VM size, and `name.localizedValue` the
portal's words; `type` tells the rows apart, as in what Azure answers to public scripts that read
it. The published example has the portal's words in both.
"""

from typing import Any

from local import quota
from local.cores import used
from local.ml.workspace import TYPE, region
from local.operations import Call, operation
from local.quota import CLUSTERS, DEDICATED, ENDPOINTS, LOW_PRIORITY, Quota
from local.sizes import FAMILIES, VmSize
from local.state import State

PROVIDER = "Microsoft.MachineLearningServices"
PATH = f"/subscriptions/{{subscription}}/providers/{PROVIDER}/locations/{{location}}"
ROWS = (
    ("totalCores", CLUSTERS),
    ("onlineEndpoints", ENDPOINTS),
    ("dedicatedCores", DEDICATED),
    ("lowPriorityCores", LOW_PRIORITY),
    *(
        ("vmFamily/dedicatedCores", Quota(one.code, one.quota, one.starting_cores))
        for one in FAMILIES
    ),
)
OS_DISK = 1023 << 10
"""Megabytes; of every size."""


@operation(
    "GET",
    f"{PATH}/usages",
    action="Microsoft.MachineLearningServices/locations/usages/read",
    note="clusters, endpoints, vCPUs of the region, of each family and of low priority, counted"
    " from nodes that jobs hold and from deployments with their reserve; enforced;"
    " `tunestack local quota`",
)
def list_usages(call: Call) -> dict[str, Any]:
    """Count what the subscription holds in a region."""
    state, location = call.world.state, _location(call)
    counts = used(state, call.world.processes.clusters, location)
    counts[CLUSTERS.name] = _count(state, "computes", location)
    counts[ENDPOINTS.name] = _count(state, "onlineEndpoints", location)
    rows = [
        {**_row(call, folder, row, "usages"), "currentValue": counts[row.name]}
        for folder, row in ROWS
    ]
    return {"value": rows}


@operation(
    "GET",
    f"{PATH}/quotas",
    action="Microsoft.MachineLearningServices/locations/quotas/read",
    note="the limits of the subscription; workspaces have none of their own",
)
def list_quotas(call: Call) -> dict[str, Any]:
    """List the limits of each VM family in a region."""
    families = [row for folder, row in ROWS if folder.startswith("vmFamily")]
    return {"value": [_row(call, "vmFamily", row, "quotas") for row in families]}


@operation(
    "GET",
    f"{PATH}/vmSizes",
    action="Microsoft.MachineLearningServices/locations/vmSizes/read",
    note="the table of local/sizes.py, less what `tunestack local quota withdraw` takes away;"
    " no prices",
)
def list_sizes(call: Call) -> dict[str, Any]:
    """List the VM sizes that a region offers."""
    return {"value": [_size(size) for size in quota.offered(call.world.state, _location(call))]}


def _location(call: Call) -> str:
    return call.parameters["location"].lower()


def _row(call: Call, folder: str, row: Quota, noun: str) -> dict[str, Any]:
    base = call.path.partition("/providers/")[0]
    return {
        "id": f"{base}/{noun}/{row.words.replace(' ', '_')}",
        "amlWorkspaceLocation": _location(call),
        "type": f"{PROVIDER}/{folder}/{noun}",
        "unit": "Count",
        "limit": quota.limit(call.world.state, row.name, _location(call)),
        "name": {"value": row.name, "localizedValue": row.words},
    }


def _size(size: VmSize) -> dict[str, Any]:
    return {
        "name": size.name,
        "family": size.family.code,
        "vCPUs": size.vcpus,
        "gpus": size.gpus,
        "osVhdSizeMB": OS_DISK,
        "maxResourceVolumeMB": size.disk << 10,
        "memoryGB": size.memory,
        "lowPriorityCapable": True,
        "premiumIO": True,
        "supportedComputeTypes": ["AmlCompute", "ComputeInstance"],
    }


def _count(state: State, noun: str, location: str) -> int:
    regions = {id.lower(): region(document) for id, document in state.find(TYPE)}
    found = [
        id.lower().rpartition(f"/{noun.lower()}/")[0] for id, _ in state.find(f"{TYPE}/{noun}")
    ]
    return sum(regions.get(id) == location for id in found)
