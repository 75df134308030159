"""Keys of serverless endpoints: who has one may ask, where the endpoint takes keys."""

import secrets

from local.ml.workspace import PATH, TYPE, bad_request, document_at
from local.operations import Call, operation
from local.state import Document

KIND = f"{TYPE}/serverlessEndpoints"
KEYS = "ml/serverlessKeys"
AUTH_MODES = {mode.lower(): mode for mode in ("Key", "AAD", "KeyAndAAD")}


def new_keys() -> dict[str, str]:
    """Make both keys of an endpoint; Azure's have 32 characters, too."""
    return {"primaryKey": secrets.token_hex(16), "secondaryKey": secrets.token_hex(16)}


def takes_keys(endpoint: Document) -> bool:
    """Say whether an endpoint answers who has a key."""
    return "Key" in endpoint["properties"]["authMode"]


def takes_tokens(endpoint: Document) -> bool:
    """Say whether an endpoint answers who has an Entra token."""
    return "AAD" in endpoint["properties"]["authMode"]


@operation(
    "POST",
    f"{PATH}/serverlessEndpoints/{{endpoint}}/listKeys",
    action=f"{KIND}/listKeys/action",
    note="random per endpoint; refused where it takes Entra tokens alone",
)
def list_keys(call: Call) -> dict[str, str]:
    """Give the keys."""
    return _keys(call)


@operation(
    "POST",
    f"{PATH}/serverlessEndpoints/{{endpoint}}/regenerateKeys",
    action=f"{KIND}/regenerateKeys/action",
    note="the old key stops working at once; azure-ai-ml sends the old one along, which counts as"
    " none; another one that is sent becomes the key",
)
def regenerate_keys(call: Call) -> dict[str, str]:
    """Replace a key."""
    kind = str(call.body.get("keyType") or "Primary").lower()
    if kind not in ("primary", "secondary"):
        raise bad_request(f"keyType {call.body.get('keyType')!r} is neither Primary nor Secondary.")
    with call.world.state.transaction():
        keys, sent = _keys(call), str(call.body.get("keyValue") or "")
        own = sent if sent and sent not in keys.values() else ""
        keys[f"{kind}Key"] = own or new_keys()["primaryKey"]
        call.world.state.put(f"{_endpoint(call)['id']}/keys", KEYS, keys)
    return keys


def _endpoint(call: Call) -> Document:
    return document_at(call.world.state, call.path.rpartition("/")[0])


def _keys(call: Call) -> dict[str, str]:
    endpoint = _endpoint(call)
    if not takes_keys(endpoint):
        raise bad_request(f"The endpoint {endpoint['name']} does not use keys.")
    return dict(call.world.state.get(f"{endpoint['id']}/keys") or {})
