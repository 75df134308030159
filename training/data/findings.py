"""What the check of a file says: findings by line, and the report that holds them."""

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from training.data.rules import RULES, Severity
from training.data.seen import SeenRecords

if TYPE_CHECKING:
    from training.data.checks.near import Sketches

Kind = Literal["chat", "preference"]
"""What a file's records are: conversations, or pairs of a better and a worse answer."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something about a file; line 0 is the file as a whole.

    What is personal or secret is never repeated: its kind and its place are said.
    """

    line: int
    severity: Severity
    reason: str
    rule: str

    @property
    def fix(self) -> str:
        """What to do about it."""
        return RULES[self.rule].fix

    def __str__(self) -> str:
        return f"line {self.line}: {self.reason}" if self.line else self.reason

    def document(self) -> dict[str, Any]:
        """Give the finding as JSON-ready data."""
        return {
            "line": self.line,
            "rule": self.rule,
            "severity": self.severity,
            "reason": self.reason,
            "fix": self.fix,
        }


def found(rule: str, line: int, reason: str) -> Finding:
    """Make a finding with its rule's severity."""
    return Finding(line, RULES[rule].severity, reason, rule)


@dataclass
class Report:
    """What one pass over a file found."""

    path: Path
    kind: Kind = "chat"
    form: str = ""
    """The form that the file was read from; empty where it is what the training reads."""
    rows: int = 0
    """Records, faulty ones included."""
    sha256: str = ""
    bytes: int = 0
    roles: Counter[str] = field(default_factory=Counter)
    duplicates: int = 0
    longest: int = 0
    """Bytes of the longest record."""
    findings: list[Finding] = field(default_factory=list)
    seen: SeenRecords = field(default_factory=SeenRecords, repr=False)
    sketches: "Sketches | None" = field(default=None, repr=False)
    """What tells near duplicates, where they were asked for."""

    @property
    def errors(self) -> list[Finding]:
        """The findings that training cannot go on with."""
        return self.of("error")

    @property
    def warnings(self) -> list[Finding]:
        """The findings that a person should look at."""
        return self.of("warning")

    def of(self, severity: Severity) -> list[Finding]:
        """Give the findings of one severity."""
        return [finding for finding in self.findings if finding.severity == severity]

    @property
    def is_good(self) -> bool:
        """True where the file can be trained on."""
        return not self.errors

    def document(self) -> dict[str, Any]:
        """Give the report as JSON-ready data, every finding included."""
        return {
            "path": str(self.path),
            "kind": self.kind,
            "form": self.form,
            "is_good": self.is_good,
            "rows": self.rows,
            "bytes": self.bytes,
            "sha256": self.sha256,
            "roles": dict(self.roles),
            "duplicates": self.duplicates,
            "longest": self.longest,
            "rules": dict(Counter(finding.rule for finding in self.findings)),
            "findings": [finding.document() for finding in self.findings],
        }
