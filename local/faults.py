"""Faults by rule: which requests fail, how, and how often.

A rule and its counters are a document of the state: another process can set one while the local
Azure runs, and it survives a restart. Rules are looked up by the state's index, so a world
without any pays next to nothing. What a rule does to a request is the application's business.
"""

import fnmatch
import re
from dataclasses import asdict, dataclass
from functools import cache

from core.errors import SettingsError, UserError
from local.access import role_delay, set_role_delay
from local.numbered import listed, next_number, remove, store
from local.operations import Refusal
from local.state import Place, State, opened

KIND = "fault"
CODES = {
    429: "TooManyRequests",
    500: "InternalServerError",
    502: "BadGateway",
    503: "ServiceUnavailable",
    504: "GatewayTimeout",
}
STORAGE_CODES = {**CODES, 500: "InternalError", 503: "ServerBusy"}
EFFECTS = ("status", "drop", "slow")
METHODS = ("GET", "HEAD", "PUT", "PATCH", "POST", "DELETE")


@dataclass(frozen=True)
class Fault:
    """What to do to which requests. In a glob `*` stands for anything, slashes too; no case."""

    method: str = "*"
    host: str = "*"
    path: str = "*"
    status: int = 0
    """Answer with this status, in the error shape of the service that was asked."""
    retry_after: int | None = None
    """Seconds for the `Retry-After` header beside a status."""
    drop: bool = False
    """Cut the connection instead of answering."""
    slow: int = 0
    """Answer so many milliseconds late."""
    after: bool = False
    """Perform the operation before the fault, which then only hides its answer."""
    times: int = 1
    """How many requests it hits; 0: all of them until it is cleared."""
    skip: int = 0
    """How many matching requests pass before the first one is hit."""

    def fits(self, method: str, host: str, path: str) -> bool:
        """Say whether a request is meant."""
        pairs = ((self.method, method), (self.host, host), (self.path, path))
        return all(_expression(glob).match(text) for glob, text in pairs)


@dataclass(frozen=True)
class Rule:
    """A fault that was set, and what has become of it."""

    number: int
    fault: Fault
    seen: int = 0
    """Matching requests so far."""
    hits: int = 0

    @property
    def is_spent(self) -> bool:
        """True where it hits nothing any more."""
        return 0 < self.fault.times <= self.hits


def add(place: Place, fault: Fault) -> Rule:
    """Set a rule; later rules see only what earlier ones let pass.

    Raises:
        SettingsError: it makes no sense; lists every finding.
    """
    found = findings(fault)
    if found:
        raise SettingsError("\n".join(found), hint="tunestack local fault add --help")
    with opened(place) as state, state.transaction():
        rule = Rule(next_number(state, KIND), fault)
        _store(state, rule)
    return rule


def rules(place: Place) -> list[Rule]:
    """List the rules with their counters, in their order."""
    with opened(place) as state:
        rows = listed(state, KIND)
    return [Rule(number, Fault(**row["fault"]), row["seen"], row["hits"]) for number, row in rows]


def clear(place: Place, number: int | None = None) -> int:
    """Take one rule back, or all of them with the delay of grants; give how many there were.

    Raises:
        UserError: there is no rule of that number.
    """
    with opened(place) as state, state.transaction():
        count = remove(state, KIND, number)
        if number is None:
            set_role_delay(state, 0)
    if number is not None and not count:
        raise UserError(f"There is no fault {number}.", hint="tunestack local fault list")
    return count


def delay_roles(place: Place, checks: int) -> None:
    """Let new grants be refused so many times before they are in force.

    Raises:
        SettingsError: it is less than none.
    """
    if checks < 0:
        raise SettingsError(f"checks: {checks} is less than 0.", hint="0 puts grants in force.")
    with opened(place) as state:
        set_role_delay(state, checks)


def delayed_roles(place: Place) -> int:
    """Give how many times a new grant is refused before it is in force."""
    with opened(place) as state:
        return role_delay(state)


def take(state: State, method: str, host: str, path: str) -> Fault | None:
    """Count a request; give the fault that hits it, or None."""
    if not state.within(f"{KIND}:"):
        return None
    with state.transaction():
        for rule in rules(state):
            if rule.is_spent or not rule.fault.fits(method, host, path):
                continue
            is_hit = rule.seen >= rule.fault.skip
            counted = Rule(rule.number, rule.fault, rule.seen + 1, rule.hits + is_hit)
            _store(state, counted)
            if is_hit:
                return rule.fault
    return None


def refusal(fault: Fault, host: str) -> Refusal:
    """Make the answer of a fault that has a status."""
    codes = STORAGE_CODES if host.endswith(".blob.core.windows.net") else CODES
    more = {} if fault.retry_after is None else {"Retry_After": str(fault.retry_after)}
    text = "This answer is a fault of the rehearsal: tunestack local fault list."
    return Refusal(fault.status, codes[fault.status], text, **more)


def findings(fault: Fault) -> list[str]:
    """List everything that is wrong with a fault."""
    effects = [name for name in EFFECTS if getattr(fault, name)]
    method = fault.method.upper()
    checks = (
        (len(effects) != 1, "effect: give one of status, drop and slow; it has"
         f" {' and '.join(effects) or 'none'}."),
        (bool(fault.status) and fault.status not in CODES,
         f"status: {fault.status} is none of {', '.join(map(str, CODES))}."),
        (fault.retry_after is not None and not fault.status,
         "retry-after: only a status carries it."),
        (fault.retry_after is not None and fault.retry_after < 0,
         f"retry-after: {fault.retry_after} is less than 0 seconds."),
        (fault.slow < 0, f"slow: {fault.slow} is less than 0 milliseconds."),
        (fault.after and bool(fault.slow),
         "after: a slow answer comes after the operation anyway."),
        (fault.times < 0, f"times: {fault.times} is less than 0; 0 stands for always."),
        (fault.skip < 0, f"skip: {fault.skip} is less than 0."),
        (not any(fnmatch.fnmatchcase(name, method) for name in METHODS),
         f"method: {fault.method!r} fits none of {', '.join(METHODS)}."),
        (not fault.host or not fault.path, "host and path: give a glob; * stands for anything."),
    )  # fmt: skip
    return [text for is_wrong, text in checks if is_wrong]


def _store(state: State, rule: Rule) -> None:
    body = {"fault": asdict(rule.fault), "seen": rule.seen, "hits": rule.hits}
    store(state, KIND, rule.number, body)


@cache
def _expression(glob: str) -> re.Pattern[str]:
    return re.compile(fnmatch.translate(glob), re.IGNORECASE)
