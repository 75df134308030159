"""Long-running operations: what Azure-AsyncOperation and Location headers point at.

An operation is done when the resource that it is about has come to rest, or is gone; nothing is
kept that could disagree with the resource. A poll of a deletion takes it a step further.
"""

import uuid
from typing import Any

from local.arm.polling import advance
from local.ml.workspace import not_found, region, workspace
from local.operations import ARM, SIGNED_IN, Answer, Call, operation
from local.state import Document

KIND = "ml/operation"
PATH = (
    "/subscriptions/{subscription}/providers/Microsoft.MachineLearningServices"
    "/locations/{location}/{folder}/{operation}"
)
SOON = {"retry-after-ms": "150"}
"""Our processes are quick; with a Retry-After beside it azure-core would wait whole seconds."""


def accepted(call: Call, body: Document | None, *, status: int, target: str) -> Answer:
    """Answer that work on `target` has begun, with the address that tells how it goes."""
    owner = workspace(call)
    id = str(uuid.uuid4())
    call.world.state.put(f"{owner['id']}/operations/{id}", KIND, {"target": target})
    base = (
        f"https://{ARM}/subscriptions/{call.parameters['subscription']}/providers"
        f"/Microsoft.MachineLearningServices/locations/{region(owner)}"
    )
    version = call.query.get("api-version", "2022-02-01-preview")
    headers = {
        "Azure-AsyncOperation": f"{base}/mfeOperationsStatus/{id}?api-version={version}",
        "Location": f"{base}/mfeOperationResults/{id}?api-version={version}",
        **SOON,
    }
    return Answer(body, status, headers)


@operation(
    "GET",
    PATH.replace("{folder}", "mfeOperationsStatus"),
    action=SIGNED_IN,
    note="the state of the resource that the operation is about",
)
def operation_status(call: Call) -> Answer:
    """Tell how an operation goes."""
    target = _target(call)
    status, error = _progress(target)
    body: dict[str, Any] = {
        "id": call.path,
        "name": call.parameters["operation"],
        "status": status,
        "properties": {},
    }
    if error:
        body["error"] = error
    return Answer(body, 200, {} if status != "InProgress" else SOON)


@operation(
    "GET",
    PATH.replace("{folder}", "mfeOperationResults"),
    action=SIGNED_IN,
    note="202 while it goes on, then the resource, or 204",
)
def operation_result(call: Call) -> Answer:
    """Give what an operation led to."""
    target = _target(call)
    if _progress(target)[0] == "InProgress":
        again = f"https://{ARM}{call.path}?api-version={call.query['api-version']}"
        return Answer(None, 202, {"Location": again, **SOON})
    return Answer(target, 200) if target else Answer(None, 204)


def _target(call: Call) -> Document | None:
    name = call.parameters["operation"].lower()
    for id, record in call.world.state.find(KIND):
        if id.lower().endswith(f"/operations/{name}"):
            advance(call.world, record["target"])
            return call.world.state.get(record["target"])
    raise not_found(call.path)


def _progress(target: Document | None) -> tuple[str, dict[str, Any] | None]:
    if target is None:
        return "Succeeded", None
    state = target["properties"].get("provisioningState", "Succeeded")
    if state in ("Succeeded", "Canceled"):
        return state, None
    if state == "Failed":
        return "Failed", target["properties"].get("error") or {
            "code": "Failed",
            "message": "The operation failed.",
        }
    return "InProgress", None
