"""Federated credentials of a managed identity: whose tokens Entra ID takes for it.

The rules are those of Learn's "Important considerations and restrictions for federated identity
credentials": one audience, an https issuer, no patterns, each pair of issuer and subject once, at
most 20. That two writes at a time are refused there cannot be seen here: a write is over at once.
Of the words of the refusals only those for a pair that is taken were seen in reports.
"""

from local.access import IDENTITIES
from local.arm.types import ResourceType
from local.operations import Call, Refusal
from local.state import Document

TYPE = f"{IDENTITIES}/federatedIdentityCredentials"
MOST = 20
LONGEST = 600


def _credential(call: Call, document: Document, before: Document | None) -> None:
    properties = document["properties"]
    audiences, issuer = properties["audiences"], str(properties["issuer"])
    if not isinstance(audiences, list) or len(audiences) != 1 or not str(audiences[0]).strip():
        raise _bad("The property 'audiences' must have exactly one entry.")
    if not issuer.startswith("https://"):
        raise _bad(f"The issuer '{issuer}' must be a URL that begins with https://.")
    for name in ("issuer", "subject"):
        value = str(properties[name])
        if len(value) > LONGEST or value != value.strip():
            raise _bad(f"The property '{name}' must have 1 to {LONGEST} characters, none around.")
    if "*" in str(properties["subject"]):
        raise _bad("The property 'subject' takes no wildcards.")
    _check_beside(call, document)


def _check_beside(call: Call, document: Document) -> None:
    """Refuse a pair of issuer and subject that the identity trusts already, and one too many."""
    identity = document["id"].rpartition("/federatedIdentityCredentials/")[0]
    beside = [
        other["properties"]
        for id, other in call.world.state.find(TYPE, below=identity)
        if id.lower() != document["id"].lower()
    ]
    pair = [document["properties"][name] for name in ("issuer", "subject")]
    if any([other["issuer"], other["subject"]] == pair for other in beside):
        raise Refusal(
            409,
            "Conflict",
            "Issuer and subject combination already exists for this Managed Identity.",
        )
    if len(beside) >= MOST:
        raise _bad(f"A managed identity has at most {MOST} federated identity credentials.")


def _bad(message: str) -> Refusal:
    return Refusal(400, "BadRequest", message)


CREDENTIAL = ResourceType(
    f"{IDENTITIES}/{{parent}}/federatedIdentityCredentials/{{name}}",
    "[a-zA-Z0-9][a-zA-Z0-9_-]{2,119}",
    required=("properties.issuer", "properties.subject", "properties.audiences"),
    is_located=False,
    complete=_credential,
    note="one audience, https, no pair twice, at most 20; tokens are exchanged by claims alone",
)
