"""Environments, code, data and models: named containers of versions that never change.

One set of operations serves all four; what differs is the check at creation. Content is fixed
once a version exists: a second PUT may change description, tags, properties and archiving.
"""

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from local.ml.locations import BLOB_HOST, locate, long_uri
from local.ml.serverless import endpoint_of
from local.ml.workspace import (
    PATH,
    TYPE,
    bad_request,
    document_at,
    is_listed,
    page,
    system_data,
    workspace,
)
from local.operations import Answer, Call, Refusal, operation
from local.state import Document, State
from local.storage.containers import create_container, find_account
from local.storage.rights import sas

Properties = dict[str, Any]


@dataclass(frozen=True)
class Noun:
    """One of the four, in its REST spelling."""

    name: str
    fixed: tuple[str, ...]
    """Properties that make a version what it is."""
    prepare: Callable[[Call, str, Properties], Properties]
    note: str

    @property
    def version_type(self) -> str:
        """The ARM type of its versions."""
        return f"{TYPE}/{self.name}/versions"


def register(noun: Noun) -> None:
    """Put a noun's operations into the table."""
    container = f"{PATH}/{noun.name}/{{name}}"
    version = f"{container}/versions/{{version}}"
    right = f"{TYPE}/{noun.name}"

    def row(method: str, path: str, action: str, handler: Callable[[Call, Noun], Any]) -> None:
        operation(method, path, action=action, note=noun.note)(lambda call: handler(call, noun))

    row("GET", f"{PATH}/{noun.name}", f"{right}/read", _list_containers)
    row("GET", container, f"{right}/read", _get_container)
    row("PUT", container, f"{right}/write", _put_container)
    row("DELETE", container, f"{right}/delete", _delete)
    row("GET", f"{container}/versions", f"{right}/versions/read", _list_versions)
    row("GET", version, f"{right}/versions/read", _get_version)
    row("PUT", version, f"{right}/versions/write", _put_version)
    row("DELETE", version, f"{right}/versions/delete", _delete)


def _put_version(call: Call, noun: Noun) -> Answer:
    owner = workspace(call)
    sent = dict(call.body.get("properties") or {})
    state = call.world.state
    properties = noun.prepare(call, owner["id"], sent)
    with state.transaction():
        before = state.get(call.path)
        _refuse_changes(noun, call, before, properties)
        document = {
            "id": call.path,
            "name": call.parameters["version"],
            "type": noun.version_type,
            "systemData": system_data(call, before),
            "properties": _with_defaults(properties),
        }
        container = call.path.rpartition("/versions/")[0]
        if state.get(container) is None:
            _store_container(call, noun, container, {})
        is_new = state.put(call.path, noun.version_type, document)
    return Answer(document, 201 if is_new else 200)


def _with_defaults(properties: Properties) -> Properties:
    return {
        "description": None,
        "isAnonymous": False,
        "isArchived": False,
        **properties,
        "tags": properties.get("tags") or {},
        "properties": properties.get("properties") or {},
        "provisioningState": "Succeeded",
    }


def _refuse_changes(noun: Noun, call: Call, before: Document | None, after: Properties) -> None:
    if before is None:
        return
    for key in noun.fixed:
        if before["properties"].get(key) != after.get(key):
            raise Refusal(
                409,
                "Conflict",
                f"The version {call.parameters['version']} of {call.parameters['name']} already"
                f" exists with another {key}: versions do not change. Use a new version.",
            )


def _get_version(call: Call, noun: Noun) -> Document:
    return document_at(call.world.state, call.path)


def _list_versions(call: Call, noun: Noun) -> dict[str, Any]:
    state, query = call.world.state, call.query
    workspace(call)
    if query.get("hash"):
        return {"value": _by_hash(state, call, query["hash"])}
    found = [d for _, d in state.find(noun.version_type, below=call.path) if is_listed(call, d)]
    order = query.get("$orderBy") or query.get("orderBy") or "createdtime desc"
    found.sort(
        key=lambda one: str(one["systemData"]["createdAt"]), reverse=order.lower().endswith("desc")
    )
    return page(call, found)


def _by_hash(state: State, call: Call, digest: str) -> list[Document]:
    """Find equal code, whatever its name: the client asks below a name that it just made up."""
    below = f"{workspace(call)['id']}/codes"
    versions = state.find(CODES.version_type, below=below)
    return [
        document
        for _, document in versions
        if document["properties"]["properties"].get("hash_sha256") == digest
    ][-1:]


def _list_containers(call: Call, noun: Noun) -> dict[str, Any]:
    workspace(call)
    found = call.world.state.find(f"{TYPE}/{noun.name}", below=call.path)
    listed = [_full_container(call.world.state, noun, d) for _, d in reversed(found)]
    return page(call, [one for one in listed if is_listed(call, one)])


def _get_container(call: Call, noun: Noun) -> Document:
    state = call.world.state
    return _full_container(state, noun, document_at(state, call.path))


def _put_container(call: Call, noun: Noun) -> Answer:
    document_at(call.world.state, workspace(call)["id"])
    document, is_new = _store_container(call, noun, call.path, call.body.get("properties") or {})
    return Answer(_full_container(call.world.state, noun, document), 201 if is_new else 200)


