"""`ignore_changes` for the in-process engine: what the program sets once and then leaves alone."""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from pulumi.runtime.mocks import MockMonitor

from infra.arm import Body, Request

Ignored = dict[tuple[str, str], tuple[str, ...]]
"""By a resource's token and name: the inputs, as Pulumi writes them."""


class Monitor(MockMonitor):
    """The SDK's monitor of mocks, which does not tell them of `ignore_changes` by itself."""

    def __init__(self, mocks: Any, ignored: Ignored) -> None:
        super().__init__(mocks)
        self._ignored = ignored

    def RegisterResource(self, request: Any) -> Any:
        """Note what the resource leaves alone, and register it."""
        self._ignored[request.type, request.name] = tuple(request.ignoreChanges)
        return super().RegisterResource(request)  # type: ignore[no-untyped-call]


def as_it_stands(wanted: Request, actual: Body | None, ignored: Sequence[str]) -> Request:
    """Give the request with the inputs named in `ignored` as Azure has them.

    Pulumi's engine takes them from its last state; here Azure itself is the state. What is not
    there yet is made as the program says.
    """
    if actual is None or not ignored:
        return wanted
    body = copy.deepcopy(wanted.body)
    for name in ignored:
        is_top, key = name in wanted.kind.top, wanted.kind.renames.get(name, name)
        ours = body if is_top else body.get("properties") or {}
        theirs = actual if is_top else actual.get("properties") or {}
        if key in ours:
            ours[key] = _taken_over(ours[key], theirs.get(key))
    return replace(wanted, body=body)


def _taken_over(ours: Any, theirs: Any) -> Any:
    """Take Azure's values for what we name, and nothing that it adds."""
    if isinstance(ours, Mapping) and isinstance(theirs, Mapping):
        return {key: _taken_over(value, theirs.get(key)) for key, value in ours.items()}
    return ours if theirs is None else theirs
