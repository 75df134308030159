"""What watches the endpoint of a stack with monitoring: its logs, and mails on errors and latency.

It is put here and not by the program, because the endpoint is made here (ADR 11). Names of
metrics and logs: learn.microsoft.com, supported metrics and logs of
Microsoft.MachineLearningServices/workspaces/onlineEndpoints.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from core.errors import CloudError
from core.refs import StackOutputs
from core.watching import (
    ALERTS_API,
    DIAGNOSTICS,
    SETTINGS_API,
    diagnostic_settings,
    metric_alerts,
)
from deploy.releasing.deployment import REQUEST_SECONDS

if TYPE_CHECKING:
    from core.arm import Arm

LOGS_API = "2023-09-01"
ENDPOINTS = "Microsoft.MachineLearningServices/workspaces/onlineEndpoints"
LOGS = ("AmlOnlineEndpointConsoleLog", "AmlOnlineEndpointTrafficLog", "AmlOnlineEndpointEventLog")
ERRORS_A_MINUTE = 0
"""More than this is told: on an endpoint of a few requests, one answer that failed matters."""

LATENCY_MS = REQUEST_SECONDS * 1000 // 3
"""More than this is told: most answers are cut off by the limit of a request before long."""


@dataclass(frozen=True)
class Threshold:
    """A metric of the endpoint that goes above a value, averaged over `window`."""

    name: str
    metric: str
    above: int
    severity: int
    """Azure's: 1 is an error, 2 a warning."""
    every: str
    window: str
    """Both as ISO 8601 durations, of those that Azure takes."""
    says: str
    dimensions: tuple[tuple[str, str], ...] = ()


THRESHOLDS = (
    Threshold(
        "errors",
        "RequestsPerMinute",
        ERRORS_A_MINUTE,
        1,
        "PT1M",
        "PT5M",
        "The endpoint answered with a server error (5xx) in the last five minutes.",
        (("statusCodeClass", "5xx"),),
    ),
    Threshold(
        "latency",
        "RequestLatency_P95",
        LATENCY_MS,
        2,
        "PT5M",
        "PT15M",
        f"One answer in twenty took more than {LATENCY_MS // 1000} s in the last 15 minutes.",
    ),
)


@dataclass(frozen=True)
class Put:
    """One resource as ARM is asked for it."""

    path: str
    api_version: str
    body: dict[str, Any]


def watch(
    arm: "Arm", outputs: StackOutputs, endpoint: str, progress: Callable[[str], None]
) -> None:
    """Keep the endpoint's logs and alert on it; where the stack has no monitoring, no longer.

    The alerts carry the tags of the stack's logs, so that the stack finds them again.

    Raises:
        CloudError: Azure refused.
    """
    if not outputs.endpoint_logs:
        unwatch(arm, outputs, endpoint)
        return
    progress("Its logs are kept, and errors and latency alert.")
    logs = arm.get(outputs.endpoint_logs, LOGS_API) or {}
    for one in requests(outputs, endpoint, logs.get("tags") or {}):
        arm.put(one.path, one.api_version, one.body)


def unwatch(arm: "Arm", outputs: StackOutputs, endpoint: str) -> None:
    """Take off what watches the endpoint; of nothing is fine.

    Raises:
        CloudError: Azure refused.
    """
    id = endpoint_id(outputs, endpoint)
    try:
        settings, alerts = diagnostic_settings(arm, id), metric_alerts(arm, id)
    except CloudError as error:
        # A stack without monitoring does not need the right to read what watches it.
        if error.status == 403 and not outputs.endpoint_logs:
            return
        raise
    for setting in settings:
        arm.delete(setting, SETTINGS_API)
    for alert in alerts:
        arm.delete(alert, ALERTS_API)


def requests(outputs: StackOutputs, endpoint: str, tags: dict[str, str]) -> list[Put]:
    """Write what watches an endpoint: a diagnostic setting, and an alert for each threshold."""
    id, group = endpoint_id(outputs, endpoint), _group_id(outputs)
    setting = Put(
        f"{id}/providers/Microsoft.Insights/diagnosticSettings/{DIAGNOSTICS}",
        SETTINGS_API,
        {
            "properties": {
                "workspaceId": outputs.endpoint_logs,
                "logs": [{"category": name, "enabled": True} for name in LOGS],
            }
        },
    )
    alerts = [
        Put(
            f"{group}/providers/Microsoft.Insights/metricAlerts/{endpoint}-{threshold.name}",
            ALERTS_API,
            _alert(threshold, id, outputs.alert_group, tags),
        )
        for threshold in THRESHOLDS
    ]
    return [setting, *alerts]


def endpoint_id(outputs: StackOutputs, endpoint: str) -> str:
    """Write the ARM id of an endpoint of the stack's workspace."""
    workspace = f"Microsoft.MachineLearningServices/workspaces/{outputs.workspace}"
    return f"{_group_id(outputs)}/providers/{workspace}/onlineEndpoints/{endpoint}"


def _group_id(outputs: StackOutputs) -> str:
    return f"/subscriptions/{outputs.subscription_id}/resourceGroups/{outputs.resource_group}"


def _alert(
    threshold: Threshold, endpoint: str, alert_group: str, tags: dict[str, str]
) -> dict[str, Any]:
    return {
        "location": "global",
        "tags": tags,
        "properties": {
            "description": threshold.says,
            "severity": threshold.severity,
            "enabled": True,
            "scopes": [endpoint],
            "evaluationFrequency": threshold.every,
            "windowSize": threshold.window,
            "autoMitigate": True,
            "criteria": {
                "odata.type": "Microsoft.Azure.Monitor.SingleResourceMultipleMetricCriteria",
                "allOf": [_criterion(threshold)],
            },
            "actions": [{"actionGroupId": alert_group}] if alert_group else [],
        },
    }


def _criterion(threshold: Threshold) -> dict[str, Any]:
    return {
        "criterionType": "StaticThresholdCriterion",
        "name": threshold.name,
        "metricNamespace": ENDPOINTS,
        "metricName": threshold.metric,
        "operator": "GreaterThan",
        "threshold": threshold.above,
        "timeAggregation": "Average",
        "dimensions": [
            {"name": name, "operator": "Include", "values": [value]}
            for name, value in threshold.dimensions
        ],
    }
