"""Whether the chats of a file agree on the system message, and what the base's template does."""

from training.data.checks.conversation import Conversation
from training.data.checks.families import family_of
from training.data.findings import Report, found


class SystemTurns:
    """Counts the chats with and without a system message."""

    def __init__(self, base: str, rules: frozenset[str], report: Report) -> None:
        self._family = family_of(base)
        self._rules, self._report = rules, report
        self._with = self._without = self._first = 0

    def look(self, conversation: Conversation) -> None:
        """Count one record."""
        if conversation.messages[0]["role"] == "system":
            self._with += 1
        else:
            self._without += 1
            self._first = self._first or conversation.line

    def end(self) -> None:
        """Say where chats differ, or get another's system message."""
        if self._family and any(each.rule == "system.empty" for each in self._report.findings):
            what = f"a system message without text {self._family.empty_system}"
            self._say("system.empty", f"{what} (base {self._family.name})")
        if not self._without:
            return
        if self._family and self._family.default_system:
            self._say(
                "system.default",
                f"{self._without} chats have no system message (line {self._first} is the first);"
                f" the template of {self._family.name} puts its own in:"
                f' "{self._family.default_system}"',
            )
        elif self._with:
            self._say(
                "system.mixed",
                f"{self._with} chats have a system message, {self._without} have none (line"
                f" {self._first} is the first)",
            )

    def _say(self, rule: str, reason: str) -> None:
        if rule in self._rules:
            self._report.findings.append(found(rule, 0, reason))
