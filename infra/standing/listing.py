"""What Azure shows of a stack: by its tag, by its names, and in its group."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from infra.arm_types import BY_ARM_TYPE, GROUP, RESOURCES_API, TYPES
from infra.engine import Existing
from infra.prices import standing_price
from infra.site import STACK_TAG, Site
from infra.standing.hosted import ACCOUNTS, in_account
from infra.standing.workloads import Workloads, in_workspace

if TYPE_CHECKING:
    from core.arm import Arm

WORKSPACES = "microsoft.machinelearningservices/workspaces"
LOGS = "microsoft.operationalinsights/workspaces"
COMPANIONS = (
    "microsoft.alertsmanagement/smartdetectoralertrules",
    "microsoft.insights/actiongroups",
    "microsoft.eventgrid/systemtopics",
)
"""What Azure itself puts beside Application Insights and a watched storage account; they go with
the group. From memory and threads about other tools, not verified."""

_BY_TITLE = {kind.title: kind for kind in TYPES.values()}


@dataclass(frozen=True)
class Remaining:
    """A resource that is still there, and what it costs."""

    name: str
    title: str
    id: str
    per_hour: float | None
    """USD; 0 for what is billed by use alone, None where the price is not known."""
    is_ours: bool = True
    """False for what the stack did not make, or not surely."""


def tagged(arm: "Arm", site: Site) -> list[dict[str, Any]]:
    """List the resources that carry the stack's tag, as Azure describes them."""
    stack = site.tags[STACK_TAG]
    query = quote(f"tagName eq '{STACK_TAG}' and tagValue eq '{stack}'")
    path = f"/subscriptions/{site.subscription}/resources?$filter={query}"
    # Filtered by a tag, Azure's list leaves the tags out (REST reference, Resources - List).
    found = arm.get_list(path, RESOURCES_API)
    return [item for item in found if (item.get("tags") or {}).get(STACK_TAG, stack) == stack]


def own_ids(arm: "Arm", site: Site, arm_type: str, *named: str) -> list[str]:
    """Find the stack's resources of a type: by their tag, and by name in a group of its own."""
    found = [item["id"] for item in tagged(arm, site) if item["type"].lower() == arm_type]
    kind = BY_ARM_TYPE[arm_type]
    known = {id.lower() for id in found}
    for name in named if not site.settings.adopt_group else ():
        id = f"{site.group_id}/providers/{kind.arm_type}/{name}"
        if id.lower() not in known and arm.get(id, kind.api_version):
            found.append(id)
    return found


def own_workspaces(arm: "Arm", site: Site) -> tuple[str, ...]:
    """Find the stack's Azure ML workspaces in the order of their deletion.

    A hub's project is a workspace like any other, and goes before its hub.
    """
    names = (site.names.hub_project, site.names.workspace, site.names.hub)
    return tuple(sorted(own_ids(arm, site, WORKSPACES, *names), key=lambda id: _rank(arm, id)))


def is_project(arm: "Arm", workspace: str) -> bool:
    """Say whether a workspace is a hub's project, which alone has serverless endpoints."""
    return _rank(arm, workspace) == 0


def own_accounts(arm: "Arm", site: Site) -> tuple[str, ...]:
    """Find the stack's AI account; by its name only where the settings have one."""
    has_one = site.settings.hub or site.settings.foundry
    return tuple(own_ids(arm, site, ACCOUNTS, *([site.names.ai_account] if has_one else [])))


def _rank(arm: "Arm", workspace: str) -> int:
    kind = BY_ARM_TYPE[WORKSPACES]
    found = arm.get(workspace, kind.api_version) or {}
    return {"project": 0, "hub": 2}.get(str(found.get("kind")).lower(), 1)


def adopted_ids(site: Site) -> set[str]:
    """Give what the stack works in and did not make, by lower-case id."""
    adopted = [site.group_id] if site.settings.adopt_group else []
    adopted += [site.workspace_id] if site.settings.adopt_workspace else []
    return {id.lower() for id in adopted}


