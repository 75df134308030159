"""Subscriptions, resource groups, and lists of resources across types."""

import re
from typing import Any

from local.access import ASSIGNMENTS, is_allowed
from local.ai.records import forget_account
from local.arm.checks import GROUPS
from local.arm.holds import keep_deleted
from local.arm.ids import group_of, name_of
from local.arm.polling import DELETING, REMOVALS, advance, begin_removal
from local.arm.resources import TYPES
from local.operations import SIGNED_IN, Answer, Call, Refusal, operation
from local.state import Document
from local.storage.containers import ACCOUNTS, delete_account_data
from local.tenant import tenant
from local.tokens import ACCOUNTS as AI_ACCOUNTS
from local.world import World

SUBSCRIPTION = "/subscriptions/{subscription}"
GROUP = f"{SUBSCRIPTION}/resourceGroups/{{group}}"
DEPLOYMENTS = "Microsoft.MachineLearningServices/workspaces/onlineEndpoints/deployments"
READ = "Microsoft.Resources/subscriptions/resourceGroups/read"
WRITE = "Microsoft.Resources/subscriptions/resourceGroups/write"
DELETE = "Microsoft.Resources/subscriptions/resourceGroups/delete"
UNLISTED = ("Microsoft.MachineLearningServices/workspaces/computes",)
"""Located types that Azure's list of resources does not show."""

_TERM = re.compile(r"(tagName|tagValue|resourceType)\s+eq\s+'((?:[^']|'')*)'")


@operation("GET", "/subscriptions", action=SIGNED_IN, note="the one subscription")
def list_subscriptions(call: Call) -> dict[str, Any]:
    """List the subscription, for who may read it."""
    home = tenant(call.world.folder)
    action = "Microsoft.Resources/subscriptions/read"
    visible = is_allowed(call.world.state, call.principal, action, home.subscription)
    return {"value": [_subscription(call)] if visible else []}


@operation("GET", SUBSCRIPTION, action="Microsoft.Resources/subscriptions/read")
def get_subscription(call: Call) -> dict[str, Any]:
    """Read the subscription."""
    return _subscription(call)


@operation("GET", "/tenants", action=SIGNED_IN, note="the one tenant")
def list_tenants(call: Call) -> dict[str, Any]:
    """List the tenant."""
    id = tenant(call.world.folder).tenant_id
    return {"value": [{"id": f"/tenants/{id}", "tenantId": id, "tenantCategory": "Home"}]}


@operation("PUT", GROUP, action=WRITE)
def put_group(call: Call) -> Answer:
    """Create or update a resource group."""
    with call.world.state.transaction():
        before = call.world.state.get(call.path)
        location = _checked_location(call, before)
        id = str(before["id"]) if before else call.path
        document = {
            "id": id,
            "name": name_of(id),
            "type": GROUPS,
            "location": location,
            "tags": call.body.get("tags") or {},
            "properties": {"provisioningState": "Succeeded"},
        }
        call.world.state.put(id, GROUPS, document)
    return Answer(document, status=200 if before else 201)


@operation("GET", GROUP, action=READ)
def get_group(call: Call) -> Document:
    """Read a resource group; one that is being deleted comes a step further."""
    advance(call.world, call.path)
    return _group(call)


@operation("HEAD", GROUP, action=READ)
def has_group(call: Call) -> Answer:
    """Say whether a resource group is there."""
    advance(call.world, call.path)
    return Answer(status=204 if call.world.state.get(call.path) else 404)


@operation("GET", f"{SUBSCRIPTION}/resourceGroups", action=READ)
def list_groups(call: Call) -> dict[str, Any]:
    """List the resource groups."""
    return {"value": _filtered(call, [d for _, d in call.world.state.find(GROUPS)])}


@operation(
    "DELETE",
    GROUP,
    action=DELETE,
    note="processes end at once, everything else at the second poll; soft-deleted like one by one",
)
def delete_group(call: Call) -> Answer:
    """Delete a resource group with everything in it."""
    group = _group(call)
    headers = begin_removal(call, group, "Microsoft.Resources", 2)
    _stop_everything(call.world, group["id"])
    return Answer(status=202, headers=headers)


@operation(
    "GET",
    f"{GROUP}/resources",
    action="Microsoft.Resources/subscriptions/resourceGroups/resources/read",
    note="tracked resources; $filter by tag and type",
)
def list_group_resources(call: Call) -> dict[str, Any]:
    """List what is in a resource group."""
    group = call.path.removesuffix("/resources")
    if call.world.state.get(group) is None:
        raise _no_group(call)
    return {"value": _filtered(call, _tracked(call, group))}


