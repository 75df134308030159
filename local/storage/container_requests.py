"""The blob service's requests about accounts and containers."""

import re

from starlette.responses import Response

from local.operations import BLOB, Call, Refusal, operation
from local.storage.containers import (
    create_container,
    delete_container,
    find_container,
    has_container,
    modified,
)
from local.storage.listing import blob_list, container_list
from local.storage.refusals import container_not_found, not_played
from local.storage.rights import (
    BLOB_ACTION,
    CONTAINER_ACTION,
    check_blob_right,
    check_container_right,
)


@operation(
    "GET",
    "/",
    host=BLOB,
    data_action=f"{CONTAINER_ACTION}read",
    raw=True,
    note="comp=list: the containers; a control-plane action, as at Azure",
)
def get_account(call: Call) -> Response:
    """List the containers."""
    if call.query.get("comp") != "list":
        raise not_played(call)
    account_id, account = check_container_right(call, "", "read")
    return _xml(container_list(call, account_id, account["name"]))


@operation("PUT", "/{container}", host=BLOB, data_action=f"{CONTAINER_ACTION}write", raw=True)
def put_container(call: Call) -> Response:
    """Create a container."""
    if call.query.get("restype") != "container" or call.query.get("comp"):
        raise not_played(call)
    name = call.parameters["container"]
    account_id, _ = check_container_right(call, name, "write")
    if has_container(call.world, account_id, name):
        raise Refusal(409, "ContainerAlreadyExists", "The specified container already exists.")
    if not re.fullmatch(r"(?=.{3,63}$)[a-z0-9]+(?:-[a-z0-9]+)*", name):
        raise Refusal(400, "InvalidResourceName", f"'{name}' is not a name for a container.")
    document = create_container(call.world, account_id, name)
    return Response(
        status_code=201, headers={"ETag": document["etag"], "Last-Modified": modified(document)}
    )


@operation(
    "GET",
    "/{container}",
    host=BLOB,
    data_action=f"{BLOB_ACTION}read",
    raw=True,
    note="comp=list: blobs by prefix, delimiter, marker; else the container's properties",
)
def get_container(call: Call) -> Response:
    """List blobs, or read a container's properties."""
    name = call.parameters["container"]
    if call.query.get("restype") != "container" or call.query.get("comp", "list") != "list":
        raise not_played(call)
    if call.query.get("comp") != "list":
        return _container_properties(call)
    account_id, account = check_blob_right(call, name, "read")
    find_container(call.world, account_id, call.parameters["container"])
    return _xml(blob_list(call, account["name"], name))


@operation("HEAD", "/{container}", host=BLOB, data_action=f"{CONTAINER_ACTION}read", raw=True)
def head_container(call: Call) -> Response:
    """Read a container's properties."""
    return _container_properties(call)


@operation("DELETE", "/{container}", host=BLOB, data_action=f"{CONTAINER_ACTION}delete", raw=True)
def remove_container(call: Call) -> Response:
    """Delete a container with its blobs."""
    name = call.parameters["container"]
    account_id, _ = check_container_right(call, name, "delete")
    if not delete_container(call.world, account_id, name):
        raise container_not_found()
    return Response(status_code=202)


def _container_properties(call: Call) -> Response:
    account_id, _ = check_container_right(call, call.parameters["container"], "read")
    document = find_container(call.world, account_id, call.parameters["container"])
    return Response(
        status_code=200,
        headers={
            "ETag": document["etag"],
            "Last-Modified": modified(document),
            "x-ms-lease-status": "unlocked",
            "x-ms-lease-state": "available",
            "x-ms-has-immutability-policy": "false",
            "x-ms-has-legal-hold": "false",
        },
    )


def _xml(text: bytes) -> Response:
    return Response(text, media_type="application/xml")
