"""What other routes of fine-tuning ask of the same file: notes, as nothing here depends on it.

Route openai: Azure OpenAI's fine-tuning of GPT models (limits as published, 2026-11).
"""

from training.data.checks.conversation import Conversation
from training.data.findings import Report, found

OPENAI_BYTES = 512 * 10**6
OPENAI_RECORDS = 10


class Routes:
    """Says where a file would be refused elsewhere."""

    def __init__(self, report: Report) -> None:
        self._report = report

    def look(self, conversation: Conversation) -> None:
        """Look at nothing: what counts is the file."""

    def end(self) -> None:
        """Say what the route openai would refuse."""
        report = self._report
        told = {finding.rule for finding in report.findings}
        if report.bytes >= OPENAI_BYTES:
            self._say(f"{report.bytes / 1e6:.0f} MB; files must be below 512 MB")
        if 0 < report.rows < OPENAI_RECORDS:
            self._say(f"{report.rows} records; {OPENAI_RECORDS} are the least")
        if "file.keys" in told:
            self._say("keys beside role and content may be refused")
        if "json.mark" not in told and report.rows:
            self._say("older pages ask for UTF-8 with a byte order mark; this file has none")

    def _say(self, reason: str) -> None:
        self._report.findings.append(found("routes.openai", 0, f"for the route openai: {reason}"))
