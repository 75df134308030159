"""Azure Monitor's settings: where logs go, who gets mails, which metrics alert.

They are checked and kept. No log is shipped, no metric counted, no alert fires, no mail goes out.
Messages of refusals are not verified, except that of a sink that is used twice
(Azure/bicep-registry-modules#3407).
"""

import re
from typing import Any

from local.arm.checks import part
from local.arm.extensions import document, path_of, register, scope_of
from local.arm.types import ResourceType
from local.operations import Answer, Call, Refusal, operation
from local.state import Document

SETTINGS = "Microsoft.Insights/diagnosticSettings"
GROUPS = "Microsoft.Insights/actionGroups"
ALERTS = "Microsoft.Insights/metricAlerts"
ENDPOINTS = "Microsoft.MachineLearningServices/workspaces/onlineEndpoints"
MOST_SETTINGS = 5
LOG_GROUPS = ("allLogs", "audit")
LOGS = {
    ENDPOINTS.lower(): (
        "AmlOnlineEndpointConsoleLog",
        "AmlOnlineEndpointEventLog",
        "AmlOnlineEndpointTrafficLog",
    )
}
"""The categories of the types whose are checked (learn.microsoft.com, supported logs)."""

METRICS = {
    ENDPOINTS.lower(): {
        "RequestsPerMinute": ("deployment", "statusCode", "statusCodeClass", "modelStatusCode"),
        "RequestLatency": ("deployment",),
        "RequestLatency_P50": ("deployment",),
        "RequestLatency_P90": ("deployment",),
        "RequestLatency_P95": ("deployment",),
        "RequestLatency_P99": ("deployment",),
        "ConnectionsActive": (),
        "NewConnectionsPerSecond": (),
        "NetworkBytes": (),
    }
}
"""Metrics and their dimensions, likewise (supported metrics)."""

EVERY = ("PT1M", "PT5M", "PT15M", "PT30M", "PT1H")
WINDOWS = (*EVERY, "PT6H", "PT12H", "P1D")
SINGLE = "Microsoft.Azure.Monitor.SingleResourceMultipleMetricCriteria"


@operation(
    "PUT",
    path_of(SETTINGS),
    action=f"{SETTINGS}/write",
    note="destination, categories (of online endpoints by name) and sinks used twice are checked;"
    " no log is shipped; goes with its resource, where Azure may keep it for the next",
)
def put_setting(call: Call) -> Answer:
    """Create or change a diagnostic setting."""
    scope = scope_of(call)
    with call.world.state.transaction():
        before = call.world.state.get(call.path)
        properties = call.body.get("properties") or {}
        _check_setting(call, scope, properties)
        setting = document(call, SETTINGS, _whole(properties))
        call.world.state.put(call.path, SETTINGS, setting)
    return Answer(setting, status=200 if before else 201)


def _whole(properties: dict[str, Any]) -> dict[str, Any]:
    """Fill in what Azure answers besides what was sent."""
    logs = [
        {"category": None, "categoryGroup": None, **log} for log in properties.get("logs") or []
    ]
    return {"metrics": [], "storageAccountId": None, **properties, "logs": logs}


def _check_setting(call: Call, scope: str, properties: dict[str, Any]) -> None:
    sink = properties.get("workspaceId")
    if not sink:
        raise _bad("Only Log Analytics is played as a destination: workspaceId is missing.")
    if call.world.state.get(str(sink)) is None:
        raise _bad(f"The destination '{sink}' does not exist.")
    logs = [log for log in properties.get("logs") or [] if log.get("enabled")]
    if not logs and not properties.get("metrics"):
        raise _bad("At least one category of logs or metrics must be enabled.")
    target = call.world.state.get(scope) or {}
    for log in logs:
        _check_category(str(target.get("type", "")), log)
    others = [
        other
        for id, other in call.world.state.find(SETTINGS, below=call.path.rpartition("/")[0])
        if id.lower() != call.path.lower()
    ]
    if len(others) >= MOST_SETTINGS:
        raise _bad(f"The resource has {MOST_SETTINGS} diagnostic settings; it can have no more.")
    for other in others:
        _check_sink(str(sink), logs, other)


def _check_category(type: str, log: dict[str, Any]) -> None:
    category, group = log.get("category"), log.get("categoryGroup")
    if bool(category) == bool(group):
        raise _bad("A log names either a category or a category group.")
    known = LOGS.get(type.lower())
    if (category and known and category not in known) or (group and group not in LOG_GROUPS):
        raise _bad(f"Category '{category or group}' is not supported.")


