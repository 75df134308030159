"""More instances while a deployment is busy, fewer when it is not: Azure Monitor's autoscale.

The sign is how busy the processors are, the GPU's where the size has one. Requests a minute and
latency say little here: an answer of ten tokens and one of a thousand are a request each. Names of
metrics: learn.microsoft.com, supported metrics of
Microsoft.MachineLearningServices/workspaces/onlineEndpoints/deployments; how: the same site,
Autoscale online endpoints. An endpoint never scales to zero: `expiry.py` ends one that is not used.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from core.companions import SCALING, SCALING_API, group_of, is_out_of_sight, scaling_settings
from core.errors import CloudError, SettingsError, UserError
from core.refs import StackOutputs
from deploy.environment import has_gpu
from deploy.upkeep.alerts import Put, endpoint_id

if TYPE_CHECKING:
    from core.arm import Arm

ML_API = "2025-12-01"
IDENTITY_API = "2023-01-31"
CPU, GPU = "CpuUtilizationPercentage", "GpuUtilizationPercentage"
OUT_ABOVE, IN_BELOW = 70, 30
"""Percent. Two instances below 30 are one below 60, so that the next minute brings none back:
Azure does not scale in where it would scale out again (learn.microsoft.com, Autoscale flapping)."""


@dataclass(frozen=True)
class Rule:
    """When one instance is added or taken away."""

    direction: str
    operator: str
    threshold: int
    window: str
    """Over which the metric is averaged (ISO 8601); five minutes are Azure's least."""
    cooldown: str
    """How long nothing more is done after it."""


RULES = (
    # A new instance has up to 8 minutes to get ready (deployment.py): another one before that
    # would answer a load that the first may carry.
    Rule("Increase", "GreaterThan", OUT_ABOVE, "PT5M", "PT10M"),
    Rule("Decrease", "LessThan", IN_BELOW, "PT30M", "PT30M"),
)


@dataclass(frozen=True)
class Scaling:
    """Between how many instances a deployment is kept, and by what."""

    deployment: str
    low: int
    high: int
    metric: str

    def told(self) -> str:
        """Say it in a line."""
        return (
            f"{self.deployment}: {self.low} to {self.high} instances; one more above {OUT_ABOVE} %"
            f" of {self.metric} in 5 minutes, one fewer below {IN_BELOW} % in 30 minutes"
        )


def check_scaling(low: int, high: int | None) -> None:
    """Refuse bounds that make no sense; no upper one is none that is asked for.

    Raises:
        SettingsError: an endpoint of no instance, or a most that is less than the least.
    """
    if low < 1:
        raise SettingsError(
            f"--instances: {low} is less than 1; an endpoint cannot scale to zero.",
            hint="tunestack undeploy ends what it costs; --expires 8h does so by itself.",
        )
    if high is not None and high < low:
        raise SettingsError(
            f"--max-instances: {high} is less than the {low} that it starts with;"
            f" for example {low + 2}"
        )


def set_scaling(
    arm: "Arm",
    outputs: StackOutputs,
    endpoint: str,
    deployment: str,
    low: int,
    high: int,
    progress: Callable[[str], None],
) -> Scaling | None:
    """Keep a deployment between `low` and `high` instances, by how busy it is; None where equal.

    How many there can be is limited by quota as well: Azure then adds none, and says so in its log
    of activities alone.

    Raises:
        SettingsError: the bounds make no sense.
        UserError: there is no such deployment.
        CloudError: Azure refused.
    """
    check_scaling(low, high)
    if low == high:
        clear_scaling(arm, outputs, endpoint, deployment)
        return None
    id = deployment_id(outputs, endpoint, deployment)
    found = arm.get(id, ML_API)
    if found is None:
        raise UserError(f"There is no deployment {deployment} to scale.", hint="tunestack status")
    size = str((found.get("properties") or {}).get("instanceType") or "")
    scaling = Scaling(deployment, low, high, GPU if has_gpu(size) else CPU)
    put = request(outputs, endpoint, scaling, stack_tags(arm, outputs))
    arm.put(put.path, put.api_version, put.body)
    progress(f"{scaling.told()}.")
    return scaling


