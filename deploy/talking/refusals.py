"""Refusals of the services that Azure runs itself: the content filter, the limits, a missing role.

Their words are quoted in managed-wire facts, section 1.6; a container's refusals are `answers`'.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from core.errors import CloudError, UserError

if TYPE_CHECKING:
    import httpx

OPERATION = "ask the endpoint"
BLOCKED = ("content_filter", "ResponsibleAIPolicyViolation", "contentFilter")
"""Azure's codes for a question that its content filter did not let through."""


class Filtered(UserError):
    """The content filter did not let a question through; others may pass."""


def service_refusal(answer: "httpx.Response") -> UserError | None:
    """Translate what such a service refuses; None where it is another's refusal."""
    error = error_of(answer)
    message = str(error.get("message") or "") if isinstance(error, dict) else ""
    if code_of(answer) in BLOCKED:
        return _blocked(error)
    if answer.status_code == 429 and (what := _limit(message)):
        return _used_up(answer, what)
    if answer.status_code in (401, 403) and "data action" in message:
        return _no_role(answer, message)
    return None


def error_of(answer: "httpx.Response") -> Any:
    """Find what an answer says of its error: a document, or plain text."""
    try:
        body = answer.json()
    except ValueError:
        return answer.text.strip()[:500]
    return body.get("error", body) if isinstance(body, dict) else body


def code_of(answer: "httpx.Response") -> str:
    """Find the error's code; empty where there is none."""
    error = error_of(answer)
    return str(error.get("code") or "") if isinstance(error, dict) else ""


def request_id_of(answer: "httpx.Response") -> str:
    """Find what Azure's support asks for; the AI services call it otherwise."""
    names = ("x-ms-request-id", "apim-request-id", "x-request-id")
    return next((str(answer.headers[name]) for name in names if name in answer.headers), "")


def _blocked(error: Any) -> Filtered:
    harms = ", ".join(_harms(error if isinstance(error, dict) else {}))
    return Filtered(
        f"Azure's content filter blocked the question{f' ({harms})' if harms else ''}; the model"
        " has not seen it.",
        hint="Put it otherwise. Another filter: tunestack deploy --content-filter NAME (Foundry) or"
        " --no-content-safety (serverless).",
    )


def _harms(error: dict[str, Any]) -> Iterator[str]:
    """Name what was found, with its severity; Azure writes the keys in two ways."""
    inner = error.get("innererror") or error.get("inner_error") or {}
    found = inner.get("content_filter_result") or inner.get("content_filter_results") or {}
    for name, verdict in found.items():
        if isinstance(verdict, dict) and verdict.get("filtered"):
            severity = verdict.get("severity")
            told = name.replace("_", " ")
            yield f"{told}: {severity}" if severity else told


def _limit(message: str) -> str:
    """Say which limit a refusal names; empty where it is none of a deployment's."""
    said = message.lower()
    if "token rate limit" in said:
        return "tokens a minute"
    return "requests a minute" if "call rate limit" in said or "rate limit" in said else ""


def _used_up(answer: "httpx.Response", what: str) -> CloudError:
    wait = answer.headers.get("Retry-After", "")
    after = f" for the next {wait} s" if wait.isdecimal() else ""
    return CloudError(
        f"The deployment's {what} are used up{after}.",
        hint="Raise them, in thousands of tokens a minute: tunestack deploy --capacity N. Or wait.",
        operation=OPERATION,
        code="429",
        status=429,
        request_id=request_id_of(answer),
    )


def _no_role(answer: "httpx.Response", message: str) -> CloudError:
    return CloudError(
        f"You may not ask this deployment ({answer.status_code}): {message[:500]}",
        hint="tunestack up gives you the role; a new grant takes minutes to be in force.",
        operation=OPERATION,
        code=code_of(answer),
        status=answer.status_code,
        request_id=request_id_of(answer),
    )
