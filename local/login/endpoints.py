"""The requests of a client-credentials sign-in: discovery, configuration, token."""

import hmac
import uuid
from typing import Any
from urllib.parse import parse_qs

from local.access import Principal
from local.login.federation import Untrusted, exchange, find_identity
from local.login.tokens import AUDIENCES, LIFETIME, mint
from local.operations import LOGIN, Call, Refusal, operation
from local.tenant import Tenant, tenant

BASE = f"https://{LOGIN}"


@operation(
    "GET",
    "/common/discovery/instance",
    host=LOGIN,
    anonymous=True,
    note="one cloud, no aliases but its own name",
)
def discover_instance(call: Call) -> dict[str, Any]:
    """Name the only authority there is."""
    return {
        "tenant_discovery_endpoint": _configuration_url(tenant(call.world.folder).tenant_id),
        "api-version": "1.1",
        "metadata": [
            {"preferred_network": LOGIN, "preferred_cache": LOGIN, "aliases": [LOGIN]},
        ],
    }


@operation(
    "GET",
    "/{tenant}/v2.0/.well-known/openid-configuration",
    host=LOGIN,
    anonymous=True,
    note="the endpoints that msal reads; no signing keys are published",
)
def openid_configuration(call: Call) -> dict[str, Any]:
    """Say where tokens are handed out."""
    home = _own_tenant(call)
    base = f"{BASE}/{home.tenant_id}"
    return {
        "issuer": f"{base}/v2.0",
        "authorization_endpoint": f"{base}/oauth2/v2.0/authorize",
        "token_endpoint": f"{base}/oauth2/v2.0/token",
        "device_authorization_endpoint": f"{base}/oauth2/v2.0/devicecode",
        "token_endpoint_auth_methods_supported": ["client_secret_post"],
        "response_types_supported": ["token"],
        "subject_types_supported": ["pairwise"],
        "tenant_region_scope": None,
    }


@operation(
    "POST",
    "/{tenant}/oauth2/v2.0/token",
    host=LOGIN,
    anonymous=True,
    raw=True,
    note="client_credentials with the person's secret, or with a token that a managed identity"
    " trusts, whose claims are checked and whose signature is not; tokens given are signed",
)
async def token(call: Call) -> dict[str, Any]:
    """Hand out a token for the person's client id and secret, or for a trusted foreign token."""
    home = _own_tenant(call)
    form = {
        key: values[0] for key, values in parse_qs((await call.request.body()).decode()).items()
    }
    if form.get("grant_type") != "client_credentials":
        raise _refused(400, "unsupported_grant_type", 70003, "The grant type is not supported.")
    principal = _principal(call, home, form)
    audience = _audience(form.get("scope", ""))
    return {
        "token_type": "Bearer",
        "expires_in": LIFETIME - 1,
        "ext_expires_in": LIFETIME - 1,
        "access_token": mint(call.world.folder, principal, audience),
    }


def _own_tenant(call: Call) -> Tenant:
    home, asked = tenant(call.world.folder), call.parameters["tenant"]
    if asked.lower() not in (home.tenant_id, "organizations", "common"):
        raise _refused(400, "invalid_request", 90002, f"Tenant '{asked}' not found.")
    return home


def _principal(call: Call, home: Tenant, form: dict[str, str]) -> Principal:
    """Say who asks: a managed identity by what it trusts, else the person by the secret."""
    identity = find_identity(call, form.get("client_id", ""))
    if identity is None:
        _check_secret(home, form)
        return Principal("ServicePrincipal", home.person_object_id, home.person_client_id)
    try:
        return exchange(call, identity, form)
    except Untrusted as error:
        raise _refused(401, "invalid_client", error.number, error.text) from error


def _check_secret(home: Tenant, form: dict[str, str]) -> None:
    client = form.get("client_id", "")
    if client != home.person_client_id:
        raise _refused(
            400,
            "unauthorized_client",
            700016,
            f"Application with identifier '{client}' was not found in the directory.",
        )
    if not hmac.compare_digest(form.get("client_secret", "").encode(), home.person_secret.encode()):
        raise _refused(
            401,
            "invalid_client",
            7000215,
            "Invalid client secret provided. Ensure the secret being sent in the request is the"
            " client secret value, not the client secret ID, for a secret added to app"
            f" '{client}'.",
        )


def _audience(scope: str) -> str:
    resource = next((part for part in scope.split() if part.endswith("/.default")), "")
    wanted = resource.removesuffix("/.default").rstrip("/")
    if wanted not in AUDIENCES:
        raise _refused(
            400,
            "invalid_resource",
            500011,
            f"The resource principal named {wanted or scope!r} was not found in the tenant.",
        )
    return AUDIENCES[wanted]


def _configuration_url(tenant_id: str) -> str:
    return f"{BASE}/{tenant_id}/v2.0/.well-known/openid-configuration"


def _refused(status: int, error: str, number: int, text: str) -> Refusal:
    return Refusal(status, error, f"AADSTS{number}: {text} Trace ID: {uuid.uuid4()}")
