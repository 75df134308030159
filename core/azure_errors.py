"""What Azure's SDKs raise, in our words: one place that knows their exceptions and their habits."""

import io
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from typing import Any, TypeVar

from core.errors import CloudError, NotSignedIn

T = TypeVar("T")

MOST_DETAIL = 600
"""Characters of one detail that are shown; some are lists of all there is."""

AGAIN = "The fault is not in the request: give the same command again, and it goes on from here."


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


def _details(error: Any) -> list[str]:
    """List what stands behind a refusal, such as the quota behind "The request is invalid."."""
    found = getattr(getattr(error, "error", None), "details", None) or ()
    told = [f"{one.code}: {one.message}" for one in found if one.message]
    return [text if len(text) <= MOST_DETAIL else f"{text[:MOST_DETAIL]}…" for text in told]


def _refused(name: str, error: Any) -> CloudError:
    code = getattr(getattr(error, "error", None), "code", "") or error.reason or ""
    reason = getattr(getattr(error, "error", None), "message", "") or error.message
    reason = " ".join([reason, *_details(error)])
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
