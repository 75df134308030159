"""The base model beside the tuned one on the same held-out questions: rows and counts.

Reads the job's `report/samples.jsonl`; how it is shown is the commands' affair. The counts are
over a handful of questions: they show a direction, not a rate.
"""

import json
from dataclasses import dataclass
from typing import Any

from core.errors import UserError
from evaluation.rules.travel import Breach, breaches, ends_with_question


@dataclass(frozen=True)
class Answer:
    """What a model said, judged by the rules."""

    text: str
    breaches: tuple[Breach, ...]
    ends_with_question: bool

    @classmethod
    def judged(cls, text: str) -> "Answer":
        """Judge a text."""
        return cls(text, tuple(breaches(text)), ends_with_question(text))


@dataclass(frozen=True)
class Row:
    """One held-out question and its three answers."""

    question: str
    """The last user message; what came before it is in `messages`."""
    messages: tuple[dict[str, str], ...]
    reference: str
    base: Answer
    tuned: Answer


@dataclass(frozen=True)
class Counts:
    """How often a model kept to the rules."""

    answers: int
    breaking_the_rule: int
    ending_with_a_question: int
    equal_to_reference: int | None
    """None where no question has a reference."""
    empty: int


@dataclass(frozen=True)
class Comparison:
    """All rows, and each side's counts."""

    rows: tuple[Row, ...]
    base: Counts
    tuned: Counts

    def document(self) -> dict[str, Any]:
        """Give the comparison as JSON-ready data."""
        return {
            "base": vars(self.base),
            "tuned": vars(self.tuned),
            "rows": [
                {
                    "question": row.question,
                    "messages": list(row.messages),
                    "reference": row.reference,
                    "base": _document(row.base),
                    "tuned": _document(row.tuned),
                }
                for row in self.rows
            ],
        }


def compare(samples: bytes) -> Comparison:
    """Judge the lines of a `samples.jsonl`.

    Raises:
        UserError: a line is not what the job writes; names the line.
    """
    lines = enumerate(samples.splitlines(), 1)
    rows = tuple(_row(number, line) for number, line in lines if line.strip())
    return Comparison(
        rows,
        base=_counts([(row.base, row.reference) for row in rows]),
        tuned=_counts([(row.tuned, row.reference) for row in rows]),
    )


def _row(number: int, line: bytes) -> Row:
    try:
        sample = json.loads(line)
        messages = tuple(sample["messages"])
        questions = [message["content"] for message in messages if message["role"] == "user"]
        return Row(
            question=questions[-1],
            messages=messages,
            reference=str(sample.get("reference") or ""),
            base=Answer.judged(sample["base"]),
            tuned=Answer.judged(sample["tuned"]),
        )
    except (ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
        raise UserError(
            f"samples.jsonl, line {number}: not a sample of the job: {error}"
        ) from error


def _counts(answers: list[tuple[Answer, str]]) -> Counts:
    return Counts(
        answers=len(answers),
        breaking_the_rule=sum(bool(answer.breaches) for answer, _ in answers),
        ending_with_a_question=sum(answer.ends_with_question for answer, _ in answers),
        equal_to_reference=_equal([(one.text, reference) for one, reference in answers]),
        empty=sum(not answer.text.strip() for answer, _ in answers),
    )


def _equal(answers: list[tuple[str, str]]) -> int | None:
    known = [(text, reference) for text, reference in answers if reference.strip()]
    return sum(text.strip() == reference.strip() for text, reference in known) if known else None


def _document(answer: Answer) -> dict[str, Any]:
    return {
        "text": answer.text,
        "ends_with_question": answer.ends_with_question,
        "breaches": [vars(breach) for breach in answer.breaches],
    }
