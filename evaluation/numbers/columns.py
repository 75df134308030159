"""One metric of all sides: statistics by case, samples drawn from them, what they come to."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

from evaluation.cases import Case
from evaluation.metrics.definition import Definition, Statistics
from evaluation.numbers.judging import Compared
from evaluation.numbers.statistics import (
    Array,
    Bounds,
    Sample,
    bootstrap_interval,
    changed_deviation,
    resampled,
    share_interval,
    shares_interval,
    sign_test,
    table,
)
from evaluation.replies import Reply
from evaluation.results import Interval, Measured
from evaluation.sides import Side

Answers = Sequence[tuple[Case, Mapping[str, Reply]]]
"""Each case with its replies by side's name."""
Key = tuple[str, tuple[int, ...]]
"""A side's name, and the places of cases."""
Reason = Literal["no common cases", "different places", "different tokens"]


@dataclass(frozen=True, eq=False)
class Drawn:
    """A sample, and its value in each resample."""

    sample: Sample
    values: Array


@dataclass(frozen=True, eq=False)
class Column:
    """The statistics of one metric."""

    definition: Definition
    sides: Mapping[str, Side]
    rows: Mapping[str, dict[int, Statistics]]
    """By side's name and the case's place; where the metric does not apply there is none."""
    drawn: dict[Key, Drawn] = field(default_factory=dict)
    """Filled by `draw`, for all columns at once; of shares there are none, whose intervals follow
    from counts."""

    @property
    def is_empty(self) -> bool:
        """Whether nobody has anything."""
        return not any(self.rows.values())

    def common(self, one: str, other: str) -> tuple[int, ...]:
        """Give the places of the cases that two sides have."""
        return tuple(place for place in self.rows[one] if place in self.rows[other])

    @cached_property
    def scores(self) -> Mapping[str, Mapping[int, float]]:
        """The cases' own values, by side's name and place."""
        return {
            side: dict(
                zip(rows, self.definition.scores(_rows(rows.values())).tolist(), strict=True)
            )
            for side, rows in self.rows.items()
            if rows
        }

    def why_not(self, reference: str, side: str) -> Reason | None:
        """Say why two sides are not compared; None where they are."""
        place = self.definition.place
        if place(self.sides[reference]) != place(self.sides[side]):
            return "different places"
        places = self.common(reference, side)
        if self.definition.same_units and any(
            self.rows[reference][place][-1] != self.rows[side][place][-1] for place in places
        ):
            return "different tokens"
        return None if places else "no common cases"

    def keys(self) -> Iterator[Key]:
        """Yield the samples that are needed: each side's cases, and those it shares."""
        reference, *others = self.rows
        for side, rows in self.rows.items():
            if rows:
                yield side, tuple(rows)
        for side in others:
            if self.why_not(reference, side) is None:
                places = self.common(reference, side)
                yield from ((reference, places), (side, places))

    def sample(self, key: Key) -> Sample:
        """Give the statistics of some of a side's cases."""
        side, places = key
        rows = _rows(self.rows[side][place] for place in places)
        return Sample(self.definition.functional, rows)

    def measured(self, side: str, confidence: float) -> Measured:
        """Give a side's value over all of its cases."""
        places = tuple(self.rows[side])
        if not places:
            return Measured(value=None)
        sample = self.sample((side, places))
        bounds = (
            share_interval(round(sample.rows[:, 0].sum()), len(places), confidence)
            if self.definition.is_share
            else self._bounds(self.drawn[side, places], confidence)
        )
        return Measured(
            value=sample.value,
            interval=Interval(low=bounds[0], high=bounds[1]) if bounds else None,
            cases=len(places),
        )

    def _bounds(self, drawn: Drawn, confidence: float) -> Bounds | None:
        sample, values = drawn.sample, drawn.values
        cases = len(sample.rows)
        if cases < self.definition.fewest or values.min() == values.max():
            return None  # All cases alike, or one alone: nothing tells how others would be.
        return bootstrap_interval(values, sample.value, sample.without_each, cases, confidence)

    def compared(
        self, reference: str, side: str, margin: float, confidence: float
    ) -> Compared | None:
        """Give a side less the reference, over the cases that both have; None if not compared."""
        if self.why_not(reference, side) is not None:
            return None
        places = self.common(reference, side)
        its, mine = self.sample((reference, places)), self.sample((side, places))
        gained, lost = self._changed(reference, side, places)
        spread = (
            _spread_of_shares(gained, lost, len(places), confidence)
            if self.definition.is_share
            else self._spread(reference, side, places, confidence)
        )
        return Compared(
            better=self.definition.better,
            margin=margin,
            value=mine.value - its.value,
            bounds=spread.bounds,
            cases=len(places),
            gained=gained,
            lost=lost,
            p=sign_test(gained, lost) if self.definition.is_tested else None,
            is_share=self.definition.is_share,
            deviation=spread.deviation,
            fewest=self.definition.fewest,
        )

    def _spread(
        self, reference: str, side: str, places: tuple[int, ...], confidence: float
    ) -> "Spread":
        its, mine = self.drawn[reference, places], self.drawn[side, places]
        values, cases = mine.values - its.values, len(places)
        deviation = float(values.std()) * math.sqrt(cases)
        if cases < self.definition.fewest:
            return Spread(None, deviation)
        of_mine, of_its = mine.sample.without_each, its.sample.without_each
        bounds = bootstrap_interval(
            values,
            mine.sample.value - its.sample.value,
            None if of_mine is None or of_its is None else of_mine - of_its,
            cases,
            confidence,
        )
        return Spread(bounds, deviation)

    def _changed(self, reference: str, side: str, places: Sequence[int]) -> tuple[int, int]:
        """Count the cases in which a side has more than the reference, and less."""
        pairs = [(self.scores[side][place], self.scores[reference][place]) for place in places]
        return sum(mine > its for mine, its in pairs), sum(mine < its for mine, its in pairs)


@dataclass(frozen=True)
class Spread:
    """How far a difference may lie from what was found."""

    bounds: Bounds | None
    deviation: float
    """Standard deviation of what one case adds."""


def _spread_of_shares(gained: int, lost: int, cases: int, confidence: float) -> Spread:
    bounds = shares_interval(gained, lost, cases, confidence)
    return Spread(bounds, changed_deviation(gained, lost, cases))


def _rows(statistics: Iterable[Statistics]) -> Array:
    return table(list(statistics))


def read(
    definitions: Sequence[Definition], answers: Answers, sides: Sequence[Side]
) -> list[Column]:
    """Read the statistics of all replies, all metrics of one after another."""
    named = {side.name: side for side in sides}
    columns = [Column(one, named, {name: {} for name in named}) for one in definitions]
    for place, (case, replies) in enumerate(answers):
        for name, reply in replies.items():
            for column in columns:
                found = column.definition.read(case, named[name], reply)
                if found is not None:
                    column.rows[name][place] = found
    return columns


def draw(columns: Sequence[Column], resamples: int, seed: int) -> None:
    """Resample all columns together: the same draws serve all metrics of equally many cases."""
    drawn = [column for column in columns if not column.definition.is_share]
    keys = [(column, key) for column in drawn for key in dict.fromkeys(column.keys())]
    samples = [column.sample(key) for column, key in keys]
    for (column, key), sample, values in zip(
        keys, samples, resampled(samples, resamples, seed), strict=True
    ):
        column.drawn[key] = Drawn(sample, values)
