"""The table of operations: which request does what, and which right it takes.

Every service module registers its operations with `@operation`; the server looks requests up
here, `access` decides from the `action` or `data_action` in the same row, and COVERAGE.md is
written from it. A request that is not in the table is answered 404 and named.
"""

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from local.access import Principal
    from local.world import World

ARM = "management.azure.com"
LOGIN = "login.microsoftonline.com"
BLOB = "{account}.blob.core.windows.net"
ML_API = "{region}.api.azureml.ms"
SCORING = "{endpoint_host}.{region}.inference.ml.azure.com"
OPENAI = "{account}.openai.azure.com"
COGNITIVE = "{account}.cognitiveservices.azure.com"
FOUNDRY = "{account}.services.ai.azure.com"
MODELS = "{endpoint_host}.{region}.models.ai.azure.com"
AI = "{account}.{ai_domain}.azure.com"
"""All three of an AI account, for what it answers at each of them; see `local.ai.hosts`."""

SIGNED_IN = "(any signed-in caller)"
"""An `action` that every token has; the handler shows only what concerns the caller."""


class Refusal(Exception):
    """An answer in Azure's error shape: `{"error": {"code": ..., "message": ...}}`."""

    details: tuple[dict[str, str], ...] = ()
    """Further errors, each with code and message, where ARM's answer has such."""
    more: Mapping[str, Any] = {}
    """What else the error says, where a service's errors have fields of their own."""

    def __init__(self, status: int, code: str, message: str, **headers: str) -> None:
        super().__init__(f"{status} {code}: {message}")
        self.status = status
        self.code = code
        self.message = message
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}


@dataclass(frozen=True)
class Answer:
    """A JSON answer with a status and headers; a handler may return a plain dict for 200."""

    body: dict[str, Any] | list[Any] | None = None
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Call:
    """One request as an operation sees it."""

    world: "World"
    principal: "Principal"
    """Who asks; anonymous where the operation takes no token."""
    parameters: dict[str, str]
    """The named parts of host and path."""
    query: dict[str, str]
    headers: dict[str, str]
    """Lower-case names."""
    path: str
    """The path as sent, decoded: for ARM requests, the resource's id."""
    body: dict[str, Any]
    """The JSON body; empty where there is none, or where the operation is `raw`."""
    request: "Request"


Handler = Callable[[Call], "Answer | dict[str, Any] | Response | None"]
AsyncHandler = Callable[[Call], Awaitable["Answer | dict[str, Any] | Response | None"]]


@dataclass(frozen=True)
class Operation:
    """A row of the table."""

    method: str
    host: str
    path: str
    handler: Handler | AsyncHandler
    action: str
    """Control-plane right, e.g. `Microsoft.Storage/storageAccounts/write`; checked on the path."""
    data_action: str
    """Data-plane right, e.g. `.../containers/blobs/read`; the service says on which resource."""
    is_anonymous: bool
    is_raw: bool
    note: str
    """How faithful it is, in a few words, for COVERAGE.md."""
    pattern: re.Pattern[str]

    def match(self, method: str, host: str, path: str) -> dict[str, str] | None:
        """Give the named parts where this row fits the request."""
        if method != self.method:
            return None
        found = self.pattern.fullmatch(f"{host}{path}")
        return dict(found.groupdict()) if found else None


OPERATIONS: list[Operation] = []


def operation(
    method: str,
    path: str,
    *,
    host: str = ARM,
    action: str = "",
    data_action: str = "",
    anonymous: bool = False,
    raw: bool = False,
    note: str = "",
) -> Callable[[Handler | AsyncHandler], Handler | AsyncHandler]:
    """Register a handler for `method` on `host` and `path`.

    `{name}` in host or path matches one segment, `{name:path}` the rest. A plain function runs
    in a thread, a coroutine function on the loop; `raw` leaves the body unread for it. Every
    operation names its `action` or `data_action`, unless it is `anonymous`.
    """

    def register(handler: Handler | AsyncHandler) -> Handler | AsyncHandler:
        pattern = re.compile(_expression(host) + _expression(path), re.IGNORECASE)
        OPERATIONS.append(
            Operation(
                method, host, path, handler, action, data_action, anonymous, raw, note, pattern
            )
        )
        return handler

    if not (action or data_action or anonymous):
        raise ValueError(f"{method} {host}{path} names no right")
    return register


def find_operation(method: str, host: str, path: str) -> tuple[Operation, dict[str, str]] | None:
    """Look a request up; the first row that fits wins."""
    for row in OPERATIONS:
        parameters = row.match(method, host, path)
        if parameters is not None:
            return row, parameters
    return None


def host_pattern(template: str) -> re.Pattern[str]:
    """Give the expression of the hosts that a row's `host` stands for."""
    return re.compile(_expression(template), re.IGNORECASE)


def _expression(template: str) -> str:
    parts = re.split(r"(\{[a-z_]+(?::path)?\})", template)
    return "".join(_group(part) if part.startswith("{") else re.escape(part) for part in parts)


CHOICES = {
    "ai_domain": r"openai|cognitiveservices|services\.ai",
    "ai_base": r"openai(?:/v1)?|api/projects/[^/]+/openai/v1",
}
"""Parts that are one of a few words, by their names."""


def _group(part: str) -> str:
    name, _, rest = part.strip("{}").partition(":")
    if name in CHOICES:
        return f"(?P<{name}>{CHOICES[name]})"
    if rest:
        return f"(?P<{name}>.*)"
    return (
        f"(?P<{name}>[^/.]+)"
        if name in ("account", "region", "endpoint_host")
        else f"(?P<{name}>[^/]+)"
    )
