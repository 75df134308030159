"""Managed online endpoints: who may call them, with which keys, and where requests go.

Batch and Kubernetes endpoints and traffic mirroring are not played; serverless endpoints are
`local/ml/serverless.py`'s.
"""

import re
import secrets
import time
from typing import Any

from local import access
from local.arm.polling import DELETING, REMOVALS, advance, begin_removal
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
from local.state import Document, State
from local.world import World

KIND = f"{TYPE}/onlineEndpoints"
KEYS = "ml/endpointKeys"
NAME = re.compile(r"[a-zA-Z][a-zA-Z0-9-]{1,30}[a-zA-Z0-9]")
AUTH_MODES = {mode.lower(): mode for mode in ("Key", "AMLToken", "AADToken")}
TOKEN_SECONDS = 12 * 3600


@operation(
    "PUT",
    f"{PATH}/onlineEndpoints/{{endpoint}}",
    action=f"{KIND}/write",
    note="user-assigned identity only; traffic is 0 or 100 percent of existing deployments",
)
def put_endpoint(call: Call) -> Answer:
    """Make an endpoint, or change its traffic and tags."""
    owner = workspace(call)
    state = call.world.state
    with state.transaction():
        before = state.get(call.path)
        check_stays(before or {})
        document = _document(call, owner, before)
        _check(call, document, before)
        is_new = state.put(call.path, KIND, document)
        if is_new:
            state.put(f"{call.path}/keys", KEYS, _new_keys())
    return accepted(call, document, status=201 if is_new else 200, target=call.path)


@operation("GET", f"{PATH}/onlineEndpoints/{{endpoint}}", action=f"{KIND}/read", note="as stored")
def get_endpoint(call: Call) -> Document:
    """Read an endpoint; one that is being deleted comes a step further."""
    advance(call.world, call.path)
    return document_at(call.world.state, call.path)


@operation("GET", f"{PATH}/onlineEndpoints", action=f"{KIND}/read", note="all of the workspace")
def list_endpoints(call: Call) -> dict[str, Any]:
    """List endpoints."""
    workspace(call)
    return page(call, [d for _, d in call.world.state.find(KIND, below=call.path)])


@operation(
    "DELETE",
    f"{PATH}/onlineEndpoints/{{endpoint}}",
    action=f"{KIND}/delete",
    note="with its deployments, whose processes are ended and waited for; then two polls",
)
def delete_endpoint(call: Call) -> Answer:
    """Delete an endpoint and everything below it."""
    document = call.world.state.get(call.path)
    if document is None:
        return Answer(None, 204)
    call.world.processes.end_below(call.path)
    with call.world.state.transaction():
        for id, deployment in call.world.state.find(f"{KIND}/deployments", below=call.path):
            deployment["properties"]["provisioningState"] = DELETING
            call.world.state.put(id, f"{KIND}/deployments", deployment)
        begin_removal(call, document, TYPE.partition("/")[0], 2)
    return accepted(call, None, status=202, target=call.path)


@operation(
    "POST",
    f"{PATH}/onlineEndpoints/{{endpoint}}/listKeys",
    action=f"{KIND}/listkeys/action",
    note="random per endpoint",
)
def list_keys(call: Call) -> dict[str, Any]:
    """Give the keys."""
    endpoint = document_at(call.world.state, call.path.rpartition("/")[0])
    if endpoint["properties"]["authMode"] != "Key":
        raise bad_request(f"The endpoint {endpoint['name']} does not use keys.")
    keys = call.world.state.get(f"{endpoint['id']}/keys") or {}
    return {"primaryKey": keys["primaryKey"], "secondaryKey": keys["secondaryKey"]}


@operation(
    "POST",
    f"{PATH}/onlineEndpoints/{{endpoint}}/regenerateKeys",
    action=f"{KIND}/regeneratekeys/action",
    note="the old key stops working at once; a key of one's own may be given",
)
def regenerate_keys(call: Call) -> Answer:
    """Replace a key."""
    id = call.path.rpartition("/")[0]
    document_at(call.world.state, id)
    kind = str(call.body.get("keyType") or "Primary").lower()
    with call.world.state.transaction():
        keys = call.world.state.get(f"{id}/keys") or _new_keys()
        keys[f"{kind}Key"] = call.body.get("keyValue") or secrets.token_urlsafe(48)
        call.world.state.put(f"{id}/keys", KEYS, keys)
    return accepted(call, None, status=202, target=id)


