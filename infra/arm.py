"""From a Pulumi resource of ours to its ARM request and back.

Pulumi flattens most of ARM's `properties` into direct inputs and renames some; `arm_types` says
where each one goes. The in-process engine and the engine tests' provider both read it here.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from infra.arm_types import TYPES, ArmType

Body = dict[str, Any]

NESTED = {"iPAddressOrRange": "value"}
"""SDK name → ARM name of what stands further inside a body."""


@dataclass(frozen=True)
class Request:
    """A resource as ARM is asked for it."""

    kind: ArmType
    path: str
    body: Body

    @property
    def name(self) -> str:
        """The names along the id, as ARM templates write them: `account/default/container`."""
        rest = self.path.rsplit("/providers/", 1)[-1] if "/providers/" in self.path else self.path
        parts = rest.strip("/").split("/")
        return "/".join(parts[2::2]) if "/providers/" in self.path else parts[-1]


def request(token: str, inputs: Mapping[str, Any], subscription: str) -> Request:
    """Write a Pulumi resource's inputs as the ARM request that makes it so."""
    kind = TYPES[token]
    path = kind.path.format_map({**inputs, "subscriptionId": subscription})
    body: Body = {}
    for name, value in inputs.items():
        if name in kind.path_inputs or value is None:
            continue
        if name in kind.top:
            body[name] = _to_wire(name, value)
        else:
            properties = body.setdefault("properties", {})
            properties[kind.renames.get(name, name)] = _to_wire(name, value)
    return Request(kind, path, body)


def outputs(token: str, answer: Mapping[str, Any]) -> dict[str, Any]:
    """Write ARM's answer as the outputs that Pulumi's classes read."""
    kind = TYPES[token]
    flat = {name: value for name, value in answer.items() if name != "properties"}
    properties = answer.get("properties") or {}
    if "properties" in kind.top:
        return {**flat, "properties": properties}
    back = {theirs: ours for ours, theirs in kind.renames.items()}
    return {**flat, **{back.get(name, name): value for name, value in properties.items()}}


def _to_wire(name: str, value: Any) -> Any:
    """Turn whole floats into integers and the list of identities into ARM's map."""
    if name == "userAssignedIdentities" and isinstance(value, list):
        return {identity: {} for identity in value}
    if isinstance(value, Mapping):
        return {
            NESTED.get(key, key): _to_wire(key, inner)
            for key, inner in value.items()
            if inner is not None
        }
    if isinstance(value, list):
        return [_to_wire("", inner) for inner in value]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value
