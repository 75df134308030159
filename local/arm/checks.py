"""What ARM and the resource providers check before they write: order, names, required parts."""

import re
from collections.abc import Iterable
from typing import Any

from local.arm.ids import group_of, name_of, segment, top_of
from local.arm.polling import advance, is_deleting
from local.arm.types import ResourceType
from local.names import is_taken
from local.operations import Call, Refusal
from local.state import Document

GROUPS = "Microsoft.Resources/resourceGroups"


def check_place(call: Call, type: ResourceType) -> None:
    """Refuse a resource whose group or parent is not there."""
    check_group(call)
    top = top_of(call.path)
    parent = call.world.state.get(top) if type.is_child else None
    if call.request.method == "PUT" and is_deleting(parent):
        raise busy(type.busy_error, top)
    if type.is_child and parent is None:
        raise Refusal(
            404,
            "ParentResourceNotFound",
            f"Failed to perform 'write' on resource(s) of type '{type.type.partition('/')[2]}',"
            f" because the parent resource '{top}' could not be found.",
        )


def check_group(call: Call) -> None:
    """Refuse what lies in a resource group that is not there."""
    group = group_of(call.path)
    if group and call.world.state.get(group) is None:
        raise Refusal(
            404, "ResourceGroupNotFound", f"Resource group '{name_of(group)}' could not be found."
        )


def check_at_rest(call: Call, type: ResourceType, document: Document) -> None:
    """Refuse a change of what is being made or deleted; the refusal counts as a poll."""
    if type.polls and document["properties"].get("provisioningState") in ("Creating", "Deleting"):
        id = document["id"]
        call.world.state.afterwards(lambda: advance(call.world, id))
        raise busy(type.busy_error, id)


def check_nested(call: Call, type: ResourceType, document: Document) -> None:
    """Refuse to delete what still has tracked resources in it; deletions there go a step on."""
    state, below = call.world.state, document["id"]
    for kind in type.nested:
        for id, _ in state.find(kind, below=below):
            advance(call.world, id)
    left = [id for kind in type.nested for id, _ in state.find(kind, below=below)]
    if left:
        names = ", ".join(id.partition("/providers/")[2] for id in left)
        raise Refusal(
            409,
            "CannotDeleteResource",
            "Cannot delete resource while nested resources exist. Some existing nested resource"
            f" IDs include: '{names}'. Please delete all nested resources before deleting this"
            " resource.",
        )


def busy(code: str, id: str) -> Refusal:
    """Make Azure's answer for a resource on which another operation goes on.

    Microsoft.Storage's message is as reported in Azure/ARO-RP#1197; the others are not verified.
    """
    if code == "StorageAccountOperationInProgress":
        text = "An operation is currently performing on this storage account that requires"
        return Refusal(409, code, f"{text} exclusive access.")
    return Refusal(
        409,
        code,
        f"Cannot modify resource with id '{id}' because its provisioning state is not terminal."
        " Please wait for the provisioning state to become terminal and then retry the request.",
    )


def check_name(call: Call, type: ResourceType) -> None:
    """Refuse a name that breaks Azure's rule, or that is taken where names are global."""
    name = name_of(call.path)
    if not re.fullmatch(type.name_rule, name):
        raise Refusal(
            400,
            type.name_error,
            f"'{name}' is not a valid name for {type.type}: it must match {type.name_rule}.",
        )
    if not type.taken_error:
        return
    for id, other in call.world.state.find(type.type):
        if other["name"].lower() == name.lower() and id.lower() != call.path.lower():
            raise Refusal(
                409,
                type.taken_error,
                f"The name '{name}' is already taken: it must be unique across Azure, and"
                f" '{id}' has it.",
            )
    if is_taken(call.world.state, type.type, name):
        raise Refusal(409, type.taken_error, f"The name '{name}' is already taken at Azure.")


def check_body(call: Call, type: ResourceType, document: Document) -> None:
    """Refuse a body that lacks something, naming all of it, or that refers to what is not there."""
    missing = [path for path in type.required if part(document, path) in (None, "")]
    if missing:
        raise Refusal(
            400,
            "LocationRequired" if missing == ["location"] else "InvalidRequestContent",
            f"The request for {type.type} lacks required properties: {', '.join(missing)}.",
        )
    for path in type.references:
        target = part(document, path)
        if target and call.world.state.get(str(target)) is None:
            raise Refusal(
                400,
                "LinkedResourceNotFound",
                f"'{path}' refers to '{target}', which does not exist.",
            )


def check_update(type: ResourceType, document: Document, before: Document) -> None:
    """Refuse to move a resource, or to change what is fixed at creation."""
    here, there = before.get("location"), document.get("location")
    if type.is_located and here != there:
        raise Refusal(
            409,
            "InvalidResourceLocation",
            f"The resource '{before['name']}' already exists in location '{here}' in resource"
            f" group '{segment(before['id'], 'resourceGroups')}'. A resource with the same name"
            f" cannot be created in location '{there}'. Please select a new resource name.",
        )
    check_fixed(type.fixed, document, before)


def check_fixed(paths: Iterable[str], document: Document, before: Document) -> None:
    """Refuse to change what is fixed at creation."""
    for path in paths:
        if part(document, path) != part(before, path):
            raise Refusal(
                409, "PropertyChangeNotAllowed", f"Changing property '{path}' is not allowed."
            )


def part(document: Document, path: str) -> Any:
    """Read a dotted path; None where there is nothing."""
    found: Any = document
    for key in path.split("."):
        if not isinstance(found, dict):
            return None
        found = found.get(key)
    return found
