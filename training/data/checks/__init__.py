"""What a chat's text should not hold, one subject a module.

A text check names a `trigger`, a pattern that nearly no chat has: all triggers together are one
RE2 search over the record's text, some three microseconds, and only where it hits is a check
asked. What a check finds it says by kind and place, never by the text itself.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from training.data.checks.conversation import Conversation
from training.data.findings import Report

if TYPE_CHECKING:
    from training.data.checks.texts import TextCheck

__all__ = ["Conversation", "RecordCheck", "checks_for"]


class RecordCheck(Protocol):
    """Looks at each good record in turn, then at the file as a whole; adds to the report."""

    def look(self, conversation: Conversation) -> None:
        """Look at one record."""

    def end(self) -> None:
        """Say what only the whole file shows."""


def checks_for(rules: frozenset[str], base: str, report: Report) -> list[RecordCheck]:
    """Make the checks that some of the rules need; the packages behind them are imported here."""
    found: list[RecordCheck] = []
    texts = [make(base, report) for group, make in _TEXT_CHECKS.items() if _any(rules, group)]
    if texts:
        from training.data.checks.texts import Texts

        found.append(Texts(texts, rules, report))
    if _any(rules, "system"):
        from training.data.checks.system_turns import SystemTurns

        found.append(SystemTurns(base, rules, report))
    if rules & {"duplicates.near", "leakage.near"}:
        from training.data.checks.near import Near

        found.append(Near(rules, report))
    if _any(rules, "routes"):
        from training.data.checks.routes import Routes

        found.append(Routes(report))
    return found


def _any(rules: frozenset[str], group: str) -> bool:
    return any(rule.startswith(f"{group}.") for rule in rules)


def _template(base: str, report: Report) -> "TextCheck":
    from training.data.checks.template_tokens import TemplateTokens

    return TemplateTokens(base)


def _personal(base: str, report: Report) -> "TextCheck":
    from training.data.checks.personal import PersonalData

    return PersonalData()


def _secrets(base: str, report: Report) -> "TextCheck":
    from training.data.checks.secrets import Secrets

    return Secrets()


def _refusals(base: str, report: Report) -> "TextCheck":
    from training.data.checks.refusals import Refusals

    return Refusals(report)


_TEXT_CHECKS: dict[str, Callable[[str, Report], "TextCheck"]] = {
    "template": _template,
    "personal": _personal,
    "secrets": _secrets,
    "refusals": _refusals,
}
