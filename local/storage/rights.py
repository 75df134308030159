"""Who may touch a blob: a token with a data action, or a shared access signature of this server.

Shared keys are refused, and so is everybody without credentials: no container is ever public.
"""

import hmac
import time
from urllib.parse import quote, urlencode

from local.access import require
from local.operations import Call, Refusal
from local.state import Document
from local.storage.containers import find_account
from local.tenant import tenant
from local.world import World

BLOB_SERVICE = "Microsoft.Storage/storageAccounts/blobServices"
CONTAINER_ACTION = f"{BLOB_SERVICE}/containers/"
BLOB_ACTION = f"{BLOB_SERVICE}/containers/blobs/"
VERSION = "2025-07-05"
LETTERS = {"read": "rl", "write": "wca", "delete": "d"}
"""Which letters of a signature's permissions allow what."""


def sas(
    world: World, account: str, container: str, permissions: str, *, seconds: float = 86400
) -> str:
    """Make a shared access signature for a container, as the query of a URL.

    It is signed with this world's key, as a user delegation signature would be with a key from
    Azure, so it works where shared keys are off. `permissions` is a part of `racwdl`.
    """
    expiry = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + seconds))
    query = {"sv": VERSION, "sr": "c", "sp": permissions, "se": expiry, "spr": "https"}
    query["sig"] = _signature(world, account, container, query)
    return urlencode(query, quote_via=quote)


def check_blob_right(call: Call, container: str, right: str) -> tuple[str, Document]:
    """Refuse who may not `read`, `write` or `delete` blobs; give the account and its id."""
    account_id, account = find_account(call.world, call.parameters["account"])
    scope = f"{account_id}/blobServices/default/containers/{container}"
    if "sig" in call.query:
        _check_sas(call, account["name"], container, right)
    else:
        _check_signed_in(call, account)
        require(call.world.state, call.principal, BLOB_ACTION + right, scope, data=True)
    return account_id, account


def check_container_right(call: Call, container: str, right: str) -> tuple[str, Document]:
    """Refuse who may not `read`, `write` or `delete` containers; give the account and its id.

    These are control-plane actions although they are asked for here; an account-wide signature
    is not played, so a token is the only way.
    """
    account_id, account = find_account(call.world, call.parameters["account"])
    _check_signed_in(call, account)
    scope = f"{account_id}/blobServices/default"
    scope = f"{scope}/containers/{container}" if container else scope
    require(call.world.state, call.principal, CONTAINER_ACTION + right, scope)
    return account_id, account


def _check_signed_in(call: Call, account: Document) -> None:
    given = call.headers.get("authorization", "")
    if given.lower().startswith(("sharedkey ", "sharedkeylite ")):
        if account["properties"].get("allowSharedKeyAccess", True) is False:
            raise Refusal(
                403,
                "KeyBasedAuthenticationNotPermitted",
                "Key based authentication is not permitted on this storage account.",
            )
        raise Refusal(
            403, "AuthenticationFailed", "The local Azure hands out no account keys; use a token."
        )
    if not call.principal.object_id:
        home = tenant(call.world.folder)
        raise Refusal(
            401,
            "NoAuthenticationInformation",
            "Server failed to authenticate the request. Please refer to the information in the"
            " www-authenticate header.",
            WWW_Authenticate="Bearer authorization_uri="
            f"https://login.microsoftonline.com/{home.tenant_id}/oauth2/authorize"
            " resource_id=https://storage.azure.com",
        )


def _check_sas(call: Call, account: str, container: str, right: str) -> None:
    query = call.query
    expected = _signature(call.world, account, container, query)
    if not hmac.compare_digest(query["sig"].encode(), expected.encode()):
        raise _failed("Signature did not match.")
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    if query["se"] <= now:
        raise _failed(f"Signature not valid in the specified time frame: it expired {query['se']}.")
    if not set(LETTERS[right]) & set(query["sp"]):
        raise Refusal(
            403,
            "AuthorizationPermissionMismatch",
            "This request is not authorized to perform this operation using this permission"
            f" (the signature allows '{query['sp']}', not to {right}).",
        )


def _failed(detail: str) -> Refusal:
    return Refusal(
        403,
        "AuthenticationFailed",
        "Server failed to authenticate the request. Make sure the value of Authorization header is"
        f" formed correctly including the signature. {detail}",
    )


def _signature(world: World, account: str, container: str, query: dict[str, str]) -> str:
    signed = [query.get(name, "") for name in ("sv", "sr", "sp", "se", "spr")]
    text = "\n".join([account.lower(), container, *signed])
    return hmac.digest(tenant(world.folder).signing_key.encode(), text.encode(), "sha256").hex()
