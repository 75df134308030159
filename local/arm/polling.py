"""Long-running operations: each advances by one step per poll, never by the clock.

Azure answers some creations with 202 and a Location; here every slow creation is a 201 with an
Azure-AsyncOperation header, which the same clients follow.
"""

import time
import uuid
from typing import Any

from local.arm.ids import name_of
from local.operations import ARM, SIGNED_IN, Answer, Call, Refusal, operation
from local.state import Document, State
from local.tenant import tenant

KIND = "operation"
HINT = {"retry-after-ms": "100"}
"""Clients of Azure's SDKs wait 100 ms between polls; without it they wait up to 60 s."""

KEPT_SECONDS = 600
API = "api-version=2024-03-01"


def begin(call: Call, resource_id: str, provider: str, polls: int) -> dict[str, str]:
    """Start an operation that is over after so many polls; give the headers that announce it."""
    state, id = call.world.state, uuid.uuid4().hex
    _forget_old(state)
    state.put(_key(id), KIND, {"resource": resource_id, "left": polls, "started": time.time()})
    base = f"https://{ARM}{tenant(call.world.folder).subscription}/providers/{provider}"
    return {
        "Azure-AsyncOperation": f"{base}/locations/global/operationStatuses/{id}?{API}",
        **HINT,
    }


def advance(state: State, resource_id: str) -> None:
    """Let a resource that is still being made come one step further."""
    for id, document in state.find(KIND):
        if document["resource"].lower() == resource_id.lower() and document["left"] > 0:
            _step(state, id, document)


@operation(
    "GET",
    "/subscriptions/{subscription}/providers/{provider}/locations/{location}"
    "/operationStatuses/{operation}",
    action=SIGNED_IN,
    note="one step per poll",
)
def operation_status(call: Call) -> Answer:
    """Poll an operation."""
    id = _key(call.parameters["operation"])
    document = call.world.state.get(id)
    if document is None:
        raise Refusal(404, "NotFound", f"There is no operation '{call.parameters['operation']}'.")
    is_over = document["left"] <= 0 or _step(call.world.state, id, document)
    status = "Succeeded" if is_over else "InProgress"
    body: dict[str, Any] = {"id": call.path, "name": name_of(call.path), "status": status}
    return Answer(body, headers={} if is_over else HINT)


def _step(state: State, id: str, document: Document) -> bool:
    with state.transaction():
        document["left"] -= 1
        state.put(id, KIND, document)
        resource = state.get(document["resource"])
        if document["left"] > 0:
            return False
        if resource is not None and "provisioningState" in resource.get("properties", {}):
            resource["properties"]["provisioningState"] = "Succeeded"
            state.put(document["resource"], resource["type"], resource)
        return True


def _forget_old(state: State) -> None:
    limit = time.time() - KEPT_SECONDS
    for id, document in state.find(KIND):
        if document["left"] <= 0 and document["started"] < limit:
            state.delete(id)


def _key(operation: str) -> str:
    return f"{KIND}:/{operation}"