@operation(
    "POST",
    f"{PATH}/onlineEndpoints/{{endpoint}}/token",
    action=f"{KIND}/token/action",
    note="for authMode AMLToken, valid for twelve hours",
)
def get_token(call: Call) -> dict[str, Any]:
    """Give a token that the scoring address takes."""
    endpoint = document_at(call.world.state, call.path.rpartition("/")[0])
    if endpoint["properties"]["authMode"] != "AMLToken":
        raise bad_request(f"The endpoint {endpoint['name']} does not use Azure ML tokens.")
    expires = int(time.time()) + TOKEN_SECONDS
    token = f"{secrets.token_urlsafe(48)}.{expires}"
    with call.world.state.transaction():
        keys = call.world.state.get(f"{endpoint['id']}/keys") or _new_keys()
        valid = [old for old in keys.get("tokens", []) if token_is_current(old)]
        keys["tokens"] = [*valid, token]
        call.world.state.put(f"{endpoint['id']}/keys", KEYS, keys)
    return {
        "accessToken": token,
        "tokenType": "Bearer",
        "expiryTimeUtc": expires,
        "refreshAfterTimeUtc": expires - 3600,
    }


def _end_processes(world: World, endpoint: Document, final: bool) -> None:
    world.processes.end_below(endpoint["id"])


REMOVALS[KIND.lower()] = _end_processes


def identities_of(document: Document) -> list[str]:
    """List the user-assigned identities of a resource."""
    return list((document.get("identity") or {}).get("userAssignedIdentities") or {})


def token_is_current(token: str) -> bool:
    """Say whether an endpoint's token has not expired."""
    return int(token.rpartition(".")[2]) > time.time()


def _document(call: Call, owner: Document, before: Document | None) -> Document:
    sent = call.body.get("properties") or {}
    name, place = call.parameters["endpoint"], region(owner)
    mode = AUTH_MODES.get(str(sent.get("authMode") or "Key").lower())
    if mode is None:
        raise bad_request(f"authMode {sent.get('authMode')!r} is none of Key, AMLToken, AADToken.")
    identity = call.body.get("identity") or (before or {}).get("identity")
    old = (before or {}).get("properties", {})
    return {
        "id": call.path,
        "name": name,
        "type": KIND,
        "location": place,
        "kind": "Managed",
        "tags": call.body.get("tags") or {},
        "identity": _identity(call, identity),
        "systemData": system_data(call, before),
        "properties": {
            "description": sent.get("description"),
            "authMode": mode,
            "publicNetworkAccess": sent.get("publicNetworkAccess") or "Enabled",
            "properties": sent.get("properties") or {},
            "traffic": sent.get("traffic") or ({} if "traffic" in sent else old.get("traffic", {})),
            "mirrorTraffic": {},
            "scoringUri": f"https://{name.lower()}.{place}.inference.ml.azure.com/score",
            "swaggerUri": f"https://{name.lower()}.{place}.inference.ml.azure.com/swagger.json",
            "provisioningState": "Succeeded",
        },
    }


def _identity(call: Call, sent: Any) -> dict[str, Any]:
    ids = list((sent or {}).get("userAssignedIdentities") or {})
    if not ids or "system" in str(sent.get("type", "")).lower():
        raise bad_request(
            "Only endpoints with a user-assigned identity are played: Azure would make a"
            " system-assigned one here and grant it Storage Blob Data Reader and AcrPull."
        )
    assigned = {}
    for id in ids:
        principal = access.identity_principal(call.world.state, id)
        properties = (call.world.state.get(id) or {})["properties"]
        assigned[id] = {
            "principalId": principal.object_id,
            "clientId": properties.get("clientId"),
        }
    return {"type": "UserAssigned", "userAssignedIdentities": assigned}


def _check(call: Call, document: Document, before: Document | None) -> None:
    name, properties = document["name"], document["properties"]
    findings = _traffic_findings(call.world.state, document)
    if not NAME.fullmatch(name):
        findings.append(
            f"The name {name!r} is not legal: 3 to 32 letters, digits and hyphens,"
            " a letter first and no hyphen last."
        )
    if call.body.get("properties", {}).get("mirrorTraffic"):
        findings.append("Traffic mirroring is not played.")
    if before and before["properties"]["authMode"] != properties["authMode"]:
        findings.append("authMode cannot be changed.")
    if findings:
        raise bad_request(" ".join(findings))
    for id, other in call.world.state.find(KIND):
        is_same_address = other["properties"]["scoringUri"] == properties["scoringUri"]
        if is_same_address and id.lower() != call.path.lower():
            raise Refusal(
                409, "Conflict", f"The endpoint name {name!r} is taken in {document['location']}."
            )


def _traffic_findings(state: State, document: Document) -> list[str]:
    traffic, findings = document["properties"]["traffic"], []
    for deployment, share in traffic.items():
        if not isinstance(share, int) or not 0 <= share <= 100:
            findings.append(f"The traffic of {deployment!r} is {share!r}: it must be 0 to 100.")
        if state.get(f"{document['id']}/deployments/{deployment}") is None:
            findings.append(f"Traffic names the deployment {deployment!r}, which does not exist.")
    if not findings and sum(traffic.values()) not in (0, 100):
        findings.append(f"Traffic adds up to {sum(traffic.values())} percent: it must be 0 or 100.")
    return findings


def _new_keys() -> dict[str, Any]:
    return {
        "primaryKey": secrets.token_urlsafe(48),
        "secondaryKey": secrets.token_urlsafe(48),
        "tokens": [],
    }
