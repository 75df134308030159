"""Reading resource ids: `/subscriptions/S/resourceGroups/G/providers/N/type/name/type/name`."""

import re

GROUP = re.compile(r"(/subscriptions/[^/]+/resourceGroups/[^/]+)(?:/.*)?", re.IGNORECASE)


def group_of(id: str) -> str:
    """Give the id of the resource group that an id lies in, else an empty text."""
    found = GROUP.fullmatch(id)
    return found[1] if found else ""


def top_of(id: str) -> str:
    """Give the id of the top-level resource that an id lies in, else an empty text."""
    rest = id.partition("/providers/")
    if not rest[1]:
        return ""
    return f"{rest[0]}/providers/{'/'.join(rest[2].split('/')[:3])}"


def name_of(id: str) -> str:
    """Give the last segment of an id."""
    return id.rstrip("/").rsplit("/", 1)[-1]


def segment(id: str, type: str) -> str:
    """Give the segment that follows `type` in an id, e.g. the name of the resource group."""
    parts = id.split("/")
    lowered = [part.lower() for part in parts]
    at = lowered.index(type.lower())
    return parts[at + 1]
