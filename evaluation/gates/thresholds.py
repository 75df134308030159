"""What a gate wants of one metric, and whether an evaluation has it.

A threshold never passes for want of a number: what was not measured, or over too few cases, or
without the interval that `sure` asks for, fails and says so.
"""

from collections.abc import Callable, Iterator
from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator

from evaluation.metrics.names import is_possible, nearest_names
from evaluation.record import Record
from evaluation.results import Difference, Evaluation, Interval, Measured, Metric

BOUNDS = ("min", "max", "min_gain", "max_loss", "not_worse", "better")
SIGNED = "+.4g"
ROUNDING = 1e-9
"""What a difference may lack for being computed: 0.7 - 0.6 is less than 0.1, in binary."""


class Check(Record):
    """One thing that was wanted, and what was found."""

    metric: str
    """A metric's name, or what else was looked at: suite, cases, overfit …"""
    wanted: str
    found: str
    passed: bool
    reason: str
    """All of it as a sentence."""


def checked(metric: str, wanted: str, found: str, passed: bool, note: str = "") -> Check:
    """Make a check, its sentence from its parts."""
    reason = f"{metric}: {found}, wanted {wanted}"
    return Check(
        metric=metric, wanted=wanted, found=found, passed=passed,
        reason=f"{reason}; {note}" if note else reason,
    )  # fmt: skip


def _possible(name: str) -> str:
    if not is_possible(name):
        near = nearest_names(name)
        meant = f" Did you mean {' or '.join(near)}?" if near else ""
        raise ValueError(f"no evaluation has a metric {name!r}.{meant}")
    return name


MetricName = Annotated[str, AfterValidator(_possible)]
"""A name that a metric can have: a gate that can never pass is a mistake."""


