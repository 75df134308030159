"""Deletes what carries the stack's tag and is in no state: a run was killed, a state was lost."""

from typing import TYPE_CHECKING

from infra.arm_types import BY_ARM_TYPE, GROUP, RESOURCES_API, TYPES
from infra.deletion import delete
from infra.engine import Existing, Report
from infra.site import STACK_TAG, Site
from infra.standing.listing import adopted_ids, tagged

if TYPE_CHECKING:
    from core.arm import Arm


_BY_TITLE = {kind.title: kind for kind in TYPES.values()}


def delete_strays(
    arm: "Arm", site: Site, report: Report, *, keep_group: bool = False
) -> tuple[Existing, ...]:
    """Delete in the opposite order of making, the stack's own group last."""
    found = _strays(arm, site)
    if not keep_group and not site.settings.adopt_group and _has_own_group(arm, site):
        found.append(Existing(site.names.group, GROUP.title, site.group_id))
    return tuple(item for item in found if delete(arm, item, _BY_TITLE[item.title], report))


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
