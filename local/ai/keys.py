"""An account's keys: made from the world's own secret, worth nothing where local auth is off.

`api-key: K` and `Authorization: Bearer K` are both taken, as the v1 API does. Codes and words of
the refusals are as users report them. New keys (regenerateKey) are not played.
"""

import hmac

from local.access import Principal
from local.operations import Call, Refusal, operation
from local.state import Document
from local.tenant import tenant
from local.world import World

ACCOUNTS = "Microsoft.CognitiveServices/accounts"
PATH = f"/subscriptions/{{subscription}}/resourceGroups/{{group}}/providers/{ACCOUNTS}/{{name}}"
HOLDER = "Key"
"""The kind of principal that asks with a key: it may do everything that data actions allow."""


@operation(
    "POST",
    f"{PATH}/listKeys",
    action=f"{ACCOUNTS}/listkeys/action",
    note="refused where local auth is disabled; the keys stay the same",
)
def list_keys(call: Call) -> dict[str, str]:
    """Give both keys of an account."""
    account = call.world.state.get(call.path.rpartition("/")[0])
    if account is None:
        raise Refusal(404, "ResourceNotFound", f"There is no account '{call.parameters['name']}'.")
    if _is_disabled(account):
        raise Refusal(400, "BadRequest", "Failed to list key. disableLocalAuth is set to be true.")
    return _keys(call.world, account)


def key_holder(call: Call, account: Document) -> Principal | None:
    """Say who asks with a key; None: nobody does, a token was sent.

    Raises:
        Refusal: 403, keys are disabled here; 401, it is no key of this account's, or there is none.
    """
    if call.principal.object_id:
        return None
    sent = call.headers.get("api-key") or call.headers.get("authorization", "").partition(" ")[2]
    if sent and _is_disabled(account):
        raise Refusal(
            403,
            "AuthenticationTypeDisabled",
            "Key based authentication is disabled for this resource.",
        )
    known = _keys(call.world, account).values()
    if not any(hmac.compare_digest(sent.encode(), key.encode()) for key in known):
        raise Refusal(
            401,
            "401",
            "Access denied due to invalid subscription key or wrong API endpoint. Make sure to"
            " provide a valid key for an active subscription and use a correct regional API"
            " endpoint for your resource.",
        )
    return Principal(HOLDER, account["id"], "a key of the account")


def _is_disabled(account: Document) -> bool:
    return account["properties"].get("disableLocalAuth") is True


def _keys(world: World, account: Document) -> dict[str, str]:
    secret = tenant(world.folder).signing_key.encode()
    made = str(account["properties"].get("internalId") or account["id"])
    return {
        name: hmac.digest(secret, f"{name}:{made}".encode(), "sha256").hex()
        for name in ("key1", "key2")
    }