def foreign(arm: "Arm", site: Site, known: Iterable[Existing]) -> list[dict[str, Any]]:
    """List what is in the stack's own group and would go with it, though `up` did not make it."""
    if site.settings.adopt_group:
        return []
    ours = {item["id"].lower() for item in tagged(arm, site)} | {
        item.id.lower() for item in known if item.title != GROUP.title
    }
    return [
        item
        for item in arm.get_list(f"{site.group_id}/resources", RESOURCES_API)
        if item["type"].lower() not in COMPANIONS and not _is_within(item["id"], ours)
    ]


def remains(arm: "Arm", site: Site, known: Iterable[Existing] = ()) -> tuple[Remaining, ...]:
    """List what is left after a teardown and what it costs: tagged, known, or in the group.

    Azure's lists lag behind by minutes, so that each find is asked for by its id.
    """
    left = {item["id"].lower(): _remaining(item) for item in tagged(arm, site)}
    group = arm.get(site.group_id, RESOURCES_API)
    if group is not None:
        left |= _known(known)
    if group is not None and not site.settings.adopt_group:
        ours = set(left)
        left[site.group_id.lower()] = Remaining(site.names.group, GROUP.title, site.group_id, 0.0)
        for item in arm.get_list(f"{site.group_id}/resources", RESOURCES_API):
            is_ours = _is_within(item["id"], ours)
            left.setdefault(item["id"].lower(), _remaining(item, is_ours=is_ours))
    there = [
        item
        for item in left.values()
        if _is_there(arm, item) and item.id.lower() not in adopted_ids(site)
    ]
    return tuple(there + _inside(arm, site, there))


def running(found: Workloads, *, is_ours: bool = True) -> list[Remaining]:
    """Write what runs in a workspace as things that remain, each with its price."""
    rows = [Remaining(e.name, "endpoint", e.id, e.per_hour, is_ours) for e in found.endpoints]
    rows += [Remaining(h.name, h.kind, h.id, h.per_hour, is_ours) for h in found.hosted]
    rows += [Remaining(job.name, "job", job.id, 0.0, is_ours) for job in found.jobs]
    return rows + [
        Remaining(compute.name, "compute cluster", compute.id, compute.per_hour, is_ours)
        for compute in found.computes
    ]


def _inside(arm: "Arm", site: Site, there: list[Remaining]) -> list[Remaining]:
    """Look into the workspaces that are left, and into an adopted one."""
    listed = {item.id.lower() for item in there}
    looks = {"workspace": _in_workspace, "AI account": _in_account}
    found = [
        row
        for item in there
        if item.title in looks and item.is_ours
        for row in running(looks[item.title](arm, item.id))
    ]
    if site.settings.adopt_workspace:
        shared = in_workspace(arm, site.workspace_id)
        found += running(shared.of(site)) + running(shared.perhaps_of(site), is_ours=False)
    return [row for row in found if row.id.lower() not in listed]


def _in_workspace(arm: "Arm", id: str) -> Workloads:
    return in_workspace(arm, id, is_project=is_project(arm, id))


def _in_account(arm: "Arm", id: str) -> Workloads:
    return Workloads(hosted=in_account(arm, id))


def _remaining(item: dict[str, Any], *, is_ours: bool = True) -> Remaining:
    kind = BY_ARM_TYPE.get(item["type"].lower())
    price = standing_price(item["type"], str((item.get("sku") or {}).get("name") or ""))
    title = kind.title if kind else item["type"]
    return Remaining(item["id"].rsplit("/", 1)[-1], title, item["id"], price, is_ours)


def _known(known: Iterable[Existing]) -> dict[str, Remaining]:
    """Take what the engine's state names; the group itself is asked for apart."""
    rows = [item for item in known if item.title in _BY_TITLE and item.title != GROUP.title]
    return {
        item.id.lower(): Remaining(
            item.name, item.title, item.id, standing_price(_BY_TITLE[item.title].arm_type, "")
        )
        for item in rows
    }


def _is_there(arm: "Arm", item: Remaining) -> bool:
    kind = _BY_TITLE.get(item.title)
    return kind is None or arm.get(item.id, kind.api_version) is not None


def _is_within(id: str, ours: Iterable[str]) -> bool:
    """Say whether a resource is one of ours, or lies below one."""
    own = id.lower()
    return any(own == other or own.startswith(f"{other}/") for other in ours)
