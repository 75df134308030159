"""Access tokens: JSON Web Tokens, signed with the world's own key and checked on every request.

Signed with HS256, where Entra ID uses RS256: nobody but this server checks the signature.
"""

import base64
import hmac
import json
import time
import uuid
from pathlib import Path
from typing import Any

from local.access import Principal
from local.operations import Refusal
from local.tenant import tenant

ARM_AUDIENCE = "https://management.azure.com"
STORAGE_AUDIENCE = "https://storage.azure.com"
ML_AUDIENCE = "https://ml.azure.com"
COGNITIVE_AUDIENCE = "https://cognitiveservices.azure.com"
FOUNDRY_AUDIENCE = "https://ai.azure.com"
AUDIENCES = {
    ARM_AUDIENCE: ARM_AUDIENCE,
    "https://management.core.windows.net": ARM_AUDIENCE,
    STORAGE_AUDIENCE: STORAGE_AUDIENCE,
    ML_AUDIENCE: ML_AUDIENCE,
    COGNITIVE_AUDIENCE: COGNITIVE_AUDIENCE,
    FOUNDRY_AUDIENCE: FOUNDRY_AUDIENCE,
}
"""Resources that tokens can be had for, and the audience in the token."""

LIFETIME = 3600


def mint(
    world_folder: Path, principal: Principal, audience: str, *, lifetime: float = LIFETIME
) -> str:
    """Make an access token for a principal, e.g. for a job's process to log its metrics with."""
    home, now = tenant(world_folder), int(time.time())
    claims = {
        "aud": audience,
        "iss": f"https://sts.windows.net/{home.tenant_id}/",
        "iat": now,
        "nbf": now,
        "exp": int(now + lifetime),
        "oid": principal.object_id,
        "sub": principal.object_id,
        "tid": home.tenant_id,
        "appid": principal.name,
        "idtyp": "app",
        "uti": uuid.uuid4().hex,
        "ver": "1.0",
    }
    message = f"{_encode({'alg': 'HS256', 'typ': 'JWT'})}.{_encode(claims)}"
    return f"{message}.{_signature(world_folder, message)}"


def verify(world_folder: Path, token: str, audiences: tuple[str, ...]) -> Principal:
    """Say who a token stands for.

    Raises:
        Refusal: 401, not a token of this world, expired, or for another audience.
    """
    message, _, signature = token.rpartition(".")
    if not hmac.compare_digest(signature.encode(), _signature(world_folder, message).encode()):
        raise _refused("InvalidAuthenticationToken", "The access token is invalid.")
    claims = json.loads(_decode(message.partition(".")[2]))
    if claims["exp"] < time.time():
        raise _refused("ExpiredAuthenticationToken", "The access token expiry is in the past.")
    if claims["aud"] not in audiences:
        raise _refused(
            "InvalidAuthenticationTokenAudience",
            f"The access token has been obtained for wrong audience or resource '{claims['aud']}'."
            f" It should exactly match with one of the allowed audiences '{','.join(audiences)}'.",
        )
    return Principal("ServicePrincipal", claims["oid"], claims["appid"])


def _refused(code: str, message: str) -> Refusal:
    return Refusal(
        401, code, message, WWW_Authenticate=f'Bearer error="invalid_token", error_code="{code}"'
    )


def _encode(part: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode()


def _decode(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def _signature(world_folder: Path, message: str) -> str:
    digest = hmac.digest(tenant(world_folder).signing_key.encode(), message.encode(), "sha256")
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
