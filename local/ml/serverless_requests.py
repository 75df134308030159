"""Who may ask a serverless endpoint, and what of Azure's model inference API a body may say.

`Authorization: KEY`, with or without `Bearer`, and `api-key: KEY` are all taken, as Microsoft's
clients send them. Entra tokens are for https://ml.azure.com (azure-ai-inference asks for that) or
https://cognitiveservices.azure.com (microsoft/PyRIT#1453 found it taken, too, in 2026). Which right
a token needs is not known: here the one to read keys, which opens the endpoint in any case. Codes
and words of the 401 are ours.
"""

import hmac
from typing import Any

from local import access
from local.login.tokens import COGNITIVE_AUDIENCE, ML_AUDIENCE, verify
from local.ml.serverless_keys import KIND, takes_keys, takes_tokens
from local.operations import Answer, Call, Refusal
from local.state import Document, State

SCORE = f"{KIND}/listKeys/action"
ANSWERED = (
    "messages", "temperature", "top_p", "seed", "stop", "max_tokens", "stream", "stream_options",
    "model",
)  # fmt: skip
"""Parameters of the API that the model follows; `model` says nothing, an endpoint has one."""
NEUTRAL: dict[str, tuple[Any, ...]] = {
    "frequency_penalty": (0,),
    "presence_penalty": (0,),
    "n": (1,),
    "response_format": ({"type": "text"}, "text"),
    "tools": ([],),
    "tool_choice": ("none", "auto"),
    "modalities": (["text"],),
}
"""Parameters of the API that this model does not follow, and values that ask for nothing."""
OF_OPENAI = ("max_completion_tokens", "user", "metadata", "safety_identifier", "store", "logprobs")
"""Further ones that the address `/v1` takes: it is the model's own, in the form of OpenAI's."""
EXTRAS = ("error", "drop", "pass-through")


def check_caller(call: Call, endpoint: Document) -> None:
    """Refuse who has neither a key nor a token that this endpoint takes.

    Raises:
        Refusal: 401, it is missing or wrong; 403, it lacks the right.
    """
    sent = call.headers.get("authorization", "")
    scheme, _, rest = sent.partition(" ")
    given = rest.strip() if scheme.lower() == "bearer" else sent.strip()
    if given.count(".") == 2 and takes_tokens(endpoint):
        audiences = (ML_AUDIENCE, COGNITIVE_AUDIENCE)
        caller = verify(call.world.folder, given, audiences)
        access.require(call.world.state, caller, SCORE, endpoint["id"])
    elif not (takes_keys(endpoint) and _is_key(call, endpoint, (given, _api_key(call)))):
        what = {"Key": "key", "AAD": "Entra token"}.get(endpoint["properties"]["authMode"])
        raise Refusal(
            401, "401", f"Access denied: the endpoint's {what or 'key or token'} is missing or"
            " wrong.",
        )  # fmt: skip


def endpoint_at(state: State, host: str, region: str) -> Document:
    """Find the endpoint that answers at an address.

    Raises:
        Refusal: 404, none does. At Azure there would be no such host.
    """
    for _, document in state.find(KIND):
        is_there = document["properties"]["provisioningState"] == "Succeeded"
        if is_there and (document["name"].lower(), document["location"]) == (host, region):
            return document
    raise Refusal(404, "NotFound", f"There is no serverless endpoint {host!r} in {region}.")


def body_for_model(call: Call, *, is_openai: bool) -> dict[str, Any] | Answer:
    """Give what the model is asked, or the refusal of a parameter that it cannot follow.

    `extra-parameters` says what becomes of those that the API does not know: `error`, `drop` or
    `pass-through`; the model ignores them.
    """
    body = {name: value for name, value in call.body.items() if value is not None}
    known = (*ANSWERED, *(OF_OPENAI if is_openai else ()))
    extras = call.headers.get("extra-parameters", "error").lower()
    if extras not in EXTRAS:
        raise Refusal(400, "Bad Request", f"extra-parameters must be one of {', '.join(EXTRAS)}.")
    if not isinstance(body.get("messages"), list) or not body["messages"]:
        return unprocessable("messages", body.get("messages"), code="invalid_parameter")
    for name, value in body.items():
        if name in NEUTRAL:
            if value not in NEUTRAL[name]:
                return unprocessable(name, value)
        elif name not in known and extras == "error":
            return unprocessable(name, value)
    return {name: body[name] for name in known if name in body}


def unprocessable(name: str, value: Any, code: str = "parameter_not_supported") -> Answer:
    """Make the answer of Azure's reference for a parameter that the model cannot follow.

    The reference's own sample goes through `detail` as a list, its text shows an object: this is
    the object.
    """
    text = "One of the parameters contain invalid values."
    detail = {"loc": ["body", name], "input": value}
    return Answer({"status": 422, "code": code, "detail": detail, "message": text}, 422)


def _api_key(call: Call) -> str:
    return call.headers.get("api-key", "").strip()


def _is_key(call: Call, endpoint: Document, given: tuple[str, ...]) -> bool:
    keys = (call.world.state.get(f"{endpoint['id']}/keys") or {}).values()
    return any(
        hmac.compare_digest(one.encode(), key.encode()) for one in given if one for key in keys
    )
