"""What Azure does not answer at once: states, waiting, and what stands in a change's way."""

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from core.errors import CloudError

RESOURCES_API = "2021-04-01"
MOST_REGISTRATIONS = 3
UNREGISTERED = ("MissingSubscriptionRegistration", "MissingRegistrationForResourceProvider")
FINAL = ("Succeeded", "Active", "Provisioned")
FAILED = ("Failed", "Canceled", "Cancelled")
BUSY = (
    "AnotherOperationInProgress",
    "Conflict",
    "RequestConflict",
    "ResourceGroupBeingDeleted",
    "StorageAccountOperationInProgress",
)
"""Refusals of a change while another one goes on, by Azure ML the second."""


@dataclass
class Way:
    """What may stand in the way of one PUT or DELETE, and end by itself."""

    send: Callable[[str, str, str, dict[str, Any] | None], Any]
    path: str
    api_version: str
    deadline: float
    _was_sent_again: bool = False
    _registrations: int = 0

    def is_free_after(self, refused: CloudError) -> bool:
        """Wait until a refused change may be sent again; False where waiting does not help."""
        if time.monotonic() > self.deadline:
            return False
        if refused.code in UNREGISTERED:
            return self._register(str(refused))
        if self._wait_for_rest():
            return True
        # It may have come to rest since the refusal, so once more; then the refusal holds.
        is_first, self._was_sent_again = not self._was_sent_again, True
        return is_first and refused.code in BUSY

    def _register(self, refusal: str) -> bool:
        """Register the namespace that a refusal names and wait; False where it names none.

        Azure's Go SDK does the same, as often; Azure takes from seconds to minutes.
        """
        self._registrations += 1
        found = re.search(r"/subscriptions/[^/]+", self.path)
        named = re.search(r"namespace '([\w.]+)'", refusal)
        if not (found and named) or self._registrations > MOST_REGISTRATIONS:
            return False
        provider = f"{found[0]}/providers/{named[1]}"
        self.send("POST", f"{provider}/register", RESOURCES_API, {})
        while True:
            answer = self.send("GET", provider, RESOURCES_API, None)
            if answer.json().get("registrationState") == "Registered":
                return True
            wait(answer, self.deadline)

    def _wait_for_rest(self) -> bool:
        """Wait while Azure changes the resource; False where it does not."""
        is_busy = False
        while True:
            answer = self.send("GET", self.path.partition("?")[0], self.api_version, None)
            state = state_of(answer.json()) if answer.status_code == 200 else "Succeeded"
            if state in (*FINAL, *FAILED):
                return is_busy
            is_busy = True
            wait(answer, self.deadline)


def state_of(body: dict[str, Any]) -> str:
    """Read a resource's provisioning state; what has none is final at once."""
    return str((body.get("properties") or {}).get("provisioningState") or "Succeeded")


def status_of(code: int) -> str:
    """Read a poll's status where its body says nothing: 202 means go on, gone means done."""
    return "InProgress" if code == 202 else "Succeeded"


def unfinished(error: dict[str, Any], status: str) -> CloudError:
    """Make the error of an operation that Azure gave up."""
    code = str(error.get("code") or status)
    return CloudError(f"Azure could not finish: {code}: {error.get('message', '')}", code=code)


def operation_url(answer: Any) -> str:
    """Find where to ask; a `Location` counts only where Azure has merely accepted (202)."""
    headers = answer.headers
    location = headers.get("Location") if answer.status_code == 202 else None
    return str(headers.get("Azure-AsyncOperation") or location or "")


def wait(answer: Any, deadline: float) -> None:
    """Wait as long as Azure asked for: `retry-after-ms`, else `Retry-After`, else two seconds."""
    if time.monotonic() > deadline:
        raise CloudError("Azure is still at it; gave up waiting.", hint="Run the command again.")
    headers = answer.headers
    if "retry-after-ms" in headers:
        time.sleep(int(headers["retry-after-ms"]) / 1000)
    else:
        time.sleep(int(headers.get("Retry-After", "2")))
