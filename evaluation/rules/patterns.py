"""Rules of patterns: what an answer must not say, and what it has to.

A pattern is RE2's; `.` stops at a line's end, `(?s)` lets it pass, `(?m)` lets ^ and $ stand at
lines. Upper and lower case are alike unless a rule says `ignore_case: false`.
"""

from collections.abc import Iterator
from typing import Literal

from pydantic import Field

from evaluation.cases import Case
from evaluation.rules.rule import Pattern, Rule, compiled

_EXAMPLE = '["as an AI", "\\\\$[0-9]+"]'
AROUND = 40
"""Characters beside a match that a finding quotes, so that it can be found and judged."""


class Forbidden(Rule):
    """No pattern may match. Each match is found, with a few words around it."""

    forbidden: tuple[Pattern, ...] = Field(min_length=1, examples=[_EXAMPLE])
    ignore_case: bool = Field(default=True, examples=["false"])

    def breaches(self, answer: str, case: Case) -> Iterator[str]:
        """Yield each match, with what stands beside it on its line."""
        for pattern in self.forbidden:
            for match in compiled(pattern, self.ignore_case).finditer(answer):
                if match.end() > match.start():
                    yield beside(answer, match.start(), match.end())


class Required(Rule):
    """Every pattern has to match; with `match: any`, at least one."""

    required: tuple[Pattern, ...] = Field(min_length=1, examples=['["(?m)^Source:"]'])
    match: Literal["all", "any"] = Field(default="all", examples=["any"])
    ignore_case: bool = Field(default=True, examples=["false"])

    def breaches(self, answer: str, case: Case) -> Iterator[str]:
        """Yield what is missing, by its pattern: there is no text to quote."""
        missing = [
            pattern
            for pattern in self.required
            if compiled(pattern, self.ignore_case).search(answer) is None
        ]
        if self.match == "all":
            yield from (f"nothing matches {pattern}" for pattern in missing)
        elif len(missing) == len(self.required):
            yield f"nothing matches {' or '.join(missing)}"


def beside(text: str, start: int, end: int) -> str:
    """Quote a part of a text with what stands around it on its line."""
    opening = max(text.rfind("\n", 0, start) + 1, start - AROUND)
    closing = text.find("\n", end)
    closing = min(len(text) if closing < 0 else closing, end + AROUND)
    before = "\u2026" if opening and text[opening - 1] != "\n" else ""
    after = "\u2026" if closing < len(text) and text[closing] != "\n" else ""
    return f"{before}{text[opening:closing]}{after}"
