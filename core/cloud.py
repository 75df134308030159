"""The cloud session: one credential, Azure's public addresses, and the SDK clients made of them.

Azure's exceptions become ours here and nowhere else. A rehearsal needs no switch in this file:
it sets the proxy, the CA bundle and the credential's environment before a session opens.
"""

import base64
import io
import json
import logging
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

from core.errors import CloudError, NotSignedIn
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
from core.refs import StackOutputs

if TYPE_CHECKING:
    from azure.ai.ml import MLClient
    from azure.core.credentials import TokenCredential

T = TypeVar("T")

ARM = "https://management.azure.com"
ARM_SCOPE = f"{ARM}/.default"
ML_SCOPE = "https://ml.azure.com/.default"
STORAGE_SCOPE = "https://storage.azure.com/.default"

REPEATED = frozenset(("GET", "PUT", "DELETE", "POST"))
"""Methods that are sent again when no answer came: what we POST (cancel, purge, register) does no
harm twice. azure-core leaves POST out."""
AGAIN = "The fault is not in the request: give the same command again, and it goes on from here."


@dataclass(frozen=True)
class Person:
    """Who the credential stands for, as its token says."""

    object_id: str
    tenant_id: str
    name: str
    is_person: bool


@contextmanager
def operation(name: str) -> Iterator[None]:
    """Turn what Azure's SDKs raise inside into a `CloudError` or `NotSignedIn`.

    `name` says what was being done, as a person would: "create the endpoint".
    """
    from azure.core.exceptions import (
        AzureError,
        ClientAuthenticationError,
        HttpResponseError,
        ServiceRequestError,
    )

    try:
        yield
    except ClientAuthenticationError as error:
        if failed := _login_failure(error):
            told = f"Azure's sign-in service failed ({failed}), so that Azure could not {name}."
            raise CloudError(told, hint=AGAIN, operation=name) from error
        if error.response is None:
            raise NotSignedIn("Not signed in to Azure.", hint="az login") from error
        raise _refused(name, error) from error
    except HttpResponseError as error:
        raise _refused(name, error) from error
    except ServiceRequestError as error:
        raise CloudError(
            f"Azure could not be reached to {name}: {error.message}",
            hint="Check the network (a rehearsal's Azure may have stopped: tunestack local status)."
            " Then the same command goes on from here.",
            operation=name,
        ) from error
    except AzureError as error:
        told = f"Azure could not {name}: {error.message}"
        raise CloudError(told, hint=AGAIN, operation=name) from error


def _login_failure(error: Exception) -> str:
    """Find the status of a sign-in service that is out of order; empty where it refused.

    azure-identity tries several ways in and keeps of their failures only the words.
    """
    found = re.search(r"HTTP Error: (5\d\d)", str(error))
    return found[1] if found else ""


def uploaded(call: Callable[[], T]) -> T:
    """Make an asset whose files azure-ai-ml uploads; once more where a lost answer stopped it.

    The blob client sends again what it got no answer to, and takes what it has itself made for
    another's blob (409). Asked again, azure-ai-ml finds the blob and goes on.
    """
    from azure.core.exceptions import ResourceExistsError

    try:
        return call()
    except ResourceExistsError as error:
        if "BlobAlreadyExists" not in str(error):
            raise
    return call()


@contextmanager
def quietly() -> Iterator[None]:
    """Keep azure-ai-ml's dots off stdout, and its bars and blank lines off stderr."""
    with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
        yield


def _refused(name: str, error: Any) -> CloudError:
    code = getattr(getattr(error, "error", None), "code", "") or error.reason or ""
    reason = getattr(getattr(error, "error", None), "message", "") or error.message
    headers = error.response.headers if error.response is not None else {}
    request_id, status = headers.get("x-ms-request-id", ""), error.status_code or 0
    hints = [AGAIN] if status == 429 or status >= 500 else []
    hints += [f"Request id {request_id}."] if request_id else []
    return CloudError(
        f"Azure refused to {name}: {code}: {reason}",
        hint=" ".join(hints),
        operation=name,
        code=code,
        status=status,
        request_id=request_id,
    )


@dataclass(frozen=True)
class Cloud:
    """A signed-in session with one subscription."""

    subscription_id: str
    credential: "TokenCredential"
    _workspaces: dict[str, "MLClient"] = field(default_factory=dict, repr=False)

    @classmethod
    def sign_in(cls, subscription_id: str) -> "Cloud":
        """Take the credential that the environment, the Azure CLI or a managed identity offers."""
        from azure.identity import DefaultAzureCredential

        # It warns at length about every way that it tried; `NotSignedIn` says what to do.
        logging.getLogger("azure.identity").setLevel(logging.ERROR)
        return cls(subscription_id, DefaultAzureCredential())

    @cached_property
    def arm(self) -> "Arm":
        """The client for plain ARM requests."""
        return Arm(self.credential)

    def person(self) -> Person:
        """Say who is signed in, as the ARM token claims; its signature is Azure's to check."""
        with operation("sign in"):
            token = self.credential.get_token(ARM_SCOPE).token
        payload = token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        return Person(
            object_id=claims["oid"],
            tenant_id=claims.get("tid", ""),
            name=claims.get("upn") or claims.get("appid") or claims["oid"],
            # An app's token has no scope; the claim that says so outright is not in every token.
            is_person=claims.get("idtyp", "user" if "scp" in claims else "app") != "app",
        )

    def workspace(self, outputs: StackOutputs) -> "MLClient":
        """Give the azure-ai-ml client of the stack's workspace (imported on first use: 4 s)."""
        if outputs.workspace not in self._workspaces:
            from azure.ai.ml import MLClient

            # It warns a person of classes that are experimental to its authors, not to them.
            logging.getLogger("azure.ai.ml").setLevel(logging.ERROR)
            self._workspaces[outputs.workspace] = MLClient(
                self.credential,
                outputs.subscription_id,
                outputs.resource_group,
                outputs.workspace,
                enable_telemetry=False,
                # Without, a folder's upload that fails is waited for for ever: upload_directory
                # looks at its errors only while it draws a bar (seen in azure-ai-ml 1.35.2).
                show_progress=True,
            )
        return self._workspaces[outputs.workspace]


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
        is_long = self._finish(answer)
        content = answer.json() if answer.content else {}
        if not is_long and state_of(content) in FINAL and content:
            return dict(content)
        return self._settled(path, api_version)

    def post(
        self, path: str, api_version: str, body: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        """Call an action of a resource and wait until Azure has finished with it."""
        answer = self._send("POST", path, api_version, body or {})
        self._finish(answer)
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

    def _finish(self, answer: Any) -> bool:
        """Wait for a long-running operation; False where Azure was done at once."""
        url = operation_url(answer)
        if not url:
            return False
        deadline = time.monotonic() + self._patience
        while True:
            wait(answer, deadline)
            answer = self._send("GET", url, "", None)
            content = answer.json() if answer.content else {}
            status = content.get("status") or status_of(answer.status_code)
            if status in FAILED:
                raise unfinished(content.get("error") or {}, status)
            if status == "Succeeded":
                return True

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