@operation(
    "GET",
    f"{SUBSCRIPTION}/resources",
    action="Microsoft.Resources/subscriptions/resources/read",
    note="tracked resources; $filter by tag and type",
)
def list_resources(call: Call) -> dict[str, Any]:
    """List what is in the subscription."""
    return {"value": _filtered(call, _tracked(call, call.path.removesuffix("/resources")))}


def _subscription(call: Call) -> dict[str, Any]:
    home = tenant(call.world.folder)
    return {
        "id": home.subscription,
        "subscriptionId": home.subscription_id,
        "tenantId": home.tenant_id,
        "displayName": "Rehearsal on this machine",
        "state": "Enabled",
        "authorizationSource": "RoleBased",
        "subscriptionPolicies": {"spendingLimit": "Off"},
    }


def _checked_location(call: Call, before: Document | None) -> str:
    name, location = call.parameters["group"], call.body.get("location")
    if not re.fullmatch(r"[-\w._()]{1,89}[-\w_()]|[-\w_()]", name):
        raise Refusal(400, "InvalidResourceGroup", f"'{name}' is not a name for a resource group.")
    if not isinstance(location, str) or not location:
        raise Refusal(
            400, "LocationRequired", "The location property is required for this definition."
        )
    location = location.replace(" ", "").lower()
    if before is not None and before["location"] != location:
        raise Refusal(
            409,
            "InvalidResourceGroupLocation",
            f"Invalid resource group location '{location}'. The Resource group already exists in"
            f" location '{before['location']}'.",
        )
    return location


def _group(call: Call) -> Document:
    group = call.world.state.get(call.path)
    if group is None:
        raise _no_group(call)
    return group


def _no_group(call: Call) -> Refusal:
    name = call.parameters["group"]
    return Refusal(404, "ResourceGroupNotFound", f"Resource group '{name}' could not be found.")


def _stop_everything(world: World, group: str) -> None:
    """End what runs in a group that goes; marked, so that no later start takes it up again."""
    world.processes.end_below(group)
    with world.state.transaction():
        for id, deployment in world.state.find(DEPLOYMENTS, below=group):
            deployment["properties"]["provisioningState"] = DELETING
            world.state.put(id, DEPLOYMENTS, deployment)


def _empty_group(world: World, group: Document, final: bool) -> None:
    """Delete what is in a group; each type is held as it would be by a DELETE of its own."""
    state, id = world.state, group["id"]
    world.processes.end_below(id)
    with state.transaction():
        accounts = [account["name"] for _, account in state.find(ACCOUNTS, below=id)]
        ai_accounts = [account for account, _ in state.find(AI_ACCOUNTS, below=id)]
        for type in TYPES:
            if type.hold is not None:
                for _, document in state.find(type.type, below=id):
                    keep_deleted(state, type.hold, document)
        state.delete(id)
    # A job that was submitted while the first ones ended has nowhere left to report to.
    world.processes.end_below(id)
    for account in accounts:
        delete_account_data(world, account)
    for account in ai_accounts:
        forget_account(world, account)


REMOVALS[GROUPS.lower()] = _empty_group


def _tracked(call: Call, below: str) -> list[Document]:
    return [
        {key: document[key] for key in SUMMARY if key in document}
        for _, document in call.world.state.find(below=below)
        if "location" in document
        and "/providers/" in document.get("id", "")
        and document["type"] not in (*UNLISTED, ASSIGNMENTS)
        and group_of(document["id"])
    ]


SUMMARY = ("id", "name", "type", "location", "kind", "sku", "identity", "tags")


def _filtered(call: Call, documents: list[Document]) -> list[Document]:
    text = call.query.get("$filter", "")
    terms = {key: value.replace("''", "'") for key, value in _TERM.findall(text)}
    if text and not terms:
        raise Refusal(400, "InvalidFilterInQueryString", f"The filter '{text}' is not played here.")
    return [document for document in documents if _fits(document, terms)]


def _fits(document: Document, terms: dict[str, str]) -> bool:
    tags = {key.lower(): value for key, value in document.get("tags", {}).items()}
    name = terms.get("tagName", "").lower()
    if name and name not in tags:
        return False
    values = [tags[name]] if name else list(tags.values())
    if "tagValue" in terms and terms["tagValue"] not in values:
        return False
    own = str(document["type"]).lower()
    return terms.get("resourceType", own).lower() == own
