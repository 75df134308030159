"""Where Azure is not as the program wants it. What only Azure adds is no difference."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from infra.engine import Difference

_MISSING = object()


def differences(
    wanted: Mapping[str, Any], actual: Mapping[str, Any], sent: Mapping[str, Any] | None = None
) -> tuple[Difference, ...]:
    """Compare a wanted body with Azure's answer.

    `sent` is the body of the last time: what it had and `wanted` has no more is a difference
    too, as long as Azure still has it.
    """
    return (*_walk("", wanted, actual), *_dropped("", sent or {}, wanted, actual))


def _walk(path: str, wanted: Any, actual: Any) -> Iterator[Difference]:
    if isinstance(wanted, Mapping) and isinstance(actual, Mapping):
        for key, value in wanted.items():
            yield from _walk(_join(path, key), value, _get(actual, key))
    elif _is_list(wanted) and _is_list(actual) and len(wanted) == len(actual):
        for index, (ours, theirs) in enumerate(zip(wanted, actual, strict=True)):
            yield from _walk(f"{path}[{index}]", ours, theirs)
    elif not _is_equal(path, wanted, actual):
        yield Difference(path, None if actual is _MISSING else actual, wanted)


def _dropped(path: str, sent: Any, wanted: Any, actual: Any) -> Iterator[Difference]:
    if not (isinstance(sent, Mapping) and isinstance(actual, Mapping)):
        return
    for key, value in sent.items():
        now, there = _get(wanted, key), _get(actual, key)
        if there is _MISSING:
            continue
        if now is _MISSING:
            yield Difference(_join(path, key), there, None)
        else:
            yield from _dropped(_join(path, key), value, now, there)


def _get(where: Any, key: str) -> Any:
    """Look up as ARM does: ids and property names regardless of case."""
    if not isinstance(where, Mapping):
        return _MISSING
    if key in where:
        return where[key]
    return next((value for name, value in where.items() if name.lower() == key.lower()), _MISSING)


def _is_equal(path: str, wanted: Any, actual: Any) -> bool:
    if isinstance(wanted, str) and isinstance(actual, str):
        if path == "location":
            return _region(wanted) == _region(actual)
        if wanted.startswith("/subscriptions/"):
            return wanted.lower() == actual.lower()
    if wanted is None or wanted == {} or wanted == []:
        return actual is _MISSING or not actual
    return type(wanted) is type(actual) and bool(wanted == actual)


def _region(name: str) -> str:
    return re.sub(r"\s", "", name).lower()


def _is_list(value: Any) -> bool:
    return isinstance(value, list | tuple)


def _join(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key
