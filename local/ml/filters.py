"""Filters of MLflow's searches, as far as they are played: comparisons joined by AND."""

import re
from typing import Any

CLAUSE = re.compile(
    r"\s*(?:(?P<kind>attributes?|tags?|params?|metrics?)\.)?(?P<quote>[`\"]?)(?P<key>[\w. /-]+?)"
    r"(?P=quote)\s*(?P<sign>!=|>=|<=|=|<|>)\s*(?P<value>'[^']*'|\"[^\"]*\"|[\d.eE+-]+)\s*"
)


def parse_filter(text: str) -> list[dict[str, str]]:
    """Read comparisons joined by AND.

    Raises:
        ValueError: it is anything else.
    """
    clauses = []
    for part in re.split(r"\s+and\s+", text.strip(), flags=re.IGNORECASE) if text.strip() else []:
        found = CLAUSE.fullmatch(part)
        if found is None:
            raise ValueError(f"The filter {part!r} is not understood here.")
        clauses.append(found.groupdict())
    return clauses


def fits(values: dict[str, Any], clause: dict[str, str]) -> bool:
    """Say whether values such as `metric.loss` or `attribute.status` pass a comparison."""
    kind = (clause["kind"] or "attribute").rstrip("s")
    have = values.get(f"{kind}.{clause['key']}")
    raw = clause["value"]
    want: Any = raw[1:-1] if raw[0] in "'\"" else float(raw)
    if have is None:
        return False
    if isinstance(want, float):
        have = float(have)
    signs: dict[str, bool] = {"=": have == want, "!=": have != want}
    if clause["sign"] in signs:
        return signs[clause["sign"]]
    signs |= {">": have > want, "<": have < want, ">=": have >= want, "<=": have <= want}
    return signs[clause["sign"]]
