"""Managed online deployments: checked and stored here, run by `local/runner/deployments.py`."""

import json
from typing import Any

from local.arm.polling import REMOVALS, advance, begin_removal
from local.ml.deployment_checks import check, check_quota
from local.ml.operations import accepted
from local.ml.workspace import (
    PATH,
    TYPE,
    bad_request,
    check_stays,
    document_at,
    page,
    region,
    system_data,
    workspace,
)
from local.operations import Answer, Call, Refusal, operation
from local.runner import deployments as runner
from local.state import Document
from local.world import World

KIND = f"{TYPE}/onlineEndpoints/deployments"
ROW = f"{PATH}/onlineEndpoints/{{endpoint}}/deployments"
UNTOUCHED = ("provisioningState", "error", "scaleSettings", "description")
"""Properties that no process sees: a PUT that changes these alone restarts nothing."""


@operation(
    "PUT",
    f"{ROW}/{{deployment}}",
    action=f"{KIND}/write",
    note="a process per instance, each watched; a change of the instance count alone keeps those"
    " that run, after any other the old ones serve until all new ones are ready; VM size and quota"
    " are checked; custom containers are refused, MLflow models without code run under a program"
    " of ours in an environment from their own list",
)
def put_deployment(call: Call) -> Answer:
    """Make a deployment, or replace it."""
    owner = workspace(call)
    endpoint = document_at(call.world.state, call.path.rpartition("/deployments/")[0])
    check_stays(endpoint)
    before = call.world.state.get(call.path)
    check_stays(before or {})
    _check_rests(before)
    document = _document(call, owner, before)
    check(call, owner, document)
    is_new = _store(call, owner, document, before)
    _bring(call, document, before)
    return accepted(call, document, status=201 if is_new else 200, target=call.path)


@operation(
    "PATCH",
    f"{ROW}/{{deployment}}",
    action=f"{KIND}/write",
    note="instance count and tags, which is all that it may change; nothing is restarted",
)
def patch_deployment(call: Call) -> Answer:
    """Change a deployment's instance count or tags."""
    owner, before = workspace(call), document_at(call.world.state, call.path)
    check_stays(before)
    _check_rests(before)
    document = json.loads(json.dumps(before))
    document["tags"] = {**document["tags"], **(call.body.get("tags") or {})}
    capacity = (call.body.get("sku") or {}).get("capacity")
    document["sku"]["capacity"] = int(document["sku"]["capacity"] if capacity is None else capacity)
    document["systemData"] = system_data(call, before)
    if document["sku"] != before["sku"]:
        document["properties"]["provisioningState"] = "Updating"
        check(call, owner, document)
    _store(call, owner, document, before)
    if document["sku"] != before["sku"]:
        _bring(call, document, before)
    return accepted(call, document, status=202, target=call.path)


@operation("GET", f"{ROW}/{{deployment}}", action=f"{KIND}/read", note="as stored")
def get_deployment(call: Call) -> Document:
    """Read a deployment; one that is being deleted comes a step further."""
    advance(call.world, call.path)
    return document_at(call.world.state, call.path)


@operation("GET", ROW, action=f"{KIND}/read", note="all of the endpoint")
def list_deployments(call: Call) -> dict[str, Any]:
    """List deployments."""
    document_at(call.world.state, call.path.rpartition("/")[0])
    return page(call, [d for _, d in call.world.state.find(KIND, below=call.path)])


@operation(
    "DELETE",
    f"{ROW}/{{deployment}}",
    action=f"{KIND}/delete",
    note="refused while it gets traffic; its processes are ended and waited for; then a poll",
)
def delete_deployment(call: Call) -> Answer:
    """Delete a deployment."""
    document = call.world.state.get(call.path)
    if document is None:
        return Answer(None, 204)
    endpoint = document_at(call.world.state, call.path.rpartition("/deployments/")[0])
    if endpoint["properties"]["traffic"].get(document["name"], 0) > 0:
        raise bad_request(
            f"The deployment {document['name']} still gets traffic: take it away first."
        )
    runner.end(call.world, call.path)
    begin_removal(call, document, TYPE.partition("/")[0], 1)
    return accepted(call, None, status=202, target=call.path)


@operation(
    "POST",
    f"{ROW}/{{deployment}}/getLogs",
    action=f"{KIND}/getLogs/action",
    note="InferenceServer: the processes' own output, of several instances a part of each;"
    " StorageInitializer: build and model; kept when the deployment fails",
)
def get_logs(call: Call) -> dict[str, str]:
    """Give the end of a container's log."""
    id = call.path.rpartition("/")[0]
    document_at(call.world.state, id)
    kind = call.body.get("containerType") or "InferenceServer"
    return {"content": runner.read_log(call.world, id, kind, int(call.body.get("tail") or 500))}


def _end_process(world: World, deployment: Document, final: bool) -> None:
    runner.end(world, deployment["id"])


REMOVALS[KIND.lower()] = _end_process


def _check_rests(before: Document | None) -> None:
    if before and before["properties"]["provisioningState"] in ("Creating", "Updating"):
        raise Refusal(409, "Conflict", "The deployment is being changed: wait until it is done.")


def _store(call: Call, owner: Document, document: Document, before: Document | None) -> bool:
    """Store a deployment if the quota has room for it; True where it is new."""
    with call.world.processes.clusters.unchanged():
        check_quota(call, owner, document, before)
        return call.world.state.put(call.path, KIND, document)


def _bring(call: Call, document: Document, before: Document | None) -> None:
    """Have the processes that are asked for, and keep those that run where they are the same."""
    if not (_is_kept(before, document) and runner.scale(call.world, call.path)):
        runner.begin(call.world, call.path, call.path.rpartition("/deployments/")[0])


def _is_kept(before: Document | None, after: Document) -> bool:
    """Say whether the processes that run are those that are asked for, but for their number."""
    if before is None or before["properties"]["provisioningState"] != "Succeeded":
        return False
    return _seen(before) == _seen(after)


def _seen(document: Document) -> dict[str, Any]:
    return {k: v for k, v in document["properties"].items() if k not in UNTOUCHED}


def _document(call: Call, owner: Document, before: Document | None) -> Document:
    sent = dict(call.body.get("properties") or {})
    sku = call.body.get("sku") or {}
    return {
        "id": call.path,
        "name": call.parameters["deployment"],
        "type": KIND,
        "location": region(owner),
        "kind": "Managed",
        "tags": call.body.get("tags") or {},
        "sku": {"name": "Default", "capacity": _capacity(sku), "tier": "Standard"},
        "systemData": system_data(call, before),
        "properties": {
            "endpointComputeType": "Managed",
            "appInsightsEnabled": False,
            "egressPublicNetworkAccess": "Enabled",
            **sent,
            "environmentVariables": sent.get("environmentVariables") or {},
            "properties": sent.get("properties") or {},
            "scaleSettings": sent.get("scaleSettings") or {"scaleType": "Default"},
            "readinessProbe": runner.probe(sent.get("readinessProbe")),
            "livenessProbe": runner.probe(sent.get("livenessProbe")),
            "requestSettings": {
                "maxConcurrentRequestsPerInstance": 1,
                "requestTimeout": "PT5S",
                "maxQueueWait": "PT0.5S",
                **{k: v for k, v in (sent.get("requestSettings") or {}).items() if v is not None},
            },
            "provisioningState": "Updating" if before else "Creating",
        },
    }


def _capacity(sku: dict[str, Any]) -> int:
    asked = sku.get("capacity")
    return 1 if asked is None else int(asked)