def _store_container(
    call: Call, noun: Noun, id: str, properties: Properties
) -> tuple[Document, bool]:
    document = {
        "id": id,
        "name": call.parameters["name"],
        "type": f"{TYPE}/{noun.name}",
        "systemData": system_data(call, call.world.state.get(id)),
        "properties": _with_defaults(properties),
    }
    return document, call.world.state.put(id, f"{TYPE}/{noun.name}", document)


def _full_container(state: State, noun: Noun, document: Document) -> Document:
    """Add the latest version and the next free number, which Azure computes."""
    versions = [d for _, d in state.find(noun.version_type, below=f"{document['id']}/versions")]
    active = [d for d in versions if not d["properties"].get("isArchived")]
    newest = max(active, key=lambda one: str(one["systemData"]["createdAt"]), default=None)
    numbers = [int(d["name"]) for d in versions if d["name"].isdecimal()]
    computed = {
        "latestVersion": newest["name"] if newest else None,
        "nextVersion": str(max(numbers, default=0) + 1),
    }
    return {**document, "properties": {**document["properties"], **computed}}


def _delete(call: Call, noun: Noun) -> Answer:
    endpoint = endpoint_of(call.world.state, call.path) if noun is MODELS else ""
    if endpoint:
        # The sentence is that of Microsoft's guide to serverless fine-tuning; what the service
        # itself answers, and with which status, is not known.
        raise Refusal(
            409,
            "Conflict",
            "You can't delete a custom model if it has an existing deployment: delete the"
            f" serverless endpoint {endpoint!r} first.",
        )
    return Answer(None, 200 if call.world.state.delete(call.path) else 204)


def _environment(call: Call, workspace_id: str, properties: Properties) -> Properties:
    if not (properties.get("image") or properties.get("build")):
        raise bad_request("An environment needs a base image or a build context.")
    return {"environmentType": "UserCreated", "osType": "Linux", **properties}


def _code(call: Call, workspace_id: str, properties: Properties) -> Properties:
    uri = str(properties.get("codeUri") or "")
    if BLOB_HOST not in uri:
        raise bad_request(f"codeUri {uri!r} is not the address of a blob folder.")
    _require_content(call, workspace_id, uri.partition("?")[0], "code")
    return properties


def _data(call: Call, workspace_id: str, properties: Properties) -> Properties:
    kind, uri = properties.get("dataType"), str(properties.get("dataUri") or "")
    if kind not in ("uri_file", "uri_folder"):
        raise bad_request(f"dataType {kind!r} is not played: uri_file and uri_folder are.")
    locate(call.world.state, workspace_id, uri)
    return properties


def _model(call: Call, workspace_id: str, properties: Properties) -> Properties:
    uri = str(properties.get("modelUri") or "")
    resolved = long_uri(call.world.state, workspace_id, uri) if uri else ""
    if not resolved:
        raise bad_request("A model needs a modelUri.")
    _require_content(call, workspace_id, resolved, "model")
    return {
        "modelType": "custom_model",
        "stage": None,
        **properties,
        "modelUri": resolved,
        "flavors": properties.get("flavors") or {},
    }


def _require_content(call: Call, workspace_id: str, uri: str, what: str) -> None:
    location = locate(call.world.state, workspace_id, uri)
    path = location.folder(call.world)
    if not (path.is_file() or (path.is_dir() and any(path.iterdir()))):
        raise bad_request(f"The {what}'s path {location.url} holds nothing.", "PathNotFound")


ENVIRONMENTS = Noun(
    "environments", ("image", "condaFile", "build"), _environment, "stored; built when used"
)
CODES = Noun("codes", ("codeUri",), _code, "found again by the hash that the client sends")
DATA = Noun("data", ("dataUri", "dataType"), _data, "uri_file and uri_folder")
MODELS = Noun(
    "models",
    ("modelUri", "modelType"),
    _model,
    "the path must hold something; not deleted while a serverless endpoint serves it, but archived",
)
for _noun in (ENVIRONMENTS, CODES, DATA, MODELS):
    register(_noun)


@operation(
    "POST",
    f"{PATH}/codes/{{name}}/versions/{{version}}/startPendingUpload",
    action=f"{TYPE}/codes/versions/write",
    note="a container of its own and a signature for it",
)
def start_pending_upload(call: Call) -> dict[str, Any]:
    """Make a container for a code upload and give the right to write into it."""

    owner = workspace(call)
    account = str(owner["properties"]["storageAccount"]).rpartition("/")[2].lower()
    account_id, _ = find_account(call.world, account)
    container = f"code-{uuid.uuid4()}"
    create_container(call.world, account_id, container)
    uri = f"https://{account}{BLOB_HOST}/{container}"
    return {
        "pendingUploadId": str(uuid.uuid4()),
        "pendingUploadType": "TemporaryBlobReference",
        "blobReferenceForConsumption": {
            "blobUri": uri,
            "storageAccountArmId": account_id,
            "credential": {
                "credentialType": "SAS",
                "sasUri": f"{uri}?{sas(call.world, account, container, 'rcwl')}",
            },
        },
    }
