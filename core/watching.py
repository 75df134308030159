"""What watches a resource: diagnostic settings on it, and metric alerts about it.

`deploy` puts them on an endpoint, `undeploy` and `destroy` take them off, and the stack's program
puts a setting on its workspace. A diagnostic setting must go before its resource: Azure may give
it to the next resource of that name (learn.microsoft.com, Diagnostic settings in Azure Monitor).
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from core.arm import Arm

DIAGNOSTICS = "tunestack"
"""The name of the one diagnostic setting that we put on a resource."""

SETTINGS_API = "2021-05-01-preview"
ALERTS_API = "2018-03-01"


def diagnostic_settings(arm: "Arm", id: str) -> list[str]:
    """List the ids of a resource's diagnostic settings, a person's own among them."""
    path = f"{id}/providers/Microsoft.Insights/diagnosticSettings"
    return [str(item["id"]) for item in arm.get_list(path, SETTINGS_API)]


def metric_alerts(arm: "Arm", id: str) -> list[str]:
    """List the ids of the metric alerts of a resource's group that are about it and no other."""
    path = f"{id.partition('/providers/')[0]}/providers/Microsoft.Insights/metricAlerts"
    found = arm.get_list(path, ALERTS_API)
    return [str(item["id"]) for item in found if _scopes(item) == [id.lower()]]


def _scopes(alert: dict[str, object]) -> list[str]:
    properties = alert.get("properties")
    scopes = properties.get("scopes") if isinstance(properties, dict) else None
    return [str(scope).lower() for scope in scopes or []]
