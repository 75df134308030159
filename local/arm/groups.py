"""Subscriptions, resource groups, providers, and lists of resources across types."""

import re
from typing import Any

from local.access import ASSIGNMENTS, is_allowed
from local.arm.checks import GROUPS
from local.arm.ids import group_of, name_of
from local.arm.polling import begin
from local.arm.resources import TYPES
from local.operations import SIGNED_IN, Answer, Call, Refusal, operation
from local.state import Document
from local.storage.containers import ACCOUNTS, delete_account_data
from local.tenant import tenant

SUBSCRIPTION = "/subscriptions/{subscription}"
GROUP = f"{SUBSCRIPTION}/resourceGroups/{{group}}"
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
    """Read a resource group."""
    return _group(call)


@operation("HEAD", GROUP, action=READ)
def has_group(call: Call) -> Answer:
    """Say whether a resource group is there."""
    return Answer(status=204 if call.world.state.get(call.path) else 404)


@operation("GET", f"{SUBSCRIPTION}/resourceGroups", action=READ)
def list_groups(call: Call) -> dict[str, Any]:
    """List the resource groups."""
    return {"value": _filtered(call, [d for _, d in call.world.state.find(GROUPS)])}


@operation(
    "DELETE",
    GROUP,
    action=DELETE,
    note="everything inside at once, with blobs and processes; the operation then takes two polls",
)
def delete_group(call: Call) -> Answer:
    """Delete a resource group with everything in it."""
    if call.world.state.get(call.path) is None:
        raise _no_group(call)
    _empty_group(call)
    return Answer(status=202, headers=begin(call, call.path, "Microsoft.Resources", 2))


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


@operation(
    "GET",
    f"{SUBSCRIPTION}/providers",
    action="Microsoft.Resources/subscriptions/providers/read",
    note="all registered from the beginning",
)
def list_providers(call: Call) -> dict[str, Any]:
    """List the namespaces that are played."""
    return {"value": [_provider(call, name) for name in _namespaces()]}


@operation(
    "GET",
    f"{SUBSCRIPTION}/providers/{{provider}}",
    action="Microsoft.Resources/subscriptions/providers/read",
)
def get_provider(call: Call) -> dict[str, Any]:
    """Read a namespace with its types."""
    return _provider(call, _namespace(call))


@operation(
    "POST",
    f"{SUBSCRIPTION}/providers/{{provider}}/register",
    action="Microsoft.Resources/subscriptions/providers/register/action",
    note="does nothing: all are registered",
)
def register_provider(call: Call) -> dict[str, Any]:
    """Register a namespace."""
    return _provider(call, _namespace(call))


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


def _empty_group(call: Call) -> None:
    state, group = call.world.state, call.path
    call.world.processes.end_below(group)
    with state.transaction():
        accounts = [account["name"] for _, account in state.find(ACCOUNTS, below=group)]
        state.delete(group)
    # A job that was submitted while the first ones ended has nowhere left to report to.
    call.world.processes.end_below(group)
    for account in accounts:
        delete_account_data(call.world, account)


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


def _namespaces() -> list[str]:
    return sorted({type.provider for type in TYPES} | {"Microsoft.Authorization"})


def _namespace(call: Call) -> str:
    wanted = call.parameters["provider"]
    for name in _namespaces():
        if name.lower() == wanted.lower():
            return name
    raise Refusal(404, "InvalidResourceNamespace", f"The resource namespace '{wanted}' is invalid.")


def _provider(call: Call, name: str) -> dict[str, Any]:
    types = [type.type.partition("/")[2] for type in TYPES if type.provider == name]
    return {
        "id": f"{tenant(call.world.folder).subscription}/providers/{name}",
        "namespace": name,
        "registrationState": "Registered",
        "registrationPolicy": "RegistrationRequired",
        "resourceTypes": [{"resourceType": type, "locations": []} for type in types],
    }
