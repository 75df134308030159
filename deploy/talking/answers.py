"""What an endpoint answers, read: a whole completion, parts of a stream, or a refusal.

Pure but for reading the response that it is given; who asks, and how often, is `asking`'s.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from core.errors import CloudError, UserError
from deploy.talking.refusals import OPERATION, error_of, request_id_of, service_refusal

if TYPE_CHECKING:
    import httpx

MODEL_STATUS = "ms-azureml-model-error-statuscode"
"""Azure answers 424 where the container answered an error; this header has the container's."""
EVENT_STREAM = "text/event-stream"
DONE = "[DONE]"
FILTERED = "content_filter"
"""Why an answer ended that Azure's content filter cut off."""
MAX_EVENT_BYTES = 1 << 20
"""No chunk of a completion is as long: who sends more is no chat endpoint."""

Usage = dict[str, int]


@dataclass(frozen=True)
class Part:
    """Some of an answer, or all of it."""

    text: str
    finish: str = ""
    """Why it ended (`stop`, `length`), in its last part."""
    usage: Usage | None = None
    """Tokens of question and answer, where the endpoint counts them."""


class BrokenOff(CloudError):
    """Some of an answer came, and then no more."""


class EndedEarly(Exception):
    """The stream ended without saying that it was the end."""


def received(answer: "httpx.Response") -> Iterator[Part]:
    """Read an answer as it comes; one part where it is a plain completion.

    Raises:
        CloudError: the endpoint says in the stream that it failed, or it is no completion.
        EndedEarly: it ended without an end.
    """
    if not is_streamed(answer):
        answer.read()
        yield whole(answer)
        return
    has_ended = False
    for data in events(answer.iter_bytes()):
        if data == DONE:
            return
        part = _chunk(data)
        has_ended = has_ended or bool(part.finish)
        if part != Part(""):
            yield part
    if not has_ended:
        raise EndedEarly("the connection was closed before the end")


def whole(answer: "httpx.Response") -> Part:
    """Read a chat completion.

    Raises:
        CloudError: it is something else.
    """
    try:
        document = answer.json()
        choice = document["choices"][0]
        is_filtered = choice.get("finish_reason") == FILTERED
        text = choice["message"].get("content") if is_filtered else choice["message"]["content"]
        if not isinstance(text, str | None):
            raise TypeError
        return Part(text or "", str(choice.get("finish_reason") or ""), _usage(document))
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise _unknown() from error


def is_streamed(answer: "httpx.Response") -> bool:
    """Say whether an answer comes as server-sent events."""
    return str(answer.headers.get("Content-Type", "")).lower().startswith(EVENT_STREAM)


def events(content: Iterator[bytes]) -> Iterator[str]:
    """Split server-sent events into their data; other fields and comments are left out.

    Only line feeds part lines: JSON may hold every other character that a text may break at.
    """
    data: list[str] = []
    for line in _lines(content):
        name, _, value = line.partition(b":")
        if name == b"data":
            data.append(value.removeprefix(b" ").decode(errors="replace"))
        elif not line and data:
            yield "\n".join(data)
            data = []
    if data:
        yield "\n".join(data)


def refusal(answer: "httpx.Response") -> UserError:
    """Translate an answer that is none: the caller's fault, or the endpoint's."""
    if (told := service_refusal(answer)) is not None:
        return told
    status, reason = container_status(answer), reason_of(answer)
    request_id = request_id_of(answer)
    if 400 <= status < 500 and status not in (401, 403, 404, 408, 424, 429):
        return UserError(f"The endpoint refused the question: {reason}")
    said = {
        401: "The endpoint refused the key",
        403: "The endpoint refused the key",
        404: "The endpoint has nothing that answers",
        429: "The endpoint is busy",
        503: "The endpoint is busy",
    }.get(status, "The endpoint failed")
    return CloudError(
        f"{said} ({status}): {reason}",
        hint=f"Request id {request_id}." if request_id else "",
        operation=OPERATION,
        status=status,
        request_id=request_id,
    )


def container_status(answer: "httpx.Response") -> int:
    """Give the status of the container where Azure tells it, else Azure's own."""
    said = answer.headers.get(MODEL_STATUS, "")
    return int(said) if said.isdecimal() else answer.status_code


def reason_of(answer: "httpx.Response") -> str:
    """Find the reason: our program's shape, the inference server's, or plain text."""
    error = error_of(answer)
    message = error.get("message") if isinstance(error, dict) else error
    return str(message or answer.reason_phrase)[:500]


def _lines(content: Iterator[bytes]) -> Iterator[bytes]:
    kept = b""
    for piece in content:
        *lines, kept = (kept + piece).split(b"\n")
        yield from (line.removesuffix(b"\r") for line in lines)
        if len(kept) > MAX_EVENT_BYTES:
            raise _unknown()
    yield from filter(None, (kept.removesuffix(b"\r"),))


def _chunk(data: str) -> Part:
    try:
        document = json.loads(data)
        if "error" in document:
            raise _failed(document["error"])
        choice = (document["choices"] or [{}])[0]
        text = (choice.get("delta") or {}).get("content") or ""
        if not isinstance(text, str):
            raise TypeError
        return Part(text, str(choice.get("finish_reason") or ""), _usage(document))
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise _unknown() from error


def _failed(error: Any) -> CloudError:
    said = error if isinstance(error, dict) else {"message": error}
    code = str(said.get("code") or "")
    return CloudError(
        f"The endpoint failed: {str(said.get('message') or code)[:500]}",
        operation=OPERATION,
        code=code,
    )


def _usage(document: dict[str, Any]) -> Usage | None:
    told = document.get("usage")
    if not isinstance(told, dict):
        return None
    names = ("prompt_tokens", "completion_tokens", "total_tokens")
    counted = {name: told[name] for name in names if isinstance(told.get(name), int)}
    return counted or None


def _unknown() -> CloudError:
    return CloudError(
        "The endpoint's answer is no chat completion: another program answers there.",
        hint="tunestack deploy puts this version's scoring program there.",
        operation=OPERATION,
    )
