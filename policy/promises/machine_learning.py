"""Promises about workspaces, clusters and AI accounts."""

import re

from .rule import Inputs, Rule, must_be, value

WORKSPACE = ("machinelearningservices:Workspace",)
COMPUTE = ("machinelearningservices:Compute",)
AI_ACCOUNT = ("cognitiveservices:Account",)
MOST_IDLE_SECONDS = 86400
"""A day, as the setting idleSeconds allows at most."""
DURATION = re.compile(r"P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?)?")
UNITS = (86400, 3600, 60, 1)


def seconds(duration: object) -> int | None:
    """Read an ISO 8601 duration of days and less; None where it is none."""
    found = DURATION.fullmatch(duration) if isinstance(duration, str) else None
    if found is None or not any(found.groups()):
        return None
    return sum(int(count or 0) * unit for count, unit in zip(found.groups(), UNITS, strict=True))


def _is_cluster(inputs: Inputs) -> bool:
    return bool(value(inputs, "properties", "computeType") == "AmlCompute")


def _standing_nodes(inputs: Inputs) -> str:
    least = value(inputs, "properties", "properties", "scaleSettings", "minNodeCount")
    is_kept = not _is_cluster(inputs) or least == 0
    return "" if is_kept else f"scaleSettings.minNodeCount is {least!r}, not 0"


def _idle_nodes(inputs: Inputs) -> str:
    path = ("properties", "properties", "scaleSettings", "nodeIdleTimeBeforeScaleDown")
    found = value(inputs, *path)
    idle = seconds(found)
    is_kept = not _is_cluster(inputs) or (idle is not None and idle <= MOST_IDLE_SECONDS)
    return "" if is_kept else f"nodeIdleTimeBeforeScaleDown is {found!r}, not at most a day"


def _login(inputs: Inputs) -> str:
    local_auth = must_be(True, "properties", "disableLocalAuth")(inputs)
    if local_auth or not _is_cluster(inputs):
        return local_auth
    port = ("properties", "properties", "remoteLoginPortPublicAccess")
    return must_be("Disabled", *port)(inputs)


def _identity(inputs: Inputs) -> str:
    kind = value(inputs, "identity", "type")
    return "" if kind == "UserAssigned" else f"identity.type is {kind!r}, not 'UserAssigned'"


def _datastores(inputs: Inputs) -> str:
    # A project's datastores are its hub's account, and take the hub's way.
    if str(value(inputs, "kind") or "").lower() == "project":
        return ""
    found = value(inputs, "systemDatastoresAuthMode")
    is_kept = str(found or "").lower() == "identity"
    return "" if is_kept else f"systemDatastoresAuthMode is {found!r}, not 'identity'"


RULES = (
    Rule(
        "cluster-no-standing-nodes",
        "A cluster has no node while no job runs.",
        "A GPU node that stands idle costs as much as one that trains.",
        COMPUTE,
        _standing_nodes,
    ),
    Rule(
        "cluster-idle-time-bounded",
        "An idle node is given back within a day.",
        "It costs until then.",
        COMPUTE,
        _idle_nodes,
    ),
    Rule(
        "compute-no-login",
        "Nobody logs in to a node.",
        "A shell on a node acts as the jobs' identity.",
        COMPUTE,
        _login,
    ),
    Rule(
        "compute-user-assigned-identity",
        "Jobs act as a user-assigned identity.",
        "A system-assigned one goes with the cluster, and its grants with it.",
        COMPUTE,
        _identity,
    ),
    Rule(
        "workspace-datastores-by-identity",
        "A workspace reaches its datastores by identity.",
        "With keys, whoever may read the workspace's datastores reads all data.",
        WORKSPACE,
        _datastores,
    ),
    Rule(
        "ai-account-no-keys",
        "An AI account takes no keys.",
        "A key opens everything, names nobody and does not end.",
        AI_ACCOUNT,
        must_be(True, "properties", "disableLocalAuth"),
    ),
)