def _check_sink(sink: str, logs: list[dict[str, Any]], other: Document) -> None:
    """Refuse a category that another setting ships to the same place; a group is one, too."""
    if str(other["properties"]["workspaceId"]).lower() != sink.lower():
        return
    for log in logs:
        named = log.get("category") or log.get("categoryGroup")
        if any(named in (o["category"], o["categoryGroup"]) for o in other["properties"]["logs"]):
            raise Refusal(
                409,
                "Conflict",
                f"Data sink '{sink}' is already used in diagnostic setting '{other['name']}' for"
                f" category '{named}'. Data sinks can't be reused in different settings on the same"
                " category for the same resource.",
            )


def _action_group(call: Call, group: Document, before: Document | None) -> None:
    properties = group["properties"]
    name = str(properties["groupShortName"])
    if len(name) > 12:
        raise _bad(f"The short name '{name}' is longer than 12 characters.")
    receivers = properties.get("emailReceivers") or []
    names = [receiver.get("name") for receiver in receivers]
    if len(set(names)) != len(names) or not all(names):
        raise _bad("Every email receiver needs a name of its own.")
    for receiver in receivers:
        if not re.fullmatch(r"[^@\s]+@[^@\s]+", str(receiver.get("emailAddress"))):
            raise _bad(f"'{receiver.get('emailAddress')}' is no email address.")
        receiver["status"] = "Enabled"


def _alert(call: Call, alert: Document, before: Document | None) -> None:
    properties = alert["properties"]
    if alert["location"] != "global":
        raise _bad(f"The location of a metric alert is global, not {alert['location']}.")
    if properties["severity"] not in range(5):
        raise _bad(f"The severity is {properties['severity']!r}: it must be 0 to 4.")
    every, window = properties["evaluationFrequency"], properties["windowSize"]
    if every not in EVERY or window not in WINDOWS:
        raise _bad(f"A frequency is one of {', '.join(EVERY)}, a window of {', '.join(WINDOWS)}.")
    if WINDOWS.index(window) < WINDOWS.index(every):
        raise _bad(f"The window {window} is shorter than the frequency {every}.")
    for action in properties.get("actions") or []:
        if call.world.state.get(str(action.get("actionGroupId"))) is None:
            raise _bad(f"The action group '{action.get('actionGroupId')}' does not exist.")
    _check_criteria(_target(call, properties), properties["criteria"])


def _target(call: Call, properties: dict[str, Any]) -> Document:
    scopes = properties["scopes"]
    if not isinstance(scopes, list) or len(scopes) != 1:
        raise _bad("Only alerts about one resource are played.")
    target = call.world.state.get(str(scopes[0]))
    if target is None:
        raise Refusal(404, "ResourceNotFound", f"The scope '{scopes[0]}' does not exist.")
    return target


def _check_criteria(target: Document, criteria: dict[str, Any]) -> None:
    if criteria.get("odata.type") != SINGLE or not criteria.get("allOf"):
        raise _bad(f"Only criteria of the type {SINGLE} are played, and they name one at least.")
    known = METRICS.get(str(target["type"]).lower())
    for criterion in criteria["allOf"]:
        lacks = [
            key
            for key in ("name", "metricName", "operator", "threshold", "timeAggregation")
            if part(criterion, key) is None
        ]
        if lacks:
            raise _bad(f"A criterion lacks: {', '.join(lacks)}.")
        metric = criterion["metricName"]
        if known is not None and metric not in known:
            raise _bad(f"Couldn't find a metric named {metric}. Make sure the name is correct.")
        for dimension in criterion.get("dimensions") or []:
            if known is not None and dimension.get("name") not in known[metric]:
                raise _bad(f"The metric {metric} has no dimension {dimension.get('name')!r}.")


def _bad(message: str) -> Refusal:
    return Refusal(400, "BadRequest", message)


ACTION_GROUP = ResourceType(
    f"{GROUPS}/{{name}}",
    r"[^:<>+/&%\\?|#]{1,259}[^:<>+/&%\\?|#. ]",
    required=("location", "properties.groupShortName", "properties.enabled"),
    complete=_action_group,
    note="short name and email receivers checked; nobody gets a mail",
)
METRIC_ALERT = ResourceType(
    f"{ALERTS}/{{name}}",
    r"[^*#&+:<>?@%{}\\/|]{1,259}[^*#&+:<>?@%{}\\/|. ]",
    required=(
        "location",
        "properties.severity",
        "properties.enabled",
        "properties.scopes",
        "properties.evaluationFrequency",
        "properties.windowSize",
        "properties.criteria",
    ),
    complete=_alert,
    note="about one resource; scope, action group, times and (for online endpoints) metric and"
    " dimensions checked; never fires",
)
MONITOR_TYPES = (ACTION_GROUP, METRIC_ALERT)

register(SETTINGS)
