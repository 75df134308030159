"""Rate limits of serverless endpoints: 200,000 tokens and 1,000 requests a minute for each.

A request counts by an estimate, afterwards by what it used, in the last 60 seconds. Azure's window,
its estimate and what it answers are not known. Smaller limits, for tests, are a document of the
state: another process can set them while the local Azure runs.
"""

import threading
from dataclasses import dataclass, replace

from local import clock
from local.ai.limits import estimate
from local.operations import Call, Refusal
from local.state import Document, Place, opened

KEY = "setting:/serverlessLimits"
SECONDS = 60.0
_counting = threading.Lock()
_counted: dict[str, list["Taken"]] = {}


@dataclass(frozen=True)
class Limits:
    """What one endpoint answers in a minute."""

    tokens: int = 200_000
    requests: int = 1_000


@dataclass
class Taken:
    """A request that counts."""

    at: float
    tokens: int


def limits(place: Place) -> Limits:
    """Give the limits that count now."""
    with opened(place) as state:
        return replace(Limits(), **(state.get(KEY) or {}))


def set_limits(place: Place, **limits: int) -> None:
    """Set some limits; the others are Azure's again."""
    replace(Limits(), **limits)
    with opened(place) as state:
        state.put(KEY, "setting", limits)


def admit(call: Call, endpoint: Document) -> Taken:
    """Count a request, or refuse it.

    Raises:
        Refusal: 429, with the seconds after which it is worth another try.
    """
    allowed, moment = limits(call.world.state), clock.now(call.world.state)
    taken = Taken(moment, estimate(call.body))
    key = f"{call.world.folder}|{endpoint['id'].lower()}|{endpoint['systemData']['createdAt']}"
    with _counting:
        recent = [one for one in _counted.get(key, []) if 0 <= moment - one.at < SECONDS]
        if len(recent) >= allowed.requests:
            raise _refused("call", recent, moment)
        if sum(one.tokens for one in recent) + taken.tokens > allowed.tokens:
            raise _refused("token", recent, moment)
        _counted[key] = [*recent, taken]
    return taken


def settle(taken: Taken, tokens: int) -> None:
    """Let a request count by what it used."""
    with _counting:
        taken.tokens = tokens


def _refused(kind: str, recent: list[Taken], moment: float) -> Refusal:
    first = recent[0].at if recent else moment
    wait = str(max(1, int(first + SECONDS - moment) + 1))
    return Refusal(
        429,
        "429",
        f"The endpoint's {kind} rate limit is exceeded. Please retry after {wait} seconds.",
        retry_after=wait,
    )
