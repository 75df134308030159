"""What stands in the stack's group for one endpoint alone, made by commands and not by the program.

A setting that scales a deployment, and a workflow that deletes the endpoint when its time is over.
Neither goes with what it is about: Azure keeps an autoscale setting whose target is gone, and a
workflow would delete the next endpoint of that name. So `undeploy` and `destroy` look for them.
"""

from typing import TYPE_CHECKING

from core.errors import CloudError

if TYPE_CHECKING:
    from core.arm import Arm

SCALING = "Microsoft.Insights/autoscalesettings"
SCALING_API = "2022-10-01"
WORKFLOWS = "Microsoft.Logic/workflows"
WORKFLOWS_API = "2019-05-01"


def scaling_settings(arm: "Arm", id: str) -> list[str]:
    """List the ids of the autoscale settings of a resource and of what lies below it.

    Raises:
        CloudError: Azure refused to list them.
    """
    found = arm.get_list(f"{group_of(id)}/providers/{SCALING}", SCALING_API)
    return [str(item["id"]) for item in found if f"{_target(item)}/".startswith(f"{id.lower()}/")]


def expiries(arm: "Arm", id: str) -> list[str]:
    """Give the id of the workflow that ends an endpoint, where there is one.

    Raises:
        CloudError: Azure refused to list them.
    """
    found = arm.get_list(f"{group_of(id)}/providers/{WORKFLOWS}", WORKFLOWS_API)
    return [str(item["id"]) for item in found if item["id"].lower() == expiry_id(id).lower()]


def expiry_id(endpoint: str) -> str:
    """Write the id of the workflow that ends an endpoint, whether it is there or not."""
    name = endpoint.rpartition("/")[2]
    return f"{group_of(endpoint)}/providers/{WORKFLOWS}/{name}-expiry"


def group_of(id: str) -> str:
    """Give the id of the resource group that a resource is in."""
    return id.partition("/providers/")[0]


def is_out_of_sight(error: CloudError) -> bool:
    """Say whether Azure refused because there can be none of what was asked for.

    Who may not even read it has made none; in a namespace that nobody has registered is nothing.
    """
    return error.status == 403 or error.code == "MissingSubscriptionRegistration"


def _target(setting: dict[str, object]) -> str:
    properties = setting.get("properties")
    target = properties.get("targetResourceUri") if isinstance(properties, dict) else None
    return str(target or "").lower()
