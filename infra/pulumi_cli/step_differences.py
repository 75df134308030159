"""What a step of Pulumi's engine would change, property by property."""

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from infra.engine import Difference

if TYPE_CHECKING:
    from pulumi.automation.events import StepEventMetadata

REPLACES = " (replaces it)"
LATER = "(known after up)"
UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
"""What Pulumi writes for a value that is not known before the run (its SDKs' rpc.UNKNOWN)."""
_PART = re.compile(r'\[(\d+)\]|\["((?:[^"\\]|\\.)*)"\]|([^.\[\]]+)')


def step_differences(step: "StepEventMetadata") -> tuple[Difference, ...]:
    """Give the provider's own list where it has one, else compare what it names."""
    before, after = _inputs(step.old), _inputs(step.new)
    if step.detailed_diff:
        return tuple(_detailed(step, before, after))
    replacing = set(step.keys or ())
    return tuple(
        Difference(path + (REPLACES if key in replacing else ""), _known(old), _known(new))
        for key in dict.fromkeys((*(step.diffs or ()), *(step.keys or ())))
        for path, old, new in leaves(key, before.get(key), after.get(key))
    )


def leaves(path: str, before: Any, after: Any) -> Iterator[tuple[str, Any, Any]]:
    """Give the innermost properties in which two values differ."""
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for key in {**before, **after}:
            yield from leaves(f"{path}.{key}", before.get(key), after.get(key))
    elif before != after:
        yield path, before, after


def _detailed(
    step: "StepEventMetadata", before: dict[str, Any], after: dict[str, Any]
) -> Iterator[Difference]:
    was = {**((step.old and step.old.outputs) or {}), **before}
    for path, diff in sorted((step.detailed_diff or {}).items()):
        kind = getattr(diff.diff_kind, "value", str(diff.diff_kind))
        label = path + (REPLACES if kind.endswith("replace") else "")
        yield Difference(label, _known(_at(was, path)), _known(_at(after, path)))


def _known(value: Any) -> Any:
    return LATER if value == UNKNOWN else value


def _inputs(state: Any) -> dict[str, Any]:
    return dict((state and state.inputs) or {})


def _at(value: Any, path: str) -> Any:
    """Follow a property path as Pulumi writes it: `a.b[0]["c.d"]`."""
    for index, quoted, name in _PART.findall(path):
        if isinstance(value, list) and index and int(index) < len(value):
            value = value[int(index)]
        elif isinstance(value, Mapping):
            value = value.get(quoted or name or index)
        else:
            return None
    return value
