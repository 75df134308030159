"""What a rule is: one promise about the inputs of one kind of resource."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

Inputs = Mapping[str, Any]
"""A resource's inputs as Pulumi's engine has them: camelCase, numbers as floats."""

NATIVE = "azure-native:"


@dataclass(frozen=True)
class Rule:
    """A promise, why it is made, and how to see that it is broken."""

    name: str
    """As a preview names it: `storage-no-shared-keys`."""
    promise: str
    """What holds, as a sentence."""
    reason: str
    types: tuple[str, ...]
    """Resource types without `azure-native:`; empty for every type of that provider."""
    breach: Callable[[Inputs], str]
    """Says what the inputs have instead; empty where they keep the promise."""
    is_mandatory: bool = True
    """False where a preview only warns."""

    @property
    def description(self) -> str:
        """The promise with its reason."""
        return f"{self.promise} {self.reason}"

    def concerns(self, resource_type: str) -> bool:
        """Say whether the rule speaks of resources of this type (`azure-native:…`)."""
        if not resource_type.startswith(NATIVE):
            return False
        return not self.types or resource_type.removeprefix(NATIVE) in self.types

    def finding(self, resource_type: str, inputs: Inputs) -> str:
        """Tell what is wrong with a resource and why it matters; empty where nothing is."""
        breach = self.breach(inputs) if self.concerns(resource_type) else ""
        return f"{breach}. {self.reason}" if breach else ""


def must_be(wanted: Any, *path: str) -> Callable[[Inputs], str]:
    """Make the breach of "the input at `path` is `wanted`"; Azure's own defaults do not count."""

    def breach(inputs: Inputs) -> str:
        found = value(inputs, *path)
        return "" if found == wanted else f"{'.'.join(path)} is {found!r}, not {wanted!r}"

    return breach


def value(inputs: Inputs, *path: str) -> Any:
    """Read an input that lies below others; None where it is not given."""
    found: Any = inputs
    for name in path:
        if not isinstance(found, Mapping) or name not in found:
            return None
        found = found[name]
    return found
