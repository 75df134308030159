"""What an explanation is made from, and what it is."""

import re
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property

UNKNOWN = "unknown"
OWN_LAST_WORD = "error: "
"""How the job program begins the line that says why it ends (training/job/train.py)."""


class Confidence(StrEnum):
    """How far an explanation can be relied on."""

    CERTAIN = "certain"
    """The job program or Azure says so in words that mean nothing else."""
    LIKELY = "likely"
    """A library's text or an exit code, which has other causes now and then."""
    NONE = "none"


@dataclass(frozen=True)
class Explanation:
    """Why a job failed, in one line, by which rule, and what to do."""

    rule: str
    cause: str
    fix: str
    confidence: Confidence
    evidence: tuple[str, ...] = ()
    """The lines that the rule was found in."""

    @property
    def is_known(self) -> bool:
        """Tell whether a rule was found."""
        return self.rule != UNKNOWN

    def lines(self) -> list[str]:
        """Write cause and fix, a line each."""
        if not self.is_known:
            return [f"{self.cause} {self.fix}"]
        likely = "probably: " if self.confidence is Confidence.LIKELY else ""
        return [f"Cause: {likely}{self.cause} [{self.rule}]", f"Fix: {self.fix}"]


@dataclass(frozen=True)
class Rule:
    """A text that tells of one cause; `{name}` in cause and fix is a group of the pattern."""

    id: str
    pattern: re.Pattern[str]
    cause: str
    fix: str
    confidence: Confidence = Confidence.CERTAIN

    def explanation(self, match: re.Match[str], evidence: tuple[str, ...]) -> Explanation:
        """Fill in what the text names."""
        named = {name: (value or "").strip() for name, value in match.groupdict().items()}
        cause, fix = self.cause.format_map(named), self.fix.format_map(named)
        return Explanation(self.id, cause, fix, self.confidence, evidence)


def rule(
    id: str, pattern: str, cause: str, fix: str, confidence: Confidence = Confidence.CERTAIN
) -> Rule:
    """Make a rule of a pattern in any case."""
    return Rule(id, re.compile(pattern, re.IGNORECASE), cause, fix, confidence)


@dataclass(frozen=True)
class Evidence:
    """What is known of an ended job."""

    status: str
    error: str
    """Azure's error code and message."""
    log: tuple[str, ...]
    """The end of the job's log, the image build's before the program's."""

    @cached_property
    def error_lines(self) -> tuple[str, ...]:
        """Azure's error by its lines, without the log that some errors repeat."""
        own, _, _ = self.error.partition("The last lines:")
        return tuple(line.strip() for line in own.splitlines() if line.strip())

    @cached_property
    def is_image_build(self) -> bool:
        """Tell whether it was the image that could not be made."""
        return bool(re.search(r"image ?build ?fail", self.error, re.IGNORECASE))

    @cached_property
    def build_lines(self) -> tuple[str, ...]:
        """The log from its end, where the build says why it gave up."""
        return self.log[::-1]

    @cached_property
    def last_words(self) -> tuple[str, ...]:
        """What the job program said last of why it ends."""
        own = [line for line in self.log if line.startswith(OWN_LAST_WORD)]
        return tuple(own[-1:])
