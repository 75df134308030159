"""Serverless endpoints of projects: one model each, a process that answers, an address of its own.

A base model is named without its version, a tuned one by workspace GUID and version; there is one
endpoint for a model in a project, and names are unique in a region. The status of the refusals is
not known, nor Azure's words but for a name that is taken. Capacity reservations, networks, moves
to another model, and the deletion of what stands idle for 15 days are not played.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from local.access import require
from local.arm.hubs import kind_of
from local.arm.polling import REMOVALS, SETTLING, Verdict, advance, begin, begin_removal
from local.ml.locations import locate
from local.ml.serverless_keys import AUTH_MODES, KEYS, new_keys
from local.ml.serverless_models import (
    REGISTRY_ID,
    TUNED_ID,
    Served,
    base_of,
    served,
    subscription_to,
    tuned_model,
)
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
from local.operations import Answer, Call, operation
from local.state import Document, State
from local.tuning import serving
from local.world import World

KIND = f"{TYPE}/serverlessEndpoints"
PROVIDER = TYPE.partition("/")[0]
NAME = re.compile(r"[a-zA-Z][a-zA-Z0-9-]{0,51}")
SAFETY = {status.lower(): status for status in ("Enabled", "Disabled")}
STATES = {"Succeeded": "Online", "Failed": "CreationFailed"}
"""What the endpoint's own state is in a provisioning state; in others it has the same name."""


@operation(
    "PUT",
    f"{PATH}/serverlessEndpoints/{{endpoint}}",
    action=f"{KIND}/write",
    note="base models of registries and tuned ones, each served by a real process with the small"
    " model; regions, retirement, subscription, one for a model; authMode and contentSafety change",
)
def put_endpoint(call: Call) -> Answer:
    """Make an endpoint, or change who may ask it and whether it filters."""
    owner, state = workspace(call), call.world.state
    with state.transaction():
        before = state.get(call.path)
        check_stays(before or {})
        document = _document(call, owner, before)
        _check(call, owner, document, before)
        stood = (before or {}).get("properties", {}).get("provisioningState", "Failed")
        is_begun = stood == "Failed"
        document["properties"]["provisioningState"] = "Creating" if is_begun else stood
        state.put(call.path, KIND, document)
        if state.get(f"{call.path}/keys") is None:
            state.put(f"{call.path}/keys", KEYS, new_keys())
    if is_begun:
        _serve(call.world, document)
    is_made = document["properties"]["provisioningState"] == "Succeeded"
    headers = {} if is_made else begin(call, call.path, PROVIDER, 1)
    return Answer(shown(state, document), 200 if before else 201, headers)


@operation(
    "GET",
    f"{PATH}/serverlessEndpoints/{{endpoint}}",
    action=f"{KIND}/read",
    note="Online once its process has answered, Suspended without the subscription it needs",
)
def get_endpoint(call: Call) -> Document:
    """Read an endpoint; one that is being made or deleted comes a step further."""
    advance(call.world, call.path)
    return shown(call.world.state, document_at(call.world.state, call.path))


@operation("GET", f"{PATH}/serverlessEndpoints", action=f"{KIND}/read", note="all of the project")
def list_endpoints(call: Call) -> dict[str, Any]:
    """List endpoints."""
    workspace(call)
    found = call.world.state.find(KIND, below=call.path)
    return page(call, [shown(call.world.state, one) for _, one in found])


@operation(
    "DELETE",
    f"{PATH}/serverlessEndpoints/{{endpoint}}",
    action=f"{KIND}/delete",
    note="its process is ended and waited for; then one poll",
)
def delete_endpoint(call: Call) -> Answer:
    """Delete an endpoint; its model stays."""
    document = call.world.state.get(call.path)
    if document is None:
        return Answer(None, 204)
    serving.end(call.world, call.path)
    return Answer(None, 202, begin_removal(call, document, PROVIDER, 1))


def resume(world: World) -> None:
    """Have the endpoints of an earlier server answer again."""
    for _, document in world.state.find(KIND):
        if document["properties"]["provisioningState"] in ("Creating", "Succeeded"):
            _serve(world, document)


def shown(state: State, document: Document) -> Document:
    """Give an endpoint as it is read: with its state, its address, and what it is paid by."""
    properties = dict(document["properties"])
    provisioning = properties["provisioningState"]
    properties["endpointState"] = STATES.get(provisioning, provisioning)
    if provisioning == "Succeeded":
        host = f"{document['name']}.{document['location']}.models.ai.azure.com"
        properties["inferenceEndpoint"] = {"uri": f"https://{host}", "headers": {}}
    model = model_of(state, document)
    if model is not None and model.needs_subscription:
        paid_by = subscription_to(state, _owner(document), model)
        properties["marketplaceSubscriptionId"] = paid_by or None
        if provisioning == "Succeeded" and not paid_by:
            properties["endpointState"] = "Suspended"
    return {**document, "properties": properties}


def model_of(state: State, document: Document) -> Served | None:
    """Give the registry's model behind an endpoint: its own, or the one its model is tuned from."""
    id = document["properties"]["modelSettings"]["modelId"]
    tuned = tuned_model(state, id)
    return base_of(tuned) if tuned else served(id)


def endpoint_of(state: State, model: str) -> str:
    """Name an endpoint that serves a workspace's model, by the id of its version; empty: none.

    A model's own id stands for all its versions.
    """
    for _, document in state.find(KIND):
        tuned = tuned_model(state, document["properties"]["modelSettings"]["modelId"])
        if tuned is not None and f"{tuned['id']}/".lower().startswith(f"{model}/".lower()):
            return str(document["name"])
    return ""


def _owner(document: Document) -> str:
    return str(document["id"].rpartition("/serverlessEndpoints/")[0])


