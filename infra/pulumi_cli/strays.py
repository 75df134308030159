"""Deletes what carries the stack's tag and is in no state: a run was killed, a state was lost."""

import time
from typing import TYPE_CHECKING

from infra.arm import BY_ARM_TYPE, RESOURCES_API, TYPES
from infra.engine import Change, Event, Existing, Report
from infra.site import STACK_TAG, Site
from infra.standing.listing import adopted_ids, tagged

if TYPE_CHECKING:
    from core.arm import Arm

GROUP = TYPES["azure-native:resources:ResourceGroup"]


def delete_strays(
    arm: "Arm", site: Site, report: Report, *, keep_group: bool = False
) -> tuple[Existing, ...]:
    """Delete in the opposite order of making, the stack's own group last."""
    found = _strays(arm, site)
    if not keep_group and not site.settings.adopt_group and _has_own_group(arm, site):
        found.append(Existing(site.names.group, GROUP.title, site.group_id))
    return tuple(item for item in found if _delete(arm, item, report))


def _strays(arm: "Arm", site: Site) -> list[Existing]:
    order, adopted = list(BY_ARM_TYPE), adopted_ids(site)
    rows = [row for row in tagged(arm, site) if row["type"].lower() in BY_ARM_TYPE]
    rows = [row for row in rows if row["id"].lower() not in adopted]
    rows.sort(key=lambda row: order.index(row["type"].lower()), reverse=True)
    return [
        Existing(row["name"], BY_ARM_TYPE[row["type"].lower()].title, row["id"]) for row in rows
    ]


def _has_own_group(arm: "Arm", site: Site) -> bool:
    group = arm.get(site.group_id, RESOURCES_API) or {}
    return bool((group.get("tags") or {}).get(STACK_TAG) == site.tags[STACK_TAG])


def _delete(arm: "Arm", item: Existing, report: Report) -> bool:
    kind = next(kind for kind in TYPES.values() if kind.title == item.title)
    began = time.monotonic()
    report(Event(item.name, item.title, Change.GONE, is_done=False, id=item.id))
    there = arm.delete(item.id + kind.delete_query, kind.api_version)
    change, seconds = Change.GONE if there else Change.SAME, time.monotonic() - began
    report(Event(item.name, item.title, change, True, seconds, id=item.id))
    return there
