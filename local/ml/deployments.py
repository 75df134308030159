"""Managed online deployments: checked and stored here, run by `local/runner/deployments.py`."""

import json
import re
from typing import Any

from local import cores, quota
from local.arm.polling import REMOVALS, advance, begin_removal
from local.ml.endpoints import read_endpoint
from local.ml.locations import find_asset, locate
from local.ml.operations import accepted
from local.ml.workspace import (
    PATH,
    TYPE,
    bad_request,
    check_stays,
    not_found,
    page,
    region,
    system_data,
    workspace,
)
from local.operations import Answer, Call, Refusal, operation
from local.runner import deployments as runner
from local.runner.durations import seconds
from local.state import Document
from local.world import World

KIND = f"{TYPE}/onlineEndpoints/deployments"
ROW = f"{PATH}/onlineEndpoints/{{endpoint}}/deployments"
NAME = re.compile(r"[a-zA-Z][a-zA-Z0-9-]{1,30}[a-zA-Z0-9]")
OUT_OF_QUOTA = "https://aka.ms/oe-tsg#error-outofquota"
REQUEST_SECONDS = 180


@operation(
    "PUT",
    f"{ROW}/{{deployment}}",
    action=f"{KIND}/write",
    note="one process, whatever the instance count; the old one serves until the new one is ready;"
    " VM size and quota are checked",
)
def put_deployment(call: Call) -> Answer:
    """Make a deployment, or replace it."""
    owner = workspace(call)
    endpoint = read_endpoint(call.world.state, call.path.rpartition("/deployments/")[0])
    check_stays(endpoint)
    before = call.world.state.get(call.path)
    check_stays(before or {})
    if before and before["properties"]["provisioningState"] in ("Creating", "Updating"):
        raise Refusal(409, "Conflict", "The deployment is being changed: wait until it is done.")
    document = _document(call, owner, before)
    _check(call, owner, document)
    with call.world.processes.clusters.unchanged():
        _check_quota(call, owner, document, before)
        is_new = call.world.state.put(call.path, KIND, document)
    runner.begin(call.world, call.path, endpoint["id"])
    return accepted(call, document, status=201 if is_new else 200, target=call.path)


@operation("GET", f"{ROW}/{{deployment}}", action=f"{KIND}/read", note="as stored")
def get_deployment(call: Call) -> Document:
    """Read a deployment; one that is being deleted comes a step further."""
    advance(call.world, call.path)
    document = call.world.state.get(call.path)
    if document is None:
        raise not_found(call.path)
    return document


@operation("GET", ROW, action=f"{KIND}/read", note="all of the endpoint")
def list_deployments(call: Call) -> dict[str, Any]:
    """List deployments."""
    read_endpoint(call.world.state, call.path.rpartition("/")[0])
    return page(call, [d for _, d in call.world.state.find(KIND, below=call.path)])


@operation(
    "DELETE",
    f"{ROW}/{{deployment}}",
    action=f"{KIND}/delete",
    note="refused while it gets traffic; its process is ended and waited for; then a poll",
)
def delete_deployment(call: Call) -> Answer:
    """Delete a deployment."""
    document = call.world.state.get(call.path)
    if document is None:
        return Answer(None, 204)
    endpoint = read_endpoint(call.world.state, call.path.rpartition("/deployments/")[0])
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
    note="InferenceServer: the process's own output; StorageInitializer: build and model",
)
def get_logs(call: Call) -> dict[str, str]:
    """Give the end of a container's log."""
    id = call.path.rpartition("/")[0]
    if call.world.state.get(id) is None:
        raise not_found(id)
    kind = call.body.get("containerType") or "InferenceServer"
    return {"content": runner.read_log(call.world, id, kind, int(call.body.get("tail") or 500))}


def _end_process(world: World, deployment: Document, final: bool) -> None:
    runner.end(world, deployment["id"])


REMOVALS[KIND.lower()] = _end_process


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
        "sku": {"name": "Default", "capacity": int(sku.get("capacity") or 1), "tier": "Standard"},
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