def _serve(world: World, document: Document) -> None:
    serving.begin(world, document["id"], _folder(world, document))


def _folder(world: World, document: Document) -> Path | None:
    """Give the folder of an endpoint's model; None: the base model."""
    tuned = tuned_model(world.state, document["properties"]["modelSettings"]["modelId"])
    if tuned is None:
        return None
    owner = tuned["id"].rpartition("/models/")[0]
    return locate(world.state, owner, tuned["properties"]["modelUri"]).folder(world)


def _document(call: Call, owner: Document, before: Document | None) -> Document:
    sent = call.body.get("properties") or {}
    mode = str(sent.get("authMode") or "Key")
    safety = str((sent.get("contentSafety") or {}).get("contentSafetyStatus") or "Enabled")
    model = str((sent.get("modelSettings") or {}).get("modelId") or "")
    return {
        "id": call.path,
        "name": call.parameters["endpoint"],
        "type": KIND,
        "location": str(call.body.get("location") or "").replace(" ", "").lower() or region(owner),
        "sku": {"name": "Consumption"},
        "tags": call.body.get("tags") or {},
        "systemData": system_data(call, before),
        "properties": {
            "authMode": AUTH_MODES.get(mode.lower(), mode),
            "contentSafety": {"contentSafetyStatus": SAFETY.get(safety.lower(), safety)},
            "modelSettings": {"modelId": model.rstrip("/")},
        },
    }


def _check(call: Call, owner: Document, document: Document, before: Document | None) -> None:
    """Refuse what cannot be served, all findings at once."""
    findings = [
        *_form_findings(call, owner, document),
        *_name_findings(call.world.state, document),
        *_model_findings(call, owner, document),
        *_standing_findings(call.world.state, document, before),
    ]
    if findings:
        raise bad_request(" ".join(findings))


def _form_findings(call: Call, owner: Document, document: Document) -> Iterator[str]:
    properties, name = document["properties"], document["name"]
    if kind_of(owner) == "hub":
        yield f"{owner['name']!r} is a hub: serverless endpoints are made in its projects."
    if not NAME.fullmatch(name):
        yield f"The name {name!r} is not legal: 1 to 52 letters, digits, hyphens; a letter first."
    if document["location"] != region(owner):
        yield f"The location must be that of the workspace, {region(owner)}."
    sku = str((call.body.get("sku") or {}).get("name") or "Consumption")
    if sku != "Consumption":
        yield f"The sku {sku!r} is not played: Consumption is."
    if properties["authMode"] not in AUTH_MODES.values():
        yield f"authMode {properties['authMode']!r} is none of {', '.join(AUTH_MODES.values())}."
    if properties["contentSafety"]["contentSafetyStatus"] not in SAFETY.values():
        yield "contentSafetyStatus must be Enabled or Disabled."


def _name_findings(state: State, document: Document) -> Iterator[str]:
    """Look for the same address; the words are Azure's (azureai-foundry-finetuning-raft#45)."""
    for id, other in state.find(KIND):
        is_same = (other["name"].lower(), other["location"]) == (
            document["name"].lower(),
            document["location"],
        )
        if is_same and id.lower() != document["id"].lower():
            yield (
                f"Serverless endpoint name '{document['name']}' is not available. Please select a"
                " different name."
            )


def _model_findings(call: Call, owner: Document, document: Document) -> Iterator[str]:
    id, place = document["properties"]["modelSettings"]["modelId"], document["location"]
    found = REGISTRY_ID.fullmatch(id)
    if found and found["version"]:
        yield f"The model {id!r} is named with its version: leave that out."
    tuned = tuned_model(call.world.state, id)
    if tuned is not None:
        source = tuned["id"].rpartition("/models/")[0]
        require(call.world.state, call.principal, f"{TYPE}/models/versions/read", source)
    model = base_of(tuned) if tuned else served(id)
    if model is None:
        what = "tuned by this service" if TUNED_ID.fullmatch(id) else "served here"
        yield f"The model {id!r} was not found, or is not one that is {what}."
        return
    # A tuned model needs a region that also tunes; see "Cross-region deployment" in the guide.
    regions = model.tuned_in if tuned else model.deployed_in
    if model.is_over():
        yield f"The model {model.name} was retired on {model.retired}."
    elif place not in regions:
        yield f"The model {id!r} is not deployed in {place}: in {', '.join(regions)}."
    elif model.needs_subscription and not subscription_to(call.world.state, owner["id"], model):
        yield f"The project has no marketplace subscription to {model.id}."


def _standing_findings(state: State, document: Document, before: Document | None) -> Iterator[str]:
    model = _settings(document)
    if before is not None and _settings(before) != model:
        yield "The model of an endpoint cannot be changed."
    for id, other in state.find(KIND):
        is_near = TUNED_ID.fullmatch(model) or _owner(other).lower() == _owner(document).lower()
        if id.lower() != document["id"].lower() and is_near and _settings(other) == model:
            yield f"The model {model!r} is already deployed, as {other['name']!r}."


def _settings(document: Document) -> str:
    return str(document["properties"]["modelSettings"]["modelId"]).lower()


def _settled(world: World, document: Document) -> Verdict:
    """Tell whether a process answers by now, or why it never will."""
    if serving.is_ready(world, document["id"]):
        return "Succeeded", {}
    if text := serving.problem(world, document["id"]):
        return "Failed", {"code": "ServerlessEndpointFailed", "message": text}
    return "Creating", {}


def _removed(world: World, document: Document, final: bool) -> None:
    serving.end(world, document["id"])


SETTLING[KIND.lower()] = _settled
REMOVALS[KIND.lower()] = _removed