def settle_scaling(
    arm: "Arm",
    outputs: StackOutputs,
    endpoint: str,
    deployment: str,
    live: str,
    *,
    low: int | None,
    high: int | None,
    progress: Callable[[str], None],
) -> Scaling | None:
    """Scale a deployment as asked; where nothing is asked, as it is or as `live`, which it follows.

    Raises:
        SettingsError: the bounds make no sense.
        CloudError: Azure refused.
    """
    if high is None:
        own = read_scaling(arm, outputs, endpoint, deployment)
        is_new = own is None and live not in ("", deployment)
        before = read_scaling(arm, outputs, endpoint, live) if is_new else own
        if before is None or (own is not None and low in (None, own.low)):
            return own
        low = low or before.low
        high = max(low, before.high)
    return set_scaling(arm, outputs, endpoint, deployment, low or 1, high, progress)


def clear_scaling(
    arm: "Arm", outputs: StackOutputs, endpoint: str, deployment: str = ""
) -> list[str]:
    """Take the setting off a deployment, or off all of an endpoint; give the names of those gone.

    Raises:
        CloudError: Azure refused to delete one.
    """
    gone = _settings(arm, _scope(outputs, endpoint, deployment))
    for id in gone:
        arm.delete(id, SCALING_API)
    return [id.rpartition("/")[2] for id in gone]


def drop_orphans(arm: "Arm", outputs: StackOutputs, endpoint: str) -> list[str]:
    """Delete the settings whose deployment is gone; give their names.

    A setting that stays would scale the next deployment of that name, which is the same model.

    Raises:
        CloudError: Azure refused.
    """
    gone = []
    for id in _settings(arm, endpoint_id(outputs, endpoint)):
        target = (arm.get(id, SCALING_API) or {}).get("properties") or {}
        if target and arm.get(str(target["targetResourceUri"]), ML_API) is None:
            arm.delete(id, SCALING_API)
            gone.append(id.rpartition("/")[2])
    return gone


def read_scaling(
    arm: "Arm", outputs: StackOutputs, endpoint: str, deployment: str
) -> Scaling | None:
    """Read how a deployment is scaled; None where it is not, or where one may not see it."""
    for id in _settings(arm, deployment_id(outputs, endpoint, deployment)):
        properties = (arm.get(id, SCALING_API) or {}).get("properties") or {}
        for profile in properties.get("profiles") or []:
            capacity, rules = profile["capacity"], profile.get("rules") or [{}]
            metric = str((rules[0].get("metricTrigger") or {}).get("metricName") or "")
            return Scaling(deployment, int(capacity["minimum"]), int(capacity["maximum"]), metric)
    return None


def request(outputs: StackOutputs, endpoint: str, scaling: Scaling, tags: dict[str, str]) -> Put:
    """Write the setting of a deployment."""
    target = deployment_id(outputs, endpoint, scaling.deployment)
    name = f"{endpoint}-{scaling.deployment}"
    count = str(scaling.low)
    profile = {
        "name": "by how busy it is",
        "capacity": {"minimum": count, "maximum": str(scaling.high), "default": count},
        "rules": [_rule(rule, scaling.metric, target) for rule in RULES],
    }
    body = {
        "location": outputs.location,
        "tags": tags,
        "properties": {
            "name": name,
            "enabled": True,
            "targetResourceUri": target,
            "profiles": [profile],
        },
    }
    return Put(f"{group_of(target)}/providers/{SCALING}/{name}", SCALING_API, body)


def deployment_id(outputs: StackOutputs, endpoint: str, deployment: str) -> str:
    """Write the ARM id of a deployment."""
    return f"{endpoint_id(outputs, endpoint)}/deployments/{deployment}"


def stack_tags(arm: "Arm", outputs: StackOutputs) -> dict[str, str]:
    """Read the stack's tags from a resource that every stack has, so that it finds its own."""
    identity = arm.get(outputs.endpoint_identity, IDENTITY_API) or {}
    return dict(identity.get("tags") or {})


def _scope(outputs: StackOutputs, endpoint: str, deployment: str) -> str:
    if deployment:
        return deployment_id(outputs, endpoint, deployment)
    return endpoint_id(outputs, endpoint)


def _settings(arm: "Arm", id: str) -> list[str]:
    try:
        return scaling_settings(arm, id)
    except CloudError as error:
        if is_out_of_sight(error):
            return []
        raise


def _rule(rule: Rule, metric: str, target: str) -> dict[str, Any]:
    return {
        "metricTrigger": {
            "metricName": metric,
            "metricResourceUri": target,
            "timeGrain": "PT1M",
            "statistic": "Average",
            "timeWindow": rule.window,
            "timeAggregation": "Average",
            "operator": rule.operator,
            "threshold": rule.threshold,
        },
        "scaleAction": {
            "direction": rule.direction,
            "type": "ChangeCount",
            "value": "1",
            "cooldown": rule.cooldown,
        },
    }