def _check(call: Call, owner: Document, document: Document) -> None:
    """Refuse what could not be deployed, all findings at once."""
    name, properties = document["name"], document["properties"]
    findings = _asset_findings(call, owner, properties)
    if not NAME.fullmatch(name):
        findings.append(f"The name {name!r} is not legal: 3 to 32 letters, digits and hyphens.")
    if properties["endpointComputeType"] != "Managed":
        findings.append(f"Deployments on {properties['endpointComputeType']} are not played.")
    if cores.deployment_size(document) not in quota.offered(call.world.state, region(owner)):
        asked = properties.get("instanceType")
        findings.append(f"The instance type {asked!r} is not supported in {region(owner)}.")
    timeout = seconds(properties["requestSettings"]["requestTimeout"])
    if not 0 < timeout <= REQUEST_SECONDS:
        findings.append(f"requestTimeout is {timeout:g} s; at most {REQUEST_SECONDS} s is allowed.")
    if findings:
        raise bad_request("The deployment cannot be made: " + " ".join(findings))


def _check_quota(call: Call, owner: Document, asked: Document, before: Document | None) -> None:
    """Refuse what the quota has no room for."""
    size = cores.deployment_size(asked)
    if size is None:
        return
    counted = cores.instances_counted(size, cores.instances_of(asked))
    is_same = before is not None and cores.deployment_size(before) == size
    freed = cores.instances_counted(size, cores.instances_of(before)) if before and is_same else 0
    if counted <= freed:
        return
    short = cores.shortage(
        call.world.state,
        call.world.processes.clusters,
        region(owner),
        size,
        counted,
        given_back=freed,
    )
    if short is not None:
        raise _out_of_quota(call, size.name, short)


def _out_of_quota(call: Call, size: str, short: cores.Shortage) -> Refusal:
    """Make Azure's answer: words and shape as in MicrosoftLearning/mslearn-azure-ml#30."""
    text = (
        f"Not enough quota available for {size} in SubscriptionId"
        f" {call.parameters['subscription']}. Current usage/limit: {short.used}/{short.limit}."
        f" Additional needed: {short.needed} Please see troubleshooting guide, available here:"
        f" {OUT_OF_QUOTA}"
    )
    inner = {
        "errors": {"VmSize": [text]},
        "type": "https://tools.ietf.org/html/rfc7231#section-6.5.1",
        "title": "One or more validation errors occurred.",
        "status": 400,
    }
    refusal = Refusal(400, "BadRequest", "The request is invalid.")
    message = f"InferencingClient HttpRequest error, error detail: {json.dumps(inner)}"
    refusal.details = ({"code": "InferencingClientCreateDeploymentFailed", "message": message},)
    return refusal


def _asset_findings(call: Call, owner: Document, properties: dict[str, Any]) -> list[str]:
    state, findings = call.world.state, []
    environment = str(properties.get("environmentId") or "")
    if find_asset(state, owner["id"], "environments", environment) is None:
        findings.append(f"The environment {environment!r} was not found.")
    model = properties.get("model")
    if model and find_asset(state, owner["id"], "models", str(model)) is None:
        findings.append(f"The model {model!r} was not found.")
    return [*findings, *_code_findings(call, owner, properties.get("codeConfiguration") or {})]


def _code_findings(call: Call, owner: Document, code: dict[str, Any]) -> list[str]:
    if not (code.get("codeId") and code.get("scoringScript")):
        return ["Deployments without code and scoring script are not played."]
    version = find_asset(call.world.state, owner["id"], "codes", str(code["codeId"]))
    if version is None:
        return [f"The code {code['codeId']!r} was not found."]
    place = locate(call.world.state, owner["id"], version["properties"]["codeUri"])
    if not (place.folder(call.world) / str(code["scoringScript"])).is_file():
        return [f"The code holds no scoring script {code['scoringScript']!r}."]
    return []
