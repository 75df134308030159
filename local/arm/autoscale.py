"""Azure Monitor's autoscale settings: checked and kept; nothing is measured, nothing scales.

Rules as published (Microsoft.Insights autoscaleSettings, 2022-10-01); that a target takes one
setting, and the messages, are not verified.
"""

from typing import Any

from local.arm.checks import part
from local.arm.types import ResourceType
from local.operations import Call, Refusal
from local.runner.durations import seconds
from local.state import Document

TYPE = "Microsoft.Insights/autoscalesettings"
DEPLOYMENTS = "Microsoft.MachineLearningServices/workspaces/onlineEndpoints/deployments"
METRICS = {
    DEPLOYMENTS.lower(): (
        "CpuMemoryUtilizationPercentage",
        "CpuUtilizationPercentage",
        "DataCollectionErrorsPerMinute",
        "DataCollectionEventsPerMinute",
        "DeploymentCapacity",
        "DiskUtilization",
        "GpuEnergyJoules",
        "GpuMemoryUtilizationPercentage",
        "GpuUtilizationPercentage",
        "RequestLatency_P50",
        "RequestLatency_P90",
        "RequestLatency_P95",
        "RequestLatency_P99",
        "RequestsPerMinute",
    ),
    "microsoft.machinelearningservices/workspaces/onlineendpoints": (
        "ConnectionsActive",
        "NetworkBytes",
        "NewConnectionsPerSecond",
        "RequestLatency",
        "RequestLatency_P50",
        "RequestLatency_P90",
        "RequestLatency_P95",
        "RequestLatency_P99",
        "RequestsPerMinute",
    ),
}
"""By type of resource (learn.microsoft.com, supported metrics); of others any name is taken."""

TRIGGER = (
    "metricName",
    "metricResourceUri",
    "timeGrain",
    "statistic",
    "timeWindow",
    "timeAggregation",
    "operator",
    "threshold",
)
CHOICES = {
    "statistic": ("Average", "Count", "Max", "Min", "Sum"),
    "timeAggregation": ("Average", "Count", "Last", "Maximum", "Minimum", "Total"),
    "operator": (
        "Equals",
        "GreaterThan",
        "GreaterThanOrEqual",
        "LessThan",
        "LessThanOrEqual",
        "NotEquals",
    ),
}
ACTIONS = ("ChangeCount", "ExactCount", "PercentChangeCount", "ServiceAllowedNextValue")
MINUTE, HOUR, WEEK = 60, 3600, 7 * 86400
MOST_PROFILES, MOST_RULES = 20, 10


def _setting(call: Call, setting: Document, before: Document | None) -> None:
    properties = setting["properties"]
    properties.setdefault("enabled", False)
    properties.setdefault("name", setting["name"])
    target = _there(call, properties["targetResourceUri"], "target")
    _check_single(call, setting)
    profiles = properties["profiles"]
    if not isinstance(profiles, list) or not 1 <= len(profiles) <= MOST_PROFILES:
        raise _bad(f"A setting has 1 to {MOST_PROFILES} profiles.")
    for profile in profiles:
        if profile.get("recurrence") or profile.get("fixedDate"):
            raise _bad("Only profiles that always hold are played, without recurrence and dates.")
        _check_capacity(profile, target)
        rules = profile.get("rules")
        if not isinstance(rules, list) or len(rules) > MOST_RULES:
            raise _bad(f"A profile has a list of at most {MOST_RULES} rules.")
        for rule in rules:
            _check_trigger(call, rule.get("metricTrigger") or {})
            _check_action(rule.get("scaleAction") or {})


def _check_single(call: Call, setting: Document) -> None:
    target = str(setting["properties"]["targetResourceUri"]).lower()
    for id, other in call.world.state.find(TYPE):
        is_same = str(other["properties"]["targetResourceUri"]).lower() == target
        if is_same and id.lower() != setting["id"].lower():
            text = f"The target resource '{target}' has the autoscale setting '{id}' already."
            raise Refusal(409, "Conflict", text)


def _check_capacity(profile: dict[str, Any], target: Document) -> None:
    counts = [part(profile, f"capacity.{key}") for key in ("minimum", "default", "maximum")]
    if not all(isinstance(count, str) and count.isdigit() for count in counts):
        raise _bad("minimum, default and maximum of a capacity are whole numbers, as texts.")
    low, usual, high = map(int, counts)
    if not low <= usual <= high:
        raise _bad(f"The capacity is not minimum {low} <= default {usual} <= maximum {high}.")
    if low < 1 and str(target["type"]).lower() == DEPLOYMENTS.lower():
        raise _bad("An online deployment cannot scale to zero instances.")


def _check_trigger(call: Call, trigger: dict[str, Any]) -> None:
    lacks = [key for key in TRIGGER if trigger.get(key) is None]
    if lacks:
        raise _bad(f"A metricTrigger lacks: {', '.join(lacks)}.")
    for key, known in CHOICES.items():
        if trigger[key] not in known:
            raise _bad(f"{key} is {trigger[key]!r}: one of {', '.join(known)}.")
    _check_span("timeGrain", trigger["timeGrain"], MINUTE, 12 * HOUR)
    _check_span("timeWindow", trigger["timeWindow"], 5 * MINUTE, 12 * HOUR)
    measured = _there(call, trigger["metricResourceUri"], "metric's resource")
    names = METRICS.get(str(measured["type"]).lower())
    if names is not None and trigger["metricName"] not in names:
        raise _bad(f"Couldn't find a metric named {trigger['metricName']}: {', '.join(names)}.")


def _check_action(action: dict[str, Any]) -> None:
    if action.get("direction") not in ("Increase", "Decrease", "None"):
        raise _bad(f"A direction is {action.get('direction')!r}: Increase, Decrease or None.")
    if action.get("type") not in ACTIONS:
        raise _bad(f"A scaleAction's type is {action.get('type')!r}: {', '.join(ACTIONS)}.")
    value = action.get("value", "1")
    if not (isinstance(value, str) and value.isdigit() and int(value) >= 1):
        raise _bad(f"A scaleAction's value is {value!r}: a text of 1 or more.")
    _check_span("cooldown", action.get("cooldown"), MINUTE, WEEK)


def _check_span(name: str, text: Any, least: int, most: int) -> None:
    try:
        is_right = least <= seconds(str(text)) <= most
    except ValueError:
        is_right = False
    if not is_right:
        raise _bad(f"{name} is {text!r}: an ISO 8601 duration of {least} to {most} seconds.")


def _there(call: Call, id: Any, what: str) -> Document:
    found = call.world.state.get(str(id))
    if found is None:
        raise Refusal(404, "ResourceNotFound", f"The {what} '{id}' does not exist.")
    return found


def _bad(message: str) -> Refusal:
    return Refusal(400, "BadRequest", message)


AUTOSCALE = ResourceType(
    f"{TYPE}/{{name}}",
    r"[^<>*%&:\\?+/#]{1,259}[^<>*%&:\\?+/#. ]",
    required=("location", "properties.targetResourceUri", "properties.profiles"),
    complete=_setting,
    note="target, bounds, times and (for online endpoints) metrics checked; measures no load and"
    " never scales",
)
