"""What Azure is doing with a resource at this moment, in its own word, for a person who waits."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from infra.arm_types import BY_ARM_TYPE

if TYPE_CHECKING:
    from core.arm import Arm

ML_API = "2025-12-01"
ML = "microsoft.machinelearningservices/"


def azure_now(arm: "Arm") -> Callable[[str], str]:
    """Give a function that asks Azure about an ARM id; it answers an empty text rather than fail.

    Besides the state of the resource itself, a cluster tells what its nodes do.
    """

    def ask(id: str) -> str:
        version = api_version(id)
        if not version:
            return ""
        try:
            answer = arm.get(id, version)
        except Exception:  # noqa: BLE001 - a person's view must not end the run that it shows
            return ""
        return "not there" if answer is None else state(answer)

    return ask


def api_version(id: str) -> str:
    """Give the version to ask a resource with; empty for a type that is not known."""
    scope, _, rest = id.rpartition("/providers/")
    if not scope:
        return BY_ARM_TYPE["microsoft.resources/resourcegroups"].api_version
    parts = rest.lower().split("/")
    arm_type = "/".join([parts[0], *parts[1::2]])
    kind = BY_ARM_TYPE.get(arm_type)
    return kind.api_version if kind else ML_API if arm_type.startswith(ML) else ""


def state(answer: dict[str, Any]) -> str:
    """Write a resource's states, the outer one first: `Creating`, `Succeeded, Resizing`."""
    properties = answer.get("properties") or {}
    inner = properties.get("properties") or {}
    found = [properties.get("provisioningState"), properties.get("status")]
    if isinstance(inner, dict):
        found.append(inner.get("allocationState"))
    return ", ".join(dict.fromkeys(str(one) for one in found if one))
