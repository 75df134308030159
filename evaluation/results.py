"""The outcome of an evaluation, as `evaluation.json` holds it: what pages, gates and people read.

The first side is the reference; every other one is compared with it, case by case.
"""

from collections import Counter
from datetime import datetime
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from evaluation.cases import Case, Decoding
from evaluation.record import Record
from evaluation.replies import Reply
from evaluation.sides import Side

Judgement = Literal["better", "worse", "different", "alike", "too few"]
FORMAT = 1
MOST_RESAMPLES = 100_000
"""A file may be edited by hand: so many resamples still fit into memory."""


def _is_moment(text: str) -> str:
    datetime.fromisoformat(text)
    return text


class Interval(Record):
    """A confidence interval."""

    low: float
    high: float


class Measured(Record):
    """One metric of one side."""

    value: float | None
    """None where nothing could be measured."""
    interval: Interval | None = None
    cases: int = 0
    """Over how many cases."""


class Difference(Record):
    """One metric of a side less the reference's, over the cases that both have."""

    value: float | None
    interval: Interval | None = None
    p: float | None = None
    """Of `test`, two-sided, not corrected."""
    p_corrected: float | None = None
    """By Holm, over the main metrics of this comparison, or over the others."""
    test: str = ""
    """`McNemar (exact)`, `sign test`, or empty."""
    cases: int = 0
    judgement: Judgement = "too few"
    """better, worse (different, where neither direction is better), alike, or too few cases to
    tell: by the rule of evaluation/numbers/judging.py."""
    needed: int | None = None
    """About how many cases would tell, where these are too few."""


class Metric(Record):
    """One metric: all sides, and every other side against the reference."""

    name: str
    """`rouge_l`, `perplexity`, `rule.ends_with_question`, `safety.refusal`, `seconds` …"""
    title: str
    unit: Literal["share", "score", "seconds", "tokens", "USD", "nats", "ratio", "points"]
    better: Literal["higher", "lower", ""]
    """Empty: neither is (length)."""
    margin: float
    """A difference as small as this is none that matters."""
    is_main: bool = False
    """Declared in the suite's `decides`; the others are secondary, and decide nothing."""
    sides: dict[str, Measured]
    differences: dict[str, Difference]
    note: str = ""
    """What it reads and what it does not: shown beside it."""


class Found(Record):
    """What a rule has found in an answer."""

    rule: str
    text: str


class CaseResult(Record):
    """A case, everybody's reply, and their scores by metric."""

    case: Case
    replies: dict[str, Reply]
    """By `Side.name`; a side that gave none is left out."""
    scores: dict[str, dict[str, float | None]]
    """By metric and side: the case's own value; None where it does not apply."""
    found: dict[str, tuple[Found, ...]] = Field(default_factory=dict)
    """By side: what broke a rule."""


class Source(Record):
    """A file that went in."""

    name: str
    sha256: str


class Evaluation(Record):
    """All of it. The numbers follow from suite, cases, sides and replies alone."""

    format: Literal[1] = 1
    made: Annotated[str, AfterValidator(_is_moment)]
    """When, ISO 8601 in UTC."""
    stack: str = ""
    suite: Source
    suite_text: str
    """The suite as it was read, so that the numbers can be made again from this file alone."""
    data: Source
    decoding: Decoding
    sides: tuple[Side, ...] = Field(min_length=1)
    decides: tuple[str, ...] = ()
    """The main metrics as the suite declares them, measured or not; none: all of them decide."""
    metrics: tuple[Metric, ...]
    """The main ones first, in the order declared."""
    cases: tuple[CaseResult, ...]
    confidence: float = Field(default=0.95, gt=0, lt=1)
    resamples: int = Field(default=10_000, ge=1, le=MOST_RESAMPLES)
    seed: int = Field(default=0, ge=0)
    notes: tuple[str, ...] = ()
    """What a reader has to know: cases without a reply, sides measured at different places …"""

    @model_validator(mode="after")
    def _names_fit(self) -> Self:
        names = Counter(side.name for side in self.sides)
        if twice := [name for name, count in names.items() if count > 1]:
            raise ValueError(f"two sides are called {', '.join(twice)}")
        unknown = {name for case in self.cases for name in case.replies if name not in names}
        if unknown:
            raise ValueError(f"there are replies of {', '.join(sorted(unknown))}, who is no side")
        return self

    def side(self, name: str) -> Side:
        """Give a side by its name; KeyError where there is none."""
        return {side.name: side for side in self.sides}[name]

    def metric(self, name: str) -> Metric | None:
        """Give a metric by its name; None where it was not measured."""
        return next((metric for metric in self.metrics if metric.name == name), None)
