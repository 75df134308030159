"""One search over a record's text for all that deserves a closer look."""

from collections.abc import Iterator
from typing import Protocol

import re2  # type: ignore[import-untyped]

from training.data.checks.conversation import Conversation
from training.data.findings import Report, found


class TextCheck(Protocol):
    """Looks for one subject in a message's text."""

    trigger: str
    """An RE2 pattern; a text without it has nothing of the subject."""

    def find(self, place: str, role: str, text: str) -> Iterator[tuple[str, str]]:
        """Yield the rule and what to say after the message's name, without repeating the text."""

    def end(self) -> Iterator[tuple[str, str]]:
        """Yield what only the whole file shows."""


class Texts:
    """Asks the text checks about the records that at least one trigger hits."""

    def __init__(self, checks: list[TextCheck], rules: frozenset[str], report: Report) -> None:
        self._checks = [(check, re2.compile(check.trigger).search) for check in checks]
        self._rules, self._report = rules, report
        self._trigger = re2.compile("|".join(f"(?:{check.trigger})" for check in checks)).search

    def look(self, conversation: Conversation) -> None:
        """Look at one record."""
        whole = conversation.text
        if self._trigger(whole) is None:
            return
        asked = [check for check, search in self._checks if search(whole)]
        for place, role, text in conversation.places():
            for check in asked:
                # The same thing twice in a message is said once.
                for rule, what in dict.fromkeys(check.find(place, role, text)):
                    self._say(rule, conversation.line, f"{place} {what}")

    def end(self) -> None:
        """Say what only the whole file shows."""
        for check, _ in self._checks:
            for rule, what in check.end():
                self._say(rule, 0, what)

    def _say(self, rule: str, line: int, what: str) -> None:
        if rule in self._rules:
            self._report.findings.append(found(rule, line, what))