class Threshold(Record):
    """What one metric has to reach; several bounds have to hold together."""

    metric: MetricName = Field(examples=["rouge_l"])
    min: float | None = None
    """The value is at least this."""
    max: float | None = None
    """The value is at most this."""
    min_gain: float | None = Field(default=None, ge=0)
    """It is better than the reference by at least this, whichever direction is better."""
    max_loss: float | None = Field(default=None, ge=0)
    """It is worse than the reference by at most this."""
    not_worse: bool = False
    """It is not judged worse than the reference; `sure`: it is known to be at most the metric's
    margin worse, so that too few cases do not pass."""
    better: bool = False
    """It is judged better than the reference: the interval leaves out zero, so it is sure."""
    sure: bool = False
    """The unfavourable end of the interval has to reach it, not the point alone."""
    min_cases: int | None = Field(default=None, ge=1)
    """Over how many cases at least; the gate's own where it is not given."""

    @model_validator(mode="after")
    def _wants_something(self) -> Self:
        if not any(self._asks(name) for name in BOUNDS):
            raise ValueError(f"give at least one of {', '.join(BOUNDS)}")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError(f"min {self.min:g} is above max {self.max:g}: nothing passes")
        return self

    def checks(self, evaluation: Evaluation, candidate: str, min_cases: int) -> Iterator[Check]:
        """Give a check for each bound."""
        metric, least = evaluation.metric(self.metric), self.min_cases or min_cases
        reference = evaluation.sides[0].name
        for name in filter(self._asks, BOUNDS):
            wanted = self._wanted(name, reference, metric)
            if metric is None:
                yield checked(self.metric, wanted, "was not measured", False)
            elif name in ("min", "max"):
                yield self._value(metric, candidate, name, wanted, least)
            elif candidate == reference:
                why = "is the reference itself, which is compared with nothing"
                yield checked(self.metric, wanted, f"{candidate} {why}", False)
            else:
                yield self._against(metric, candidate, name, wanted, least)

    def _asks(self, name: str) -> bool:
        value = getattr(self, name)
        return value is not None and value is not False

    def _wanted(self, name: str, reference: str, metric: Metric | None) -> str:
        bound = getattr(self, name)
        margin = f" by more than {metric.margin:g}" if metric and self.sure else ""
        text = {
            "min": f"at least {bound:g}",
            "max": f"at most {bound:g}",
            "min_gain": f"at least {bound:g} better than {reference}",
            "max_loss": f"at most {bound:g} worse than {reference}",
            "not_worse": f"not worse than {reference}{margin}",
            "better": f"better than {reference}",
        }[name]
        return f"{text}, surely" if self.sure and name != "better" else text

    def _value(self, metric: Metric, candidate: str, name: str, wanted: str, least: int) -> Check:
        found = metric.sides.get(candidate) or Measured(value=None)
        if found.value is None:
            return checked(metric.name, wanted, f"was not measured of {candidate}", False)
        told = f"{found.value:.4g}{_over(metric, found.cases)}{_ends(found.interval, '.4g')}"
        if (lacks := _lacks(found.cases, least, self.sure, found.interval)) is not None:
            return checked(metric.name, wanted, told, False, lacks)
        low, high = _range(found.value, found.interval, self.sure)
        above, below = low - (self.min or 0), (self.max or 0) - high
        passed = (above if name == "min" else below) >= -ROUNDING
        return checked(metric.name, wanted, told, passed)

    def _against(self, metric: Metric, candidate: str, name: str, wanted: str, least: int) -> Check:
        found = metric.differences.get(candidate) or Difference(value=None)
        if found.value is None:
            told = f"was not measured of {candidate} and the reference together"
            return checked(metric.name, wanted, told, False)
        ends = _ends(found.interval, SIGNED)
        told = f"{found.value:{SIGNED}} against the reference{_over(metric, found.cases)}{ends}"
        if not metric.better:
            why = "neither more nor less of it is better: a gate can only bound it by min and max"
            return checked(metric.name, wanted, told, False, why)
        if (lacks := _lacks(found.cases, least, self.sure, found.interval)) is not None:
            return checked(metric.name, wanted, told, False, lacks)
        low, _ = gain(metric, found, sure=self.sure)
        decide: dict[str, Callable[[], bool]] = {
            "min_gain": lambda: low >= (self.min_gain or 0) - ROUNDING,
            "max_loss": lambda: -low <= (self.max_loss or 0) + ROUNDING,
            "not_worse": lambda: low >= -metric.margin - ROUNDING if self.sure
            else found.judgement != "worse",
            "better": lambda: found.judgement == "better",
        }  # fmt: skip
        return checked(metric.name, wanted, told, decide[name](), _note(found))


def gain(metric: Metric, found: Difference, *, sure: bool) -> tuple[float, float]:
    """Give how much better a side is than the reference, from the worst to the best.

    Both ends are the point itself where it need not be sure or there is no interval.
    """
    low, high = _range(found.value or 0.0, found.interval, sure)
    return (-high, -low) if metric.better == "lower" else (low, high)


def _range(value: float, interval: Interval | None, sure: bool) -> tuple[float, float]:
    return (interval.low, interval.high) if sure and interval else (value, value)


def _lacks(cases: int, least: int, sure: bool, interval: Interval | None) -> str | None:
    """Say what is missing to judge at all; None where nothing is."""
    if cases < least:
        return f"that is over {cases} of the {least} cases that the gate wants at least"
    if sure and interval is None:
        return "no interval could be made, so nothing is sure"
    return None


def _note(found: Difference) -> str:
    if found.judgement != "too few":
        return ""
    more = f"; about {found.needed} would tell" if found.needed else ""
    return f"{found.cases} cases are too few to tell them apart{more}"


def _over(metric: Metric, cases: int) -> str:
    noun = "case" if cases == 1 else "cases"
    return f" over {cases} answers" if metric.unit == "share" else f" over {cases} {noun}"


def _ends(interval: Interval | None, digits: str) -> str:
    return f" ({interval.low:{digits}} to {interval.high:{digits}})" if interval else ""
