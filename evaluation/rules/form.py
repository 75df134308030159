"""Rules of an answer's form: its length, how it ends, that there is one, and that it is JSON."""

import json
from collections.abc import Iterator
from typing import Any, Literal

from pydantic import Field, model_validator

from evaluation.cases import Case
from evaluation.record import Record
from evaluation.rules.rule import Rule
from evaluation.rules.travel import ends_with_question
from evaluation.rules.words import sentences, words


class Bounds(Record):
    """How long an answer may be; bounds that are not given do not bind."""

    min_words: int | None = Field(default=None, ge=1, examples=["5"])
    """A character of Chinese, Japanese or Thai counts as a word."""
    max_words: int | None = Field(default=None, ge=1, examples=["120"])
    min_sentences: int | None = Field(default=None, ge=1, examples=["1"])
    max_sentences: int | None = Field(default=None, ge=1, examples=["6"])
    """A line is a sentence too; an abbreviation with a full stop is taken for the end of one."""
    max_characters: int | None = Field(default=None, ge=1, examples=["1000"])

    @model_validator(mode="after")
    def _can_be_kept(self) -> "Bounds":
        if not self.model_dump(exclude_none=True):
            raise ValueError("a length has at least one bound, such as {max_words: 120}")
        for unit in ("words", "sentences"):
            least, most = getattr(self, f"min_{unit}"), getattr(self, f"max_{unit}")
            if least is not None and most is not None and least > most:
                raise ValueError(f"min_{unit} {least} is above max_{unit} {most}")
        return self


class Length(Rule):
    """Keeps within bounds."""

    length: Bounds = Field(examples=["{max_words: 120}"])

    def breaches(self, answer: str, case: Case) -> Iterator[str]:
        """Yield each bound that is broken: the count, and how the answer begins."""
        counts = {
            "words": len(words(answer)),
            "sentences": len(sentences(answer)),
            "characters": len(answer.strip()),
        }
        for bound, limit in self.length.model_dump(exclude_none=True).items():
            side, unit = bound.split("_")
            count = counts[unit]
            if (side == "min" and count < limit) or (side == "max" and count > limit):
                wanted = "at least" if side == "min" else "at most"
                yield f"{count} {unit}, {wanted} {limit}: {answer.strip()}"


class EndsWithQuestion(Rule):
    """Ends by asking (true), or does not (false). What is empty ends in no question."""

    ends_with_question: bool = Field(examples=["true"])

    def breaches(self, answer: str, case: Case) -> Iterator[str]:
        """Yield the last sentence."""
        if ends_with_question(answer) is not self.ends_with_question:
            yield (sentences(answer) or ["(no text)"])[-1]


class NotEmpty(Rule):
    """Says something: a letter or a digit, not white space and punctuation alone."""

    not_empty: Literal[True] = Field(examples=["true"])

    def breaches(self, answer: str, case: Case) -> Iterator[str]:
        """Yield the answer that says nothing."""
        if not words(answer):
            yield answer.strip() or "(no text)"


class Json(Rule):
    """Is JSON as a whole, and nothing else: words or a code fence around it break the rule."""

    is_json: Literal[True] = Field(alias="json", examples=["true"])
    keys: tuple[str, ...] = Field(default=(), examples=["[city, days]"])
    """What the object has to have; without any, JSON of every kind will do."""

    def breaches(self, answer: str, case: Case) -> Iterator[str]:
        """Yield where it is no JSON, or which keys are missing."""
        try:
            value = json.loads(answer, parse_constant=_refuse)
        except (ValueError, RecursionError) as error:
            at = getattr(error, "pos", 0)
            yield f"{error}: {answer[at : at + 80] or '(end)'}" if answer.strip() else "(no text)"
            return
        missing = [key for key in self.keys if not isinstance(value, dict) or key not in value]
        if missing:
            yield f"no {', '.join(missing)}: {answer}"


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is no JSON")
