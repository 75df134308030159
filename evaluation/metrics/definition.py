"""What a metric is: statistics of each case, and the value that follows from their sums."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from evaluation.cases import Case
from evaluation.numbers.statistics import MEAN, Array, Functional
from evaluation.replies import Reply
from evaluation.sides import Side

Unit = Literal["share", "score", "seconds", "tokens", "USD", "nats", "ratio", "points"]
Statistics = tuple[float, ...]


@dataclass(frozen=True)
class Definition:
    """A metric, before anything was measured."""

    name: str
    title: str
    unit: Unit
    better: Literal["higher", "lower", ""]
    margin: float
    """A difference as small as this is none that matters; in the metric's unit."""
    read: Callable[[Case, Side, Reply], Statistics | None]
    """The statistics of a case; None where the metric does not apply to it."""
    note: str
    functional: Functional = MEAN
    margin_is_relative: bool = False
    """`margin` is a share of the reference's value."""
    is_share: bool = False
    """Of each case it is yes or no."""
    own: Callable[[Array], Array] | None = None
    """Cases' own values, where they are not what each case alone would come to."""
    place: Callable[[Side], str] = lambda side: ""
    """Where it is measured: sides are compared at equal places alone."""
    same_units: bool = False
    """The last statistic counts what is judged (tokens of the reference); sides that count
    differently for the same case judge different things, and are not compared."""
    is_tested: bool = True
    """Cases are counted that went one way or the other; a percentile is not about each case."""
    fewest: int = 5
    """Cases under which no interval is given; of four there are 35 different resamples in all."""

    def scores(self, rows: Array) -> Array:
        """Give the own values of cases, from their statistics."""
        return self.own(rows) if self.own is not None else self.functional.of_each(rows)


def text_of(reply: Reply) -> str:
    """Give what was answered: nothing, where the content filter took it."""
    return "" if reply.finish == "filtered" else reply.text


def is_everyday(case: Case) -> bool:
    """Tell a case of the product from a safety prompt, which counts in `safety.` metrics alone."""
    return case.kind != "safety"


def yes(value: bool) -> Statistics:
    """Give the statistics of a case that is counted or is not."""
    return float(value), 1.0


def one(value: float | None) -> Statistics | None:
    """Give the statistics of a value that is averaged."""
    return None if value is None else (float(value), 1.0)
