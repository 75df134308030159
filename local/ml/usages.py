"""Usages and quotas of a region: what clusters and deployments hold, against a made-up limit.

The limits are not enforced yet; quota refusals come with a later issue.
"""

from typing import Any

from local.ml.workspace import TYPE, region
from local.operations import Call, operation
from local.state import State

PATH = (
    "/subscriptions/{subscription}/providers/Microsoft.MachineLearningServices/locations/{location}"
)
CLUSTERS: dict[str, Any] = {
    "name": {"value": "Total Clusters", "localizedValue": "Total Clusters"},
    "limit": 200,
}
ENDPOINTS: dict[str, Any] = {
    "name": {"value": "Online Endpoints", "localizedValue": "Online Endpoints"},
    "limit": 100,
}


@operation(
    "GET",
    f"{PATH}/usages",
    action="Microsoft.MachineLearningServices/locations/usages/read",
    note="clusters and online endpoints are counted; cores per VM family come with quota",
)
def list_usages(call: Call) -> dict[str, Any]:
    """Count what the subscription holds in a region."""
    state, location = call.world.state, call.parameters["location"].lower()
    rows = [
        {**CLUSTERS, "currentValue": _count(state, "computes", location)},
        {**ENDPOINTS, "currentValue": _count(state, "onlineEndpoints", location)},
    ]
    base = {"type": "Microsoft.MachineLearningServices/usages", "unit": "Count"}
    return {
        "value": [
            {"id": f"{call.path}/{row['name']['value'].replace(' ', '')}", **base, **row}
            for row in rows
        ]
    }


def _count(state: State, noun: str, location: str) -> int:
    regions = {id.lower(): region(document) for id, document in state.find(TYPE)}
    found = [
        id.lower().rpartition(f"/{noun.lower()}/")[0] for id, _ in state.find(f"{TYPE}/{noun}")
    ]
    return sum(regions.get(id) == location for id in found)
