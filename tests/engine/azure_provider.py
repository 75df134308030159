"""Stands in for `pulumi-resource-azure-native`: the engine's requests, sent on as ARM requests.

Pulumi's own provider is a binary of its own that a test machine may not have. What matters of it
here is kept: it refuses to create what is there already, it deletes softly, a deletion of what is
gone is none, and a failure half-way leaves the resource out of the state. Which request it sends
is infra/arm.py's business, as for the in-process engine.
"""

import json
import os
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
from google.protobuf.empty_pb2 import Empty
from google.protobuf.json_format import MessageToDict
from google.protobuf.struct_pb2 import Struct
from plugin import serve

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from pulumi.runtime.proto import plugin_pb2, provider_pb2, provider_pb2_grpc

from core.cloud import Cloud
from core.errors import UserError
from infra.arm import outputs, request
from infra.arm_types import TYPES

SECRET = "4dabf18193072939515e22adb298388d"
CREATE_ONLY = {
    "azure-native:storage:StorageAccount": {"kind", "location", "isHnsEnabled"},
    "azure-native:authorization:RoleAssignment": {"principalId", "roleDefinitionId"},
}
TIMES = "TUNESTACK_PROVIDER_TIMES"


class Provider(provider_pb2_grpc.ResourceProviderServicer):
    """Creates, reads, updates and deletes by `core.arm.Arm`."""

    def __init__(self) -> None:
        self._cloud = Cloud.sign_in(os.environ["AZURE_SUBSCRIPTION_ID"])
        self._arm = self._cloud.arm

    def Handshake(self, asked: Any, context: Any) -> Any:
        return provider_pb2.ProviderHandshakeResponse(accept_secrets=False, accept_resources=False)

    def GetPluginInfo(self, asked: Any, context: Any) -> Any:
        return plugin_pb2.PluginInfo(version="3.29.0")

    def CheckConfig(self, asked: Any, context: Any) -> Any:
        return provider_pb2.CheckResponse(inputs=asked.news)

    def DiffConfig(self, asked: Any, context: Any) -> Any:
        return provider_pb2.DiffResponse(changes=provider_pb2.DiffResponse.DIFF_NONE)

    def Configure(self, asked: Any, context: Any) -> Any:
        return provider_pb2.ConfigureResponse(supportsPreview=True)

    def Cancel(self, asked: Any, context: Any) -> Any:
        return Empty()

    def Invoke(self, asked: Any, context: Any) -> Any:
        if asked.tok != "azure-native:authorization:getClientConfig":
            context.abort(grpc.StatusCode.UNIMPLEMENTED, f"{asked.tok} is not played")
        person = self._cloud.person()
        found = {
            "clientId": person.object_id,
            "objectId": person.object_id,
            "subscriptionId": self._cloud.subscription_id,
            "tenantId": person.tenant_id,
        }
        answer = provider_pb2.InvokeResponse()
        getattr(answer, "return").update(found)
        return answer

    def Check(self, asked: Any, context: Any) -> Any:
        return provider_pb2.CheckResponse(inputs=asked.news)

    def Diff(self, asked: Any, context: Any) -> Any:
        token = _token(asked.urn)
        before, after = _plain(asked.old_inputs), _plain(asked.news)
        changed = [key for key in {**before, **after} if before.get(key) != after.get(key)]
        changed = [key for key in changed if key not in asked.ignoreChanges]
        fixed = TYPES[token].path_inputs | {"location"} | CREATE_ONLY.get(token, set())
        kinds = provider_pb2.DiffResponse
        return provider_pb2.DiffResponse(
            changes=kinds.DIFF_SOME if changed else kinds.DIFF_NONE,
            diffs=changed,
            replaces=[key for key in changed if key in fixed],
            deleteBeforeReplace=True,
        )

    def Create(self, asked: Any, context: Any) -> Any:
        token, inputs = _token(asked.urn), _plain(asked.properties)
        wanted = request(token, inputs, self._cloud.subscription_id)
        if asked.preview:
            return provider_pb2.CreateResponse(properties=_state(token, wanted.body))
        with _reported(context), _timed(asked.urn):
            if self._arm.get(wanted.path, wanted.kind.api_version) is not None:
                raise UserError(f"cannot create already existing resource '{wanted.path}'")
            answer = self._arm.put(wanted.path, wanted.kind.api_version, wanted.body)
        return provider_pb2.CreateResponse(id=answer["id"], properties=_state(token, answer))

    def Read(self, asked: Any, context: Any) -> Any:
        token = _token(asked.urn)
        with _reported(context):
            answer = self._arm.get(asked.id, TYPES[token].api_version)
        if answer is None:
            return provider_pb2.ReadResponse()
        state = outputs(token, answer)
        known = _plain(asked.inputs) or _inputs(token, asked.id, state)
        fresh = {key: _newer(value, state.get(key, value)) for key, value in known.items()}
        return provider_pb2.ReadResponse(
            id=asked.id, properties=_struct(state), inputs=_struct(fresh)
        )

    def Update(self, asked: Any, context: Any) -> Any:
        token, inputs = _token(asked.urn), _plain(asked.news)
        wanted = request(token, inputs, self._cloud.subscription_id)
        if asked.preview:
            foreseen = _plain(asked.olds) | outputs(token, wanted.body)
            return provider_pb2.UpdateResponse(properties=_struct(foreseen))
        with _reported(context):
            answer = self._arm.put(asked.id, wanted.kind.api_version, wanted.body)
        return provider_pb2.UpdateResponse(properties=_state(token, answer))

    def Delete(self, asked: Any, context: Any) -> Any:
        token = _token(asked.urn)
        with _reported(context):
            self._arm.delete(asked.id + TYPES[token].delete_query, TYPES[token].api_version)
        return Empty()


