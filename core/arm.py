"""Plain ARM requests, for the few things that azure-ai-ml lacks or is slow to import for."""

import time
from typing import TYPE_CHECKING, Any

from core.azure_errors import operation
from core.errors import CloudError
from core.long_running import (
    FAILED,
    FINAL,
    Way,
    operation_url,
    state_of,
    status_of,
    unfinished,
    wait,
)

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential

ARM = "https://management.azure.com"
ARM_SCOPE = f"{ARM}/.default"
REPEATED = frozenset(("GET", "PUT", "DELETE", "POST"))
"""Methods that are sent again when no answer came: what we POST (cancel, purge, register) does no
harm twice. azure-core leaves POST out."""


class Arm:
    """Plain ARM requests with retries, authentication and long-running operations.

    Like Azure's Go SDK, and unlike its Python one, it registers a resource provider that the
    subscription has not used yet. A change that meets another one on the same resource waits.
    """

    def __init__(
        self, credential: "TokenCredential", transport: Any = None, patience: float = 3600
    ) -> None:
        from azure.core import PipelineClient
        from azure.core.pipeline.policies import (
            BearerTokenCredentialPolicy,
            RetryPolicy,
            UserAgentPolicy,
        )

        self._patience = patience
        """Seconds that one long-running operation may take."""
        self._client: Any = PipelineClient(
            ARM,
            transport=transport,
            policies=[
                UserAgentPolicy("tunestack"),
                RetryPolicy(),
                BearerTokenCredentialPolicy(credential, ARM_SCOPE),
            ],
        )

    def get(self, path: str, api_version: str) -> dict[str, Any] | None:
        """Read a resource; None where there is none (404)."""
        answer = self._send("GET", path, api_version, None)
        return None if answer.status_code == 404 else dict(answer.json())

    def get_list(self, path: str, api_version: str) -> list[dict[str, Any]]:
        """Read a whole list, page by page; empty where its parent is gone (404)."""
        found: list[dict[str, Any]] = []
        page = self.get(path, api_version)
        while page is not None:
            found += page.get("value") or []
            page = self.get(page["nextLink"], api_version) if page.get("nextLink") else None
        return found

    def put(self, path: str, api_version: str, body: dict[str, Any]) -> dict[str, Any]:
        """Create or update a resource and wait until Azure has finished with it."""
        answer = self._change("PUT", path, api_version, body)
        is_long = self._finish(answer) is not None
        content = answer.json() if answer.content else {}
        if not is_long and state_of(content) in FINAL and content:
            return dict(content)
        return self._settled(path, api_version)

    def post(
        self, path: str, api_version: str, body: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        """Call an action of a resource, wait until Azure has finished with it, give its result.

        Of a long one that is what Azure answers last at the `Location` that it named.
        """
        answer = self._send("POST", path, api_version, body or {})
        answer = self._finish(answer) or answer
        return dict(answer.json()) if answer.content else {}

    def delete(self, path: str, api_version: str) -> bool:
        """Delete a resource and wait; False where there was none."""
        answer = self._change("DELETE", path, api_version, None)
        if answer.status_code in (204, 404):
            return False
        self._finish(answer)
        return True

    def _change(self, method: str, path: str, api_version: str, body: dict[str, Any] | None) -> Any:
        """Send a PUT or DELETE, again when what stood in its way is done."""
        way = Way(self._send, path, api_version, time.monotonic() + self._patience)
        while True:
            try:
                return self._send(method, path, api_version, body)
            except CloudError as refused:
                if refused.status != 409 or not way.is_free_after(refused):
                    raise

    def _send(self, method: str, path: str, api_version: str, body: dict[str, Any] | None) -> Any:
        from azure.core.exceptions import HttpResponseError
        from azure.core.rest import HttpRequest

        url = path if path.startswith("https://") else f"{ARM}{path}"
        parameters = {} if "api-version=" in url else {"api-version": api_version}
        with operation(f"{method} {path}"):
            request = HttpRequest(method, url, params=parameters, json=body)
            answer = self._client.send_request(request, retry_on_methods=REPEATED)
            answer.read()
            if answer.status_code >= 400 and not (
                answer.status_code == 404 and method in ("GET", "DELETE")
            ):
                raise HttpResponseError(response=answer)
        return answer

    def _finish(self, answer: Any) -> Any:
        """Wait for a long-running operation, give its last answer; None where it was not long."""
        url = operation_url(answer)
        if not url:
            return None
        deadline = time.monotonic() + self._patience
        while True:
            wait(answer, deadline)
            answer = self._send("GET", url, "", None)
            content = answer.json() if answer.content else {}
            status = content.get("status") or status_of(answer.status_code)
            if status in FAILED:
                raise unfinished(content.get("error") or {}, status)
            if status == "Succeeded":
                return answer

    def _settled(self, path: str, api_version: str) -> dict[str, Any]:
        deadline = time.monotonic() + self._patience
        while True:
            answer = self._send("GET", path, api_version, None)
            if answer.status_code == 404:
                raise CloudError(f"{path} is gone again while it was being made.", status=404)
            body = dict(answer.json())
            if state_of(body) in FAILED:
                raise CloudError(f"{path} ended as {state_of(body)}.", code=state_of(body))
            if state_of(body) in FINAL:
                return body
            wait(answer, deadline)
