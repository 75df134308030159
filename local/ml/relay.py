"""A deployment's answer to the caller, by the rules of managed online endpoints.

`requestTimeout` bounds the whole answer: 408 before its first byte, a broken connection
after it. Microsoft calls it the time that the model's execution may take and says nothing of
streams, so where Azure cuts one is not known.
"""

import contextlib

import anyio
import httpx
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from local.operations import Call, Refusal
from local.runner.durations import seconds
from local.runner.instances import Serving
from local.runner.relaying import Streamed, ask_instance, while_caller_waits, whole
from local.state import Document

OWN_HEADERS = frozenset(
    ("authorization", "host", "connection", "content-length", "transfer-encoding", "keep-alive",
     "proxy-authorization", "te", "trailer", "upgrade", "azureml-model-deployment")
)  # fmt: skip


async def relay(
    call: Call,
    deployment: Document,
    serving: Serving,
    content: bytes,
    held: contextlib.AsyncExitStack,
) -> Response:
    """Ask an instance and answer with what it answers.

    What `held` holds is given back when the answer is whole, or has been passed on.

    Raises:
        Refusal: 503, no instance takes the request; 408; 502, its process broke the connection.
        ClientDisconnect: the caller left.
    """
    timeout = deployment["properties"]["requestSettings"]["requestTimeout"]
    deadline = anyio.current_time() + seconds(timeout)
    with anyio.CancelScope(deadline=deadline) as time:
        async with while_caller_waits(call.request.receive):
            answer = await ask_instance(serving, lambda port: _request(call, port, content), held)
            if answer is None:
                raise not_ready(deployment)
            head = _head(deployment, answer)
            if "content-length" in answer.headers:
                return Response(await whole(answer), *head)
            return Streamed(answer, head, deadline, held.pop_all())
    if time.cancelled_caught:
        raise Refusal(408, "RequestTimeout", f"No answer within {timeout}.")
    raise ClientDisconnect


def not_ready(deployment: Document) -> Refusal:
    """Make the answer for a deployment none of whose instances takes a request."""
    text = f"The deployment {deployment['name']} is not ready: no instance takes requests."
    return Refusal(503, "ServiceUnavailable", text)


def _request(call: Call, port: int, content: bytes) -> httpx.Request:
    scope = call.request.scope
    target = scope["raw_path"] + (b"?" + scope["query_string"] if scope["query_string"] else b"")
    headers = [(name, value) for name, value in call.headers.items() if name not in OWN_HEADERS]
    return httpx.Request(
        call.request.method,
        httpx.URL(scheme="http", host="127.0.0.1", port=port, raw_path=target),
        headers=[*headers, ("connection", "close")],
        content=content,
    )


def _head(deployment: Document, answer: httpx.Response) -> tuple[int, dict[str, str]]:
    """Give status and headers of an answer; Microsoft's table makes every error a 424."""
    headers = {
        name: value
        for name, value in answer.headers.items()
        if name.lower() not in (*OWN_HEADERS, "server", "date")
    }
    headers["azureml-model-deployment"] = deployment["name"]
    if answer.is_success:
        return answer.status_code, headers
    headers["ms-azureml-model-error-statuscode"] = str(answer.status_code)
    headers["ms-azureml-model-error-reason"] = "model_error"
    return 424, headers
