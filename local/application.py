"""From a request to its operation and back: who asks, may they, what is the answer.

One ASGI application for every host. Errors have the shape of the service that was asked.
"""

import asyncio
import contextlib
import inspect
import json
import logging
import re
import time
import uuid
from collections.abc import MutableMapping
from typing import Any
from xml.etree.ElementTree import Element, SubElement, tostring

from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from local.access import ANONYMOUS, Principal, require
from local.arm.gate import check_gate
from local.faults import Fault, refusal, take
from local.login.tokens import (
    ARM_AUDIENCE,
    COGNITIVE_AUDIENCE,
    FOUNDRY_AUDIENCE,
    ML_AUDIENCE,
    STORAGE_AUDIENCE,
    verify,
)
from local.operations import (
    ARM,
    LOGIN,
    SIGNED_IN,
    Answer,
    Call,
    Operation,
    Refusal,
    find_operation,
)
from local.tenant import tenant
from local.world import World

log = logging.getLogger("local.requests")
BLOB_SUFFIX = ".blob.core.windows.net"
AI_SUFFIXES = (".openai.azure.com", ".cognitiveservices.azure.com", ".services.ai.azure.com")
MOST_JSON = 32 << 20
MOST_DRAINED = 256 << 20
_SUBSCRIPTION = re.compile(r"(?:^|.*?)(/subscriptions/([^/]+)(?:/.*)?)", re.IGNORECASE)


class _Body:
    """A request's body that is read to its end even where nobody wanted it.

    A client that is still sending sees a broken connection, not the refusal, when the server
    answers and closes; a large upload without the right must name the right.
    """

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._is_over = False

    async def receive(self) -> Message:
        """Pass a message on."""
        message = await self._receive()
        self._is_over = message["type"] != "http.request" or not message.get("more_body", False)
        return message

    async def drain(self) -> None:
        """Read what is left, up to a limit."""
        left = MOST_DRAINED
        while not self._is_over and left > 0:
            message = await self.receive()
            left -= len(message.get("body", b""))


