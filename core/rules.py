"""Rules: what must be so before a command may send or cost anything, each with an exact fix.

A rule asks and changes nothing. Rules live where their subject is (infra/doctor, training/rules.py,
deploy/rules.py); `doctor` runs all of them, `up`, `train` and `deploy` those that concern them.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from core.errors import CloudError, NotSignedIn

if TYPE_CHECKING:
    from core.facts import Facts

SIDE_BY_SIDE = 16
"""Rules that run at once: most of their time is Azure's."""


class Status(StrEnum):
    """What became of a rule."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"
    UNKNOWN = "unknown"
    """It could not be asked: a right or an answer is missing."""
    SKIPPED = "skipped"
    """It needs Azure, and nobody is signed in."""


@dataclass(frozen=True)
class Finding:
    """One line of the table: what was found, and what to do about it."""

    status: Status
    told: str
    fix: str = ""
    rule: str = ""


Check = Callable[["Facts"], Iterable[Finding]]


@dataclass(frozen=True)
class Rule:
    """A question to the facts. What does not concern the stack finds nothing."""

    id: str
    check: Check
    stops: frozenset[str] = frozenset()
    """Commands that do not begin where it failed."""
    warns: frozenset[str] = frozenset()
    """Commands that only say a failure, as it stops a later one."""
    mends: frozenset[str] = frozenset()
    """Commands that themselves do what it warns of, and need not say so."""
    needs_azure: bool = True
    of_nodes: bool = False
    """True where it is about machines of one's own: a managed training has none."""

    def concerns(self, command: str) -> bool:
        """Say whether a command asks for this rule."""
        return command in self.stops | self.warns


def ok(told: str) -> Finding:
    """Find that all is well."""
    return Finding(Status.OK, told)


def warning(told: str, fix: str = "") -> Finding:
    """Find something that stops nothing and should be known."""
    return Finding(Status.WARNING, told, fix)


def failed(told: str, fix: str) -> Finding:
    """Find something that stops a command, and say what mends it."""
    return Finding(Status.FAILED, told, fix)


def unknown(told: str, fix: str = "") -> Finding:
    """Find that there was no answer."""
    return Finding(Status.UNKNOWN, told, fix)


def run_rules(rules: Sequence[Rule], facts: "Facts") -> list[Finding]:
    """Run rules side by side; give what they found, in the rules' order.

    What Azure refuses to one rule hides no other: that rule is `unknown`.
    """
    with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        found = pool.map(lambda rule: _findings(rule, facts), rules)
        return [finding for findings in found for finding in findings]


def _findings(rule: Rule, facts: "Facts") -> list[Finding]:
    return [replace(finding, rule=rule.id) for finding in _asked(rule, facts)]


def _asked(rule: Rule, facts: "Facts") -> list[Finding]:
    if rule.needs_azure and facts.cloud is None:
        return [skipped(facts.absence)]
    try:
        return list(rule.check(facts))
    except NotSignedIn as error:
        return [skipped(error)]
    except CloudError as error:
        return [unasked(error)]


def skipped(error: NotSignedIn | None) -> Finding:
    """Find that nobody is signed in; `login` says what to do."""
    return Finding(Status.SKIPPED, "not signed in", error.hint if error else "")


def unasked(error: CloudError) -> Finding:
    """Find that Azure did not answer; name the right that is missing, where it says one."""
    named = re.search(r"perform action '([^']+)' over scope '([^']+)'", str(error))
    if named is None:
        return unknown(f"could not be asked: {error}", error.hint)
    action, scope = named.groups()
    return unknown(
        f"could not be asked: the right {action} on {scope} is missing",
        f"az role assignment create --role Reader --assignee YOU --scope {_whole(scope)}"
        "  (by an owner)",
    )


def _whole(scope: str) -> str:
    """Give the subscription of a scope: what a location offers is read there."""
    found = re.match(r"/subscriptions/[^/]+", scope)
    return found[0] if found else scope
