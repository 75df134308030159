"""What Azure shows of a stack: everything that carries its tag."""

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from infra.arm import RESOURCES_API
from infra.engine import Existing
from infra.site import STACK_TAG, Site

if TYPE_CHECKING:
    from core.cloud import Arm


def tagged(arm: "Arm", site: Site) -> list[dict[str, Any]]:
    """List the resources that carry the stack's tag, as Azure describes them."""
    stack = site.tags[STACK_TAG]
    query = quote(f"tagName eq '{STACK_TAG}' and tagValue eq '{stack}'")
    path = f"/subscriptions/{site.subscription}/resources?$filter={query}"
    found = arm.get_list(path, RESOURCES_API)
    return [item for item in found if (item.get("tags") or {}).get(STACK_TAG) == stack]


def remains(arm: "Arm", site: Site) -> tuple[Existing, ...]:
    """List what is left after a teardown: by tag, and the group with whatever is in it."""
    left = {item["id"].lower(): item for item in tagged(arm, site)}
    if arm.get(site.group_id, RESOURCES_API) is not None:
        left[site.group_id.lower()] = {"id": site.group_id, "type": "resource group"}
        for item in arm.get_list(f"{site.group_id}/resources", RESOURCES_API):
            left[item["id"].lower()] = item
    return tuple(
        Existing(item["id"].rsplit("/", 1)[-1], item["type"], item["id"]) for item in left.values()
    )