class Application:
    """The ASGI application of one world."""

    def __init__(self, world: World) -> None:
        self.world = world

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one HTTP request."""
        if scope["type"] != "http":
            return
        body, started = _Body(receive), time.monotonic()
        request = Request(scope, body.receive)
        host = request.headers.get("host", "").partition(":")[0].lower()
        request_id = str(uuid.uuid4())
        fault = take(self.world.state, request.method, host, request.scope["path"])
        response = await self._respond_with(fault, request, host, request_id)
        if fault and fault.drop:
            await _unsent(response)
            await _cut(request, body)
            return
        response.headers["x-ms-request-id"] = request_id
        response.headers["x-ms-correlation-request-id"] = request_id
        if host.endswith(BLOB_SUFFIX):
            response.headers["x-ms-version"] = request.headers.get("x-ms-version", "2025-07-05")
        try:
            await body.drain()
            await response(scope, receive, send)
        except ClientDisconnect:
            log.info("%s %s%s: the client left", request.method, host, request.url.path)
        log.info(
            "%s %s%s -> %s (%.0f ms)",
            request.method,
            host,
            scope["path"],
            response.status_code,
            1000 * (time.monotonic() - started),
        )

    async def _respond_with(
        self, fault: Fault | None, request: Request, host: str, request_id: str
    ) -> Response:
        if fault is None:
            return await self._respond(request, host, request_id)
        log.info("fault: %s %s%s: %s", request.method, host, request.url.path, fault)
        response = Response()
        if fault.slow or fault.after:
            response = await self._respond(request, host, request_id)
        await asyncio.sleep(fault.slow / 1000)
        if not fault.status:
            return response
        await _unsent(response)
        return _refusal_response(refusal(fault, host), host)

    async def _respond(self, request: Request, host: str, request_id: str) -> Response:
        try:
            return _response(await self._perform(request, host))
        except Refusal as refusal:
            log.info("%s: %s", request_id, refusal)
            return _refusal_response(refusal, host)
        except ClientDisconnect:
            return Response(status_code=499)
        except Exception:
            log.exception("%s: %s %s%s", request_id, request.method, host, request.url.path)
            return _refusal_response(
                Refusal(500, "InternalServerError", f"The local Azure failed; id {request_id}."),
                host,
            )

    async def _perform(self, request: Request, host: str) -> Any:
        path = request.scope["path"]
        if host == ARM and len(path) > 1:
            path = path.rstrip("/")
        found = find_operation(request.method, host, path)
        if found is None:
            log.warning("not played: %s %s%s", request.method, host, path)
            raise Refusal(
                404,
                "NotImplementedLocally",
                f"The local Azure does not play {request.method} https://{host}{path}.",
            )
        row, parameters = found
        principal = self._authenticate(row, request, host)
        self._authorize(row, principal, path)
        call = Call(
            self.world,
            principal,
            parameters,
            dict(request.query_params),
            {name.lower(): value for name, value in request.headers.items()},
            path,
            {} if row.is_raw else await _body(request),
            request,
        )
        if host == ARM and not row.is_anonymous and "api-version" not in call.query:
            raise Refusal(
                400,
                "MissingApiVersionParameter",
                "The api-version query parameter (?api-version=) is required for all requests.",
            )
        if host == ARM and request.method == "PUT":
            await run_in_threadpool(check_gate, call)
        if inspect.iscoroutinefunction(row.handler):
            return await row.handler(call)
        return await run_in_threadpool(row.handler, call)

    def _authenticate(self, row: Operation, request: Request, host: str) -> Principal:
        if row.is_anonymous:
            return ANONYMOUS
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        is_key = host.endswith(AI_SUFFIXES) and token.count(".") != 2
        if scheme.lower() == "bearer" and not is_key:
            return verify(self.world.folder, token, _audiences(host))
        if host.endswith((BLOB_SUFFIX, *AI_SUFFIXES)):
            # A shared access signature, a key, or nothing: the service looks and refuses.
            return ANONYMOUS
        home = tenant(self.world.folder)
        raise Refusal(
            401,
            "AuthenticationFailed",
            "Authentication failed. The 'Authorization' header is missing.",
            WWW_Authenticate=f'Bearer authorization_uri="https://{LOGIN}/{home.tenant_id}"',
        )

    def _authorize(self, row: Operation, principal: Principal, path: str) -> None:
        home = tenant(self.world.folder)
        found = _SUBSCRIPTION.fullmatch(path)
        if found and found[2].lower() != home.subscription_id:
            raise Refusal(
                404, "SubscriptionNotFound", f"The subscription '{found[2]}' could not be found."
            )
        if row.is_anonymous or not row.action or row.action == SIGNED_IN:
            return
        require(self.world.state, principal, row.action, found[1] if found else home.subscription)


async def _unsent(response: Response) -> None:
    """Let go of what an answer that nobody will get has open."""
    if hasattr(response, "aclose"):
        await response.aclose()


async def _cut(request: Request, body: _Body) -> None:
    """Close the connection in the middle of an answer, as a network in between does.

    After no byte at all urllib3 would blame the proxy, and azure-core take the request for unsent.
    """
    with contextlib.suppress(ClientDisconnect):
        await body.drain()
    transport = request.scope["state"]["transport"]
    transport.write(b"HTTP/1.1 ")
    transport.close()
    while (await body.receive())["type"] != "http.disconnect":
        pass


def _audiences(host: str) -> tuple[str, ...]:
    if host.endswith(BLOB_SUFFIX):
        return (STORAGE_AUDIENCE, f"https://{host}")
    if host.endswith(AI_SUFFIXES):
        return (COGNITIVE_AUDIENCE, FOUNDRY_AUDIENCE)
    return (ARM_AUDIENCE,) if host == ARM else (ARM_AUDIENCE, ML_AUDIENCE)


async def _body(request: Request) -> dict[str, Any]:
    content = bytearray()
    async for piece in request.stream():
        content += piece
        if len(content) > MOST_JSON:
            raise Refusal(413, "RequestEntityTooLarge", "The request's body is too large.")
    if not content.strip():
        return {}
    try:
        body = json.loads(content)
    except ValueError as error:
        raise Refusal(
            400, "InvalidRequestContent", f"The request content was invalid: {error}."
        ) from error
    if not isinstance(body, dict):
        raise Refusal(400, "InvalidRequestContent", "The request content must be a JSON object.")
    return body


def _response(result: Any) -> Response:
    if isinstance(result, Response):
        return result
    if result is None:
        return Response(status_code=204)
    answer = result if isinstance(result, Answer) else Answer(result)
    if answer.body is None:
        return Response(status_code=answer.status, headers=answer.headers)
    return _json(answer.status, answer.body, answer.headers)


def _refusal_response(refusal: Refusal, host: str) -> Response:
    if refusal.status == 304:
        return Response(status_code=304, headers=refusal.headers)
    if host.endswith(BLOB_SUFFIX):
        root = Element("Error")
        SubElement(root, "Code").text = refusal.code
        SubElement(root, "Message").text = refusal.message
        headers = {**refusal.headers, "x-ms-error-code": refusal.code}
        return Response(
            tostring(root, encoding="utf-8", xml_declaration=True),
            refusal.status,
            headers,
            media_type="application/xml",
        )
    if host == LOGIN:
        body: MutableMapping[str, Any] = {
            "error": refusal.code,
            "error_description": refusal.message,
            "error_codes": [int(number) for number in re.findall(r"AADSTS(\d+)", refusal.message)],
        }
    else:
        error: dict[str, Any] = {
            "code": refusal.code,
            "message": refusal.message,
            **refusal.more,
        }
        body = {"error": error | ({"details": refusal.details} if refusal.details else {})}
    return _json(refusal.status, body, refusal.headers)


def _json(status: int, body: Any, headers: MutableMapping[str, str]) -> Response:
    return Response(
        json.dumps(body, ensure_ascii=False),
        status,
        dict(headers),
        media_type="application/json; charset=utf-8",
    )
