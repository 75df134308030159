"""Rate limits of deployments: tokens and requests in the last 60 seconds, by their capacity.

A capacity of 1 is 1000 tokens and 6 requests a minute. A request counts by an estimate (its prompt
at four characters a token, and the answer that it allows), afterwards by what it used. The words
are as users report them; Azure's window is not one sliding minute, and its estimate not known.
"""

import threading
from dataclasses import dataclass, field
from typing import Any

from local import clock
from local.ai.hosts import api_version
from local.operations import Call, Refusal
from local.state import Document

SECONDS = 60.0
TOKENS, REQUESTS = 1000, 6
"""A minute's worth of one unit of capacity."""

NEVER = 86400
"""Seconds that Azure names where a request is more than a whole minute's worth."""

LETTERS = 4
"""Characters that count as one token."""

_counting = threading.Lock()
_counted: dict[str, list["Taken"]] = {}


@dataclass
class Taken:
    """A request that counts."""

    at: float
    tokens: int


@dataclass(frozen=True)
class Ticket:
    """A request that was let in, and what its deployment has left."""

    taken: Taken
    capacity: int
    tokens_left: int
    requests_left: int
    headers: dict[str, str] = field(default_factory=dict)


def admit(call: Call, account: Document, deployment: Document) -> Ticket:
    """Count a request, or refuse it.

    Raises:
        Refusal: 429, with the seconds after which it is worth another try.
    """
    capacity, wanted = int(deployment["sku"]["capacity"]), estimate(call.body)
    moment = clock.now(call.world.state)
    with _counting:
        recent = [
            one
            for one in _counted.get(_key(call, deployment), [])
            if 0 <= moment - one.at < SECONDS
        ]
        used = sum(one.tokens for one in recent)
        if used + wanted > TOKENS * capacity:
            raise _refused(call, account, "token", _wait(recent, wanted, capacity, moment))
        if len(recent) >= REQUESTS * capacity:
            first = recent[len(recent) - REQUESTS * capacity]
            raise _refused(call, account, "call", _seconds(first.at + SECONDS - moment))
        taken = Taken(moment, wanted)
        _counted[_key(call, deployment)] = [*recent, taken]
    left = TOKENS * capacity - used - wanted, REQUESTS * capacity - len(recent) - 1
    return Ticket(taken, capacity, *left, headers=_headers(capacity, *left))


def settle(ticket: Ticket, tokens: int) -> None:
    """Let a request count by what it used."""
    with _counting:
        ticket.taken.tokens = tokens


def estimate(body: dict[str, Any]) -> int:
    """Guess how many tokens a request may come to."""
    letters = sum(len(text) for text in _texts(body.get("messages")))
    most = body.get("max_completion_tokens") or body.get("max_tokens") or 0
    choices = body.get("n") or 1
    allowed = int(most) * int(choices) if _is_count(most) and _is_count(choices) else 0
    return -(-letters // LETTERS) + allowed


def _texts(messages: Any) -> list[str]:
    rows = messages if isinstance(messages, list) else []
    return [str(one.get("content") or "") for one in rows if isinstance(one, dict)]


def _is_count(number: Any) -> bool:
    return isinstance(number, int) and not isinstance(number, bool) and number >= 0


def _key(call: Call, deployment: Document) -> str:
    """Tell one deployment from a later one of its name."""
    made = deployment.get("systemData", {}).get("createdAt", "")
    return f"{call.world.folder}|{deployment['id'].lower()}|{made}"


def _wait(recent: list[Taken], wanted: int, capacity: int, moment: float) -> int:
    """Say in how many seconds there is room for so many tokens."""
    used = sum(one.tokens for one in recent)
    if wanted > TOKENS * capacity:
        return NEVER
    for one in recent:
        used -= one.tokens
        if used + wanted <= TOKENS * capacity:
            return _seconds(one.at + SECONDS - moment)
    return int(SECONDS)


def _seconds(left: float) -> int:
    return max(1, int(left) + 1)


def _headers(capacity: int, tokens_left: int, requests_left: int) -> dict[str, str]:
    return {
        "x-ratelimit-limit-requests": str(REQUESTS * capacity),
        "x-ratelimit-limit-tokens": str(TOKENS * capacity),
        "x-ratelimit-remaining-requests": str(requests_left),
        "x-ratelimit-remaining-tokens": str(tokens_left),
    }


def _refused(call: Call, account: Document, kind: str, seconds: int) -> Refusal:
    tier = "AIServices" if account.get("kind") == "AIServices" else "OpenAI"
    place = "go here: https://aka.ms/oai/quotaincrease"
    whom = "contact Azure support service" if tier == "AIServices" else place
    return Refusal(
        429,
        "429",
        "Requests to the ChatCompletions_Create Operation under Azure OpenAI API version"
        f" {api_version(call)} have exceeded {kind} rate limit of your current {tier} S0 pricing"
        f" tier. Please retry after {seconds} seconds. Please {whom} if you would like"
        " to further increase the default rate limit.",
        retry_after=str(seconds),
        x_rate_limit_reset_tokens=str(seconds),
        policy_id="DeploymentRatelimit-Token" if kind == "token" else "DeploymentRatelimit-Call",
    )