@contextmanager
def _reported(context: Any) -> Iterator[None]:
    """Turn what Azure refused into what the engine shows."""
    try:
        yield
    except UserError as error:
        context.abort(grpc.StatusCode.UNKNOWN, f"{error} {error.hint}".strip())


@contextmanager
def _timed(urn: str) -> Iterator[None]:
    """Write down how long a resource took by itself, where a benchmark wants to know."""
    began = time.monotonic()
    yield
    if TIMES in os.environ:
        with Path(os.environ[TIMES]).open("a") as file:
            file.write(json.dumps({"urn": urn, "seconds": time.monotonic() - began}) + "\n")


def _token(urn: str) -> str:
    return urn.split("::")[2].split("$")[-1]


def _plain(struct: Struct) -> dict[str, Any]:
    return _open(MessageToDict(struct))


def _open(value: Any) -> Any:
    """Take secrets out of their envelopes; ARM knows none."""
    if isinstance(value, dict):
        if SECRET in value and "value" in value:
            return _open(value["value"])
        return {key: _open(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_open(inner) for inner in value]
    return value


def _state(token: str, answer: dict[str, Any]) -> Struct:
    return _struct(outputs(token, answer))


def _struct(values: dict[str, Any]) -> Struct:
    struct = Struct()
    struct.update(values)
    return struct


def _inputs(token: str, id: str, state: dict[str, Any]) -> dict[str, Any]:
    """Guess the inputs of a resource that is imported: what the id says, and what can be set."""
    kind = TYPES[token]
    segments = dict(zip(kind.path.split("/"), id.split("/"), strict=False))
    of_path = {name[1:-1]: text for name, text in segments.items() if name.startswith("{")}
    of_path.pop("subscriptionId", None)
    read_only = {"id", "name", "type", "systemData", "etag", "provisioningState"}
    return of_path | {key: value for key, value in state.items() if key not in read_only}


def _newer(known: Any, actual: Any) -> Any:
    """Take over what Azure has, of what the program named."""
    if isinstance(known, dict) and isinstance(actual, dict):
        return {key: _newer(value, actual.get(key)) for key, value in known.items()}
    if isinstance(known, list) and isinstance(actual, dict):
        return list(actual) if {*known} != {*actual} else known
    return actual


if __name__ == "__main__":
    _server = grpc.server(ThreadPoolExecutor(48))
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(Provider(), _server)
    serve(_server)
