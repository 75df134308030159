"""Signing in from a job of GitHub Actions: a token of GitHub's own for a token of Azure's.

`azure/login` does that once, and what it leaves lasts for minutes to an hour: a job that waits
longer fails with AADSTS700024 (Azure/login#180, #372). Here a fresh token of GitHub's is asked for
whenever Azure wants one, so that a wait lasts as long as the job may.
"""

import os
import time
from typing import TYPE_CHECKING

from core.errors import CloudError

if TYPE_CHECKING:
    import httpx
    from azure.core.credentials import TokenCredential

AUDIENCE = "api://AzureADTokenExchange"
ADDRESS, SECRET = "ACTIONS_ID_TOKEN_REQUEST_URL", "ACTIONS_ID_TOKEN_REQUEST_TOKEN"
NEEDED = (ADDRESS, SECRET, "AZURE_CLIENT_ID", "AZURE_TENANT_ID")
WAITS = (1.0, 5.0)
"""Seconds until GitHub is asked again; one hiccup should not end hours of following."""


def github_credential() -> "TokenCredential | None":
    """Give the credential of the job that this process is a part of; None where it is of none."""
    if not is_offered():
        return None
    from azure.identity import ClientAssertionCredential

    tenant, client = os.environ["AZURE_TENANT_ID"], os.environ["AZURE_CLIENT_ID"]
    return ClientAssertionCredential(tenant, client, github_token)


def is_offered() -> bool:
    """Say whether this process is part of a job that may ask GitHub for tokens, and for whom.

    A job has the address by `permissions: id-token: write`. Where a client secret is set, that was
    chosen over it.
    """
    return not os.environ.get("AZURE_CLIENT_SECRET") and all(map(os.environ.get, NEEDED))


def github_token() -> str:
    """Ask GitHub for a token of this job; it lasts for minutes.

    Raises:
        CloudError: GitHub gave none; the answer is not repeated, for it may hold one.
    """
    import httpx

    headers = {"Authorization": f"Bearer {os.environ[SECRET]}"}
    try:
        address = httpx.URL(os.environ[ADDRESS]).copy_set_param("audience", AUDIENCE)
        return str(_ask(address, headers).json()["value"])
    except (httpx.HTTPError, httpx.InvalidURL, ValueError, KeyError, TypeError) as error:
        kind = type(error).__name__
        raise CloudError(
            f"GitHub gave this job no token of its own: {kind}.",
            hint="The job needs `permissions: id-token: write`.",
        ) from None


def _ask(address: "httpx.URL", headers: dict[str, str]) -> "httpx.Response":
    """Ask, and ask again where GitHub did not answer or had trouble of its own."""
    import httpx

    for wait in WAITS:
        try:
            answer = httpx.get(address, headers=headers, timeout=30)
        except httpx.TransportError:
            answer = None
        if answer is not None and not answer.is_server_error:
            return answer.raise_for_status()
        time.sleep(wait)
    return httpx.get(address, headers=headers, timeout=30).raise_for_status()
