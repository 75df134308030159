"""Whom a foreign token stands for: a managed identity that trusts its issuer and subject.

The token's claims, audience and times are checked as Entra ID does, its signature is not: the
issuer's keys are on the internet. Who may ask at all is behind the proxy's own password.
"""

import base64
import binascii
import json
import time
from typing import Any

from local.access import IDENTITIES, Principal
from local.operations import Call
from local.state import Document

TRUST = f"{IDENTITIES}/federatedIdentityCredentials"
ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


class Untrusted(Exception):
    """No credential of the identity fits the token; with Entra ID's number and words."""

    def __init__(self, number: int, text: str) -> None:
        super().__init__(text)
        self.number, self.text = number, text


def find_identity(call: Call, client: str) -> Document | None:
    """Find a managed identity by its client id."""
    found = (document for _, document in call.world.state.find(IDENTITIES))
    return next((one for one in found if one["properties"].get("clientId") == client), None)


def exchange(call: Call, identity: Document, form: dict[str, str]) -> Principal:
    """Take a foreign token for a managed identity.

    Raises:
        Untrusted: it is none, has expired, or nothing of the identity names it.
    """
    if form.get("client_assertion_type") != ASSERTION:
        raise Untrusted(50027, f"The client_assertion_type must be {ASSERTION}.")
    claims = _claims(form.get("client_assertion", ""))
    now = time.time()
    if not float(claims.get("nbf", 0)) <= now < float(claims.get("exp", 0)):
        raise Untrusted(700024, "Client assertion is not within its valid time range.")
    _match(call, identity, claims)
    properties = identity["properties"]
    return Principal("ServicePrincipal", properties["principalId"], properties["clientId"])


def _match(call: Call, identity: Document, claims: dict[str, Any]) -> None:
    trusted = [one["properties"] for _, one in call.world.state.find(TRUST, below=identity["id"])]
    steps = (
        ("iss", "issuer", 700211, "issuer"),
        ("sub", "subject", 700213, "subject"),
    )
    for claim, name, number, told in steps:
        trusted = [one for one in trusted if one[name] == claims.get(claim)]
        if not trusted:
            raise Untrusted(number, _unmatched(told, claims.get(claim)))
    if not any(claims.get("aud") in one["audiences"] for one in trusted):
        raise Untrusted(700212, _unmatched("audience", claims.get("aud")))


def _unmatched(told: str, value: Any) -> str:
    return (
        f"No matching federated identity record found for presented assertion {told} '{value}'."
        " Check your federated identity credential Subject, Audience and Issuer against the"
        " presented assertion."
    )


def _claims(token: str) -> dict[str, Any]:
    try:
        body = token.split(".")[1]
        found = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    except (IndexError, ValueError, binascii.Error) as error:
        raise Untrusted(50027, "JWT token is invalid or malformed.") from error
    if not isinstance(found, dict):
        raise Untrusted(50027, "JWT token is invalid or malformed.")
    return found
