"""PUT, GET, DELETE and list for every type in the table, with ARM's rules around them.

Deletion itself is in `polling`, what a deleted resource still holds in `holds`.
"""

import copy
from functools import partial

from local.arm.accounts import ACCOUNT
from local.arm.ai_projects import AI_TYPES
from local.arm.autoscale import AUTOSCALE
from local.arm.checks import (
    check_at_rest,
    check_body,
    check_group,
    check_name,
    check_nested,
    check_place,
    check_update,
)
from local.arm.federated import CREDENTIAL
from local.arm.holds import find_held, is_final, keep_deleted, release, revived
from local.arm.hubs import CONNECTION
from local.arm.identities import settle_identity
from local.arm.ids import name_of, segment
from local.arm.monitoring import MONITOR_TYPES
from local.arm.networks import OUTBOUND_RULE
from local.arm.polling import REMOVALS, advance, begin, begin_removal, is_deleting, remove
from local.arm.types import PLAIN_TYPES, ResourceType
from local.arm.vaults import VAULT
from local.arm.workflows import WORKFLOW
from local.arm.workspaces import ML_TYPES
from local.operations import Answer, Call, Refusal, operation
from local.state import Document
from local.world import World

TYPES: tuple[ResourceType, ...] = (
    *PLAIN_TYPES,
    CREDENTIAL,
    VAULT,
    ACCOUNT,
    *AI_TYPES,
    *ML_TYPES,
    CONNECTION,
    *MONITOR_TYPES,
    AUTOSCALE,
    WORKFLOW,
    OUTBOUND_RULE,
)
READ_ONLY = ("id", "name", "type", "systemData", "etag", "identity.principalId")
GROUP_PATH = "/subscriptions/{subscription}/resourceGroups/{group}/providers/"
STATELESS = (
    "Microsoft.ManagedIdentity/userAssignedIdentities",
    CREDENTIAL.type,
    "Microsoft.Storage/storageAccounts/blobServices",
    "Microsoft.Storage/storageAccounts/blobServices/containers",
    "Microsoft.MachineLearningServices/workspaces/datastores",
    "Microsoft.MachineLearningServices/workspaces/outboundRules",
    CONNECTION.type,
    "Microsoft.Insights/actionGroups",
    "Microsoft.Insights/metricAlerts",
    AUTOSCALE.type,
)
"""Types that show no provisioningState."""


def put(type: ResourceType, call: Call) -> Answer:
    """Create or replace a resource; what Azure computed once stays."""
    with call.world.state.transaction():
        check_name(call, type)
        check_place(call, type)
        before = call.world.state.get(call.path)
        if before is not None:
            check_at_rest(call, type, before)
        document, held = _met(type, call, _document(type, call, before), before)
        check_body(call, type, document)
        if before is not None:
            check_update(type, document, before)
        settle_identity(call, document, before or held)
        type.complete(call, document, before or held)
        is_slow = before is None and type.polls > 0
        if type.type not in STATELESS:
            document["properties"]["provisioningState"] = "Creating" if is_slow else "Succeeded"
        call.world.state.put(document["id"], type.type, document)
        headers = begin(call, document["id"], type.provider, type.polls) if is_slow else {}
    return Answer(document, status=201 if before is None else 200, headers=headers)


def get(type: ResourceType, call: Call) -> Document:
    """Read a resource; one that is being made comes a step further."""
    advance(call.world, call.path)
    document = call.world.state.get(call.path)
    if document is None:
        check_group(call)
        raise _not_found(type, call)
    return document


def get_blob_service(type: ResourceType, call: Call) -> Document:
    """Read the blob service's settings, which every account has from its beginning."""
    check_place(call, type)
    default = {"deleteRetentionPolicy": {"enabled": False}, "cors": {"corsRules": []}}
    return call.world.state.get(call.path) or {
        "id": call.path,
        "name": "default",
        "type": type.type,
        "properties": default,
    }


