"""Two tuned models' answers to the same held-out questions, judged by the same rules."""

import json
from dataclasses import dataclass
from typing import Any

from evaluation.comparison import Answer, Comparison, Counts


@dataclass(frozen=True)
class Pair:
    """One question that both were asked."""

    question: str
    reference: str
    first: Answer
    second: Answer

    @property
    def is_same(self) -> bool:
        """True where both said the same."""
        return self.first.text == self.second.text


@dataclass(frozen=True)
class SideBySide:
    """What both were asked, and each one's counts over all that it was asked."""

    pairs: tuple[Pair, ...]
    first: Counts
    second: Counts

    def document(self) -> dict[str, Any]:
        """Give it as JSON-ready data."""
        return {
            "same": sum(pair.is_same for pair in self.pairs),
            "first": vars(self.first),
            "second": vars(self.second),
            "rows": [
                {
                    "question": pair.question,
                    "reference": pair.reference,
                    "first": pair.first.text,
                    "second": pair.second.text,
                    "same": pair.is_same,
                }
                for pair in self.pairs
            ],
        }


def side_by_side(first: Comparison, second: Comparison) -> SideBySide:
    """Join the answers of two jobs' tuned models by the whole conversation that was asked."""
    answers = {_asked(row.messages): row.tuned for row in second.rows}
    pairs = tuple(
        Pair(row.question, row.reference, row.tuned, answers[_asked(row.messages)])
        for row in first.rows
        if _asked(row.messages) in answers
    )
    return SideBySide(pairs, first.tuned, second.tuned)


def _asked(messages: tuple[dict[str, str], ...]) -> str:
    return json.dumps(messages, sort_keys=True)
