"""Long-running operations: each advances by one step per poll, never by the clock.

Azure answers some creations with 202 and a Location; here every slow creation is a 201 with an
Azure-AsyncOperation header, which the same clients follow. A resource that is being deleted is
there, `Deleting`, until the last poll takes it away; a client that lost the address of the
operation gets it again by another DELETE. Reading the resource counts as a poll, and so does a
request that is refused because of the operation, as time would pass for it at Azure.
"""

import threading
import time
import uuid
from collections.abc import Callable
from typing import Any

from local.arm.ids import name_of
from local.operations import ARM, SIGNED_IN, Answer, Call, Refusal, operation
from local.state import Document, State
from local.tenant import tenant
from local.world import World

KIND = "operation"
HINT = {"retry-after-ms": "100"}
"""Clients of Azure's SDKs wait 100 ms between polls; without it they wait up to 60 s."""

KEPT_SECONDS = 600
API = "api-version=2024-03-01"
DELETING = "Deleting"

Verdict = tuple[str, dict[str, str]]
"""What a resource that is being made has come to: its provisioning state, an error if `Failed`."""
SETTLING: dict[str, Callable[[World, Document], Verdict]] = {}
"""By type in lower case: asked at the last poll of a creation; `Creating` asks for another one."""

Removal = Callable[[World, Document, bool], None]
REMOVALS: dict[str, Removal] = {}
"""By type in lower case: what goes with a resource when it goes; True: no hold is wanted."""

_removing = threading.Lock()


def begin(call: Call, resource_id: str, provider: str, polls: int) -> dict[str, str]:
    """Start an operation that is over after so many polls; give the headers that announce it."""
    state, id = call.world.state, _key(uuid.uuid4().hex)
    _forget_old(state)
    state.put(id, KIND, {"resource": resource_id, "left": polls, "started": time.time()})
    return _announced(call, id, provider)


def begin_removal(
    call: Call, document: Document, provider: str, polls: int, *, is_final: bool = False
) -> dict[str, str]:
    """Start a deletion, or find the one that goes on; give the headers that announce it."""
    state = call.world.state
    _forget_old(state)
    with state.transaction():
        for id, record in _of(state, document["id"]):
            if record.get("removes"):
                return _announced(call, id, provider)
        current = state.get(document["id"])
        if current is not None:
            current["properties"]["provisioningState"] = DELETING
            state.put(current["id"], current["type"], current)
        id = _key(uuid.uuid4().hex)
        record = {"resource": document["id"], "left": polls, "started": time.time()}
        state.put(id, KIND, {**record, "removes": True, "is_final": is_final, "is_done": False})
    return _announced(call, id, provider)


def is_deleting(document: Document | None) -> bool:
    """Say whether a resource is on its way out."""
    properties = (document or {}).get("properties") or {}
    return bool(properties.get("provisioningState") == DELETING)


def advance(world: World, resource_id: str) -> None:
    """Let a resource that is being made or deleted come one step further."""
    for id, _ in _of(world.state, resource_id):
        _step(world, id)


def remove(world: World, document: Document, *, is_final: bool) -> None:
    """Delete a resource with what lives in it, and keep it for as long as its type is held."""
    REMOVALS[document["type"].lower()](world, document, is_final)
    world.state.delete(document["id"])


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
    if call.world.state.get(id) is None:
        raise Refusal(404, "NotFound", f"There is no operation '{call.parameters['operation']}'.")
    is_over = _step(call.world, id)
    error = (call.world.state.get(id) or {}).get("error")
    status = "InProgress" if not is_over else "Failed" if error else "Succeeded"
    body: dict[str, Any] = {"id": call.path, "name": name_of(call.path), "status": status}
    if error:
        body["error"] = error
    return Answer(body, headers={} if is_over else HINT)


def _announced(call: Call, id: str, provider: str) -> dict[str, str]:
    base = f"https://{ARM}{tenant(call.world.folder).subscription}/providers/{provider}"
    url = f"{base}/locations/global/operationStatuses/{id.rpartition('/')[2]}?{API}"
    return {"Azure-AsyncOperation": url, **HINT}


def _of(state: State, resource_id: str) -> list[tuple[str, Document]]:
    """List the operations on a resource that are not over."""
    return [
        (id, record)
        for id, record in state.find(KIND)
        if record["resource"].lower() == resource_id.lower() and not _is_over(record)
    ]


def _is_over(record: Document) -> bool:
    return bool(record["is_done"] if record.get("removes") else record["left"] <= 0)


def _step(world: World, id: str) -> bool:
    state, error = _verdict(world, id)
    with world.state.transaction():
        record = world.state.get(id)
        if record is None or _is_over(record):
            return True
        record["left"] = max(0 if state != "Creating" else 1, record["left"] - 1)
        if error and record["left"] == 0:
            record["error"] = error
        world.state.put(id, KIND, record)
        if record["left"] > 0:
            return False
        if not record.get("removes"):
            _settle(world.state, record["resource"], state)
            return True
    # Not inside: it waits for processes, and those report to the state.
    _finish_removal(world, id)
    return True


def _verdict(world: World, id: str) -> Verdict:
    """Ask what a resource has come to; outside of transactions, as it may look at processes."""
    record = world.state.get(id)
    if record is None or record.get("removes") or _is_over(record):
        return "Succeeded", {}
    resource = world.state.get(record["resource"])
    settling = SETTLING.get(str((resource or {}).get("type", "")).lower())
    return settling(world, resource) if settling and resource else ("Succeeded", {})


def _settle(state: State, resource_id: str, reached: str) -> None:
    resource = state.get(resource_id)
    if resource is None or is_deleting(resource):
        return
    if "provisioningState" in resource.get("properties", {}):
        resource["properties"]["provisioningState"] = reached
        state.put(resource_id, resource["type"], resource)


def _finish_removal(world: World, id: str) -> None:
    """Take a resource away; of two that come together, one does it and the other waits."""
    with _removing:
        record = world.state.get(id)
        if record is None or record["is_done"]:
            return
        document = world.state.get(record["resource"])
        if document is not None and is_deleting(document):
            remove(world, document, is_final=record["is_final"])
        with world.state.transaction():
            _forget_below(world.state, record["resource"])
            world.state.put(id, KIND, {**record, "is_done": True})


def _forget_below(state: State, resource_id: str) -> None:
    """Forget what went on inside: an operation must not meet a later resource of that name."""
    for id, record in state.find(KIND):
        if f"{record['resource']}/".lower().startswith(f"{resource_id}/".lower()):
            state.delete(id)


def _forget_old(state: State) -> None:
    limit = time.time() - KEPT_SECONDS
    for id, document in state.find(KIND):
        if _is_over(document) and document["started"] < limit:
            state.delete(id)


def _key(operation: str) -> str:
    return f"{KIND}:/{operation}"
