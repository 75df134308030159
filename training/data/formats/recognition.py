"""Which form a record has, told by its keys; and what to try where it has none."""

import difflib
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial

from core.errors import SettingsError
from training.data.formats.conversations import SHAREGPT_KEYS, chat, sharegpt
from training.data.formats.form import FORMATS, Row
from training.data.formats.instructions import (
    COLUMN_ROLES,
    alpaca,
    from_columns,
    prompt_completion,
)
from training.data.formats.preferences import azure_preference, from_answer_columns, preference
from training.data.formats.turns import Record

Make = Callable[[Record], Record]
"""Gives a record the canonical form, or raises BadRecord."""

Columns = Mapping[str, str]
"""Which column holds which role: `{"user": "question", "assistant": "answer"}`."""

OWN_COLUMNS = {"user": "user", "assistant": "assistant", "system": "system"}

_MAKERS: dict[str, Make] = {
    "chat": chat,
    "prompt-completion": prompt_completion,
    "alpaca": alpaca,
    "sharegpt": sharegpt,
    "preference": preference,
    "azure-preference": azure_preference,
}
_KEYS: dict[str, tuple[str, ...]] = {
    "chat": ("messages",),
    "prompt-completion": ("prompt", "completion"),
    "alpaca": ("instruction", "output"),
    "columns": ("user", "assistant"),
    "preference": ("chosen", "rejected"),
    "azure-preference": ("preferred_output", "non_preferred_output"),
}
_LIKELY = {
    "user": ("user", "prompt", "question", "query", "instruction", "input", "human", "request"),
    "assistant": ("assistant", "completion", "answer", "response", "output", "reply", "target"),
    "system": ("system", "system_prompt", "system_message"),
}
"""What people call the columns; used for a suggestion, never to guess."""


def maker(name: str, columns: Columns) -> Make:
    """Give the function that makes canonical records of the form `name`.

    Raises:
        SettingsError: there is no such form, or the columns do not make one.
    """
    if name != "columns":
        if name not in _MAKERS:
            known = ", ".join(("auto", *FORMATS))
            raise SettingsError(f"There is no format {name!r}; known: {known}.")
        return _MAKERS[name]
    chosen = columns or OWN_COLUMNS
    check_columns(chosen)
    make = from_answer_columns if "chosen" in chosen else from_columns
    return partial(make, columns=chosen)


def check_columns(columns: Columns) -> None:
    """Refuse a choice of columns that makes neither a chat nor a preference.

    Raises:
        SettingsError: an unknown role, or one that is missing.
    """
    unknown = [role for role in columns if role not in COLUMN_ROLES]
    if unknown:
        raise SettingsError(
            f"columns: {', '.join(unknown)} is not one of {', '.join(COLUMN_ROLES)}."
        )
    is_chat = {"user", "assistant"} <= columns.keys() and not {"chosen", "rejected"} & set(columns)
    is_choice = {"user", "chosen", "rejected"} <= columns.keys() and "assistant" not in columns
    if not is_chat and not is_choice:
        raise SettingsError(
            "columns: a chat needs user and assistant, a preference user, chosen and rejected.",
            hint="--columns user=question,assistant=answer",
        )


def recognise(source: str, sample: Sequence[Row], what: str) -> tuple[str, str]:
    """Tell the form of the sample's records, and why.

    Raises:
        SettingsError: they have none, several, or not all the same; names `--format`.
    """
    readable = [row for row in sample if not row.fault]
    found = {name: row.number for row in reversed(readable) for name in _forms(row.record)}
    if len(found) == 1:
        (name,) = found
        return name, f"its records have {_named(_keys(name, readable))}"
    if found:
        first = " and ".join(f"{name} ({what} {found[name]})" for name in FORMATS if name in found)
        raise SettingsError(
            f"{source}: the first records may be {first}.",
            hint=f"Say which: --format {' or --format '.join(n for n in FORMATS if n in found)}",
        )
    if not readable:
        faults = [f"{source}: {what} {row.number}: {row.fault}" for row in sample[:3]]
        raise SettingsError("\n".join(faults) or f"{source}: it holds no record.")
    raise _unknown(source, list(dict.fromkeys(key for row in readable for key in row.record)))


def _forms(record: Record) -> Iterable[str]:
    for name, keys in _KEYS.items():
        if all(key in record for key in keys):
            yield name
    if any(isinstance(record.get(key), list) for key in SHAREGPT_KEYS):
        yield "sharegpt"


def _keys(name: str, rows: Sequence[Row]) -> Sequence[str]:
    if name in _KEYS:
        return _KEYS[name]
    return [next(key for key in SHAREGPT_KEYS if any(key in row.record for row in rows))]


def _named(keys: Iterable[str]) -> str:
    return " and ".join(f"`{key}`" for key in keys)


def _unknown(source: str, keys: list[str]) -> SettingsError:
    return SettingsError(
        f"{source}: its records have the keys {', '.join(keys)}; no known form has these.",
        hint=f"Say which is which: --columns {suggestion(keys)}\n"
        "In a CSV file the first line must name the columns.",
    )


def suggestion(keys: Sequence[str]) -> str:
    """Propose a choice of columns, with capitals where nothing seems to fit."""
    chosen: dict[str, str] = {}
    for role, names in _LIKELY.items():
        free = {key.lower(): key for key in keys if key not in chosen.values()}
        close = [hit for name in names for hit in difflib.get_close_matches(name, free, 1, 0.8)]
        if close:
            chosen[role] = free[close[0]]
        elif role != "system":
            chosen[role] = "COLUMN"
    return ",".join(f"{role}={name}" for role, name in chosen.items())


def require_columns(source: str, columns: Columns, sample: Sequence[Row]) -> None:
    """Refuse columns that none of the first records has.

    Raises:
        SettingsError: names them, the columns that there are, and the nearest.
    """
    there = list(dict.fromkeys(key for row in sample if not row.fault for key in row.record))
    missing = [name for name in columns.values() if name not in there]
    if not there or not missing:
        return
    near = [hit for name in missing for hit in difflib.get_close_matches(name, there, 1)]
    raise SettingsError(
        f"{source}: there is no column {', '.join(map(repr, missing))}; there are: "
        f"{', '.join(there)}.",
        hint=f"Did you mean {' and '.join(near)}?" if near else "",
    )