def delete(type: ResourceType, call: Call) -> Answer:
    """Delete a resource and what lives in it; 204 where there is none."""
    document = call.world.state.get(call.path)
    if document is None:
        return _purge(type, call)
    type.check_delete(call, document)
    if not is_deleting(document):
        check_at_rest(call, type, document)
        check_nested(call, type, document)
    final, polls = is_final(type.hold, call), type.delete_polls
    if polls == 0:
        remove(call.world, document, is_final=final)
        return Answer(status=200)
    type.before_delete(call.world, document)
    headers = begin_removal(call, document, type.provider, polls, is_final=final)
    return Answer(status=202, headers=headers)


def list_all(type: ResourceType, call: Call) -> Document:
    """List the resources of a type below the path: of a group, a subscription or a parent."""
    check_place(call, type)
    below = call.path.partition("/providers/")[0] if not type.is_child else _parent(call.path)
    found = [document for _, document in call.world.state.find(type.type, below=below)]
    if call.query.get("isDefault", "").lower() == "true":
        found = [d for d in found if d["properties"].get("isDefault")]
    return {"value": found}


def _met(
    type: ResourceType, call: Call, document: Document, before: Document | None
) -> tuple[Document, Document | None]:
    """Give what is to be made, and the held resource that comes back by it."""
    held = type.hold.meet(call, document) if type.hold and before is None else None
    if held is None:
        return document, None
    found = find_held(call.world.state, type.type, held["id"])
    if found is not None:
        release(call.world.state, found)
    return revived(document, held), held


def _purge(type: ResourceType, call: Call) -> Answer:
    """Answer a DELETE of what is not there: where the type has it so, purge what is held."""
    if not (type.hold and type.hold.is_purged_by_delete and is_final(type.hold, call)):
        return Answer(status=204)
    held = find_held(call.world.state, type.type, call.path)
    if held is None:
        return Answer(status=204)
    check_group(call)
    release(call.world.state, held)
    return Answer(status=202, headers=begin(call, call.path, type.provider, type.delete_polls))


def _remove(type: ResourceType, world: World, document: Document, final: bool) -> None:
    type.before_delete(world, document)
    if type.hold and not final:
        keep_deleted(world.state, type.hold, document)


def _parent(list_path: str) -> str:
    return list_path.rpartition("/")[0]


def _document(type: ResourceType, call: Call, before: Document | None) -> Document:
    body = {key: copy.deepcopy(value) for key, value in call.body.items() if key not in READ_ONLY}
    id = before["id"] if before else call.path
    properties = body.pop("properties", None) or {}
    if not isinstance(properties, dict):
        raise Refusal(400, "InvalidRequestContent", "'properties' must be an object.")
    document = {"id": id, "name": name_of(id), "type": type.type, **body, "properties": properties}
    if isinstance(document.get("location"), str):
        document["location"] = document["location"].replace(" ", "").lower()
    if type.is_located:
        document["tags"] = body.get("tags") or {}
    return document


def _not_found(type: ResourceType, call: Call) -> Refusal:
    group = segment(call.path, "resourceGroups")
    return Refusal(
        404,
        "ResourceNotFound",
        f"The Resource '{type.type}/{name_of(call.path)}' under resource group '{group}' was not"
        " found. For more details please go to https://aka.ms/ARMResourceNotFoundFix",
    )


def _register(type: ResourceType) -> None:
    REMOVALS[type.type.lower()] = partial(_remove, type)
    path, listing = GROUP_PATH + type.path, (GROUP_PATH + type.path).removesuffix("/{name}")
    is_single = type.type.endswith("/blobServices")
    reader = get_blob_service if is_single else get
    operation("PUT", path, action=f"{type.type}/write", note=type.note)(partial(put, type))
    operation("GET", path, action=f"{type.type}/read")(partial(reader, type))
    if is_single:
        return
    operation("DELETE", path, action=f"{type.type}/delete")(partial(delete, type))
    operation("GET", listing, action=f"{type.type}/read")(partial(list_all, type))
    if not type.is_child:
        everywhere = listing.replace("/resourceGroups/{group}", "")
        operation("GET", everywhere, action=f"{type.type}/read")(partial(list_all, type))


for _type in TYPES:
    _register(_type)
