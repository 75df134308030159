"""What lets a request in: programs on this machine and the page itself, no other web page.

A page of any site that the person has open can send requests to 127.0.0.1, from their browser. It
is known by what browsers always send and pages cannot change: `Host` (it names the other site
where that site's name was made to lead here), `Origin` and `Sec-Fetch-Site`. Nothing is ever
allowed across origins. Programs send none of the last two and pass with any API key; on a machine
with other people, a token keeps their programs out, too.
"""

import hmac

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from deploy.web.refusals import Refused

FOREIGN = ("cross-site", "same-site")
"""Another port of this machine is the same site, and another's page all the same."""

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self';"
    " base-uri 'none'; form-action 'none'; frame-ancestors 'none';"
    " require-trusted-types-for 'script'; trusted-types 'none'"
)
SECURITY = (
    (b"content-security-policy", POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cache-control", b"no-store"),
)


class Guard:
    """In front of the application: refuses what is not meant for it, and adds safe headers."""

    def __init__(self, app: ASGIApp, port: int, token: str = "") -> None:
        self.app = app
        self.token = token
        names = [f"127.0.0.1:{port}", f"localhost:{port}"]
        self.hosts = {*names, *(["127.0.0.1", "localhost"] if port == 80 else [])}
        self.origins = {f"http://{name}" for name in self.hosts}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand a request on, or refuse it."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def safely(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), *SECURITY]
            await send(message)

        try:
            self._check(scope)
        except Refused as refused:
            await refused.response()(scope, receive, safely)
            return
        await self.app(scope, receive, safely)

    def _check(self, scope: Scope) -> None:
        headers = Headers(scope=scope)
        if headers.get("host", "").lower() not in self.hosts:
            raise Refused(403, "wrong_host", "This address answers as 127.0.0.1 alone.")
        self._check_origin(scope, headers)
        if scope["method"] == "POST":
            kind = headers.get("content-type", "").split(";")[0].strip().lower()
            if kind != "application/json":
                raise Refused(415, "wrong_content_type", "Send application/json.")
        if self.token and scope["path"].startswith(("/v1", "/api")):
            self._check_token(headers)

    def _check_origin(self, scope: Scope, headers: Headers) -> None:
        if "origin" in headers and headers["origin"].lower() not in self.origins:
            raise Refused(403, "wrong_origin", "Another web page may not use this address.")
        if headers.get("sec-fetch-site") in FOREIGN:
            # A link to the page is harmless, and followed by the person.
            is_link = headers.get("sec-fetch-mode") == "navigate" and scope["path"] == "/"
            if scope["method"] != "GET" or not is_link:
                raise Refused(403, "wrong_origin", "Another web page may not use this address.")

    def _check_token(self, headers: Headers) -> None:
        scheme, _, given = headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not hmac.compare_digest(
            given.strip().encode(), self.token.encode()
        ):
            raise Refused(
                401, "wrong_token", "Show the token that `tunestack serve --token` printed."
            )
