"""Intervals, tests and numbers of cases: how sure a difference is, and how many cases would tell.

A metric is told by statistics of each case (a score; n-gram counts; a loss and its tokens) and a
function of their sums, so that means, shares, perplexity and BLEU of a whole set are resampled
alike. A case is drawn with all sides' answers to it: sides of equal cases see the same draws.

Equal input gives equal output to the bit, whatever the order of additions: statistics are whole
multiples of `QUANTUM` or more, whose sums a float holds exactly.
"""

import math
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Bounds = tuple[float, float]

QUANTUM = 2.0**-30
CELLS = 2**19
"""Draws at a time, times cases: four megabytes. Of fewer the threads that multiply matrices wait
for each other longer than they work; the numbers are the same."""
POWER = 0.8
"""How often a number of cases that `cases_needed` gives finds the difference it was asked for."""


class Functional(Protocol):
    """A value of cases that each count as often as their weight says."""

    def at(self, weights: Array, rows: Array) -> Array:
        """Give the value for each row of `weights`, draws x cases; `rows` is cases x statistics."""

    def without_each(self, rows: Array) -> Array | None:
        """Give the value without each case in turn; None where that says nothing of its spread."""

    def of_each(self, rows: Array) -> Array:
        """Give the value of each case by itself."""


@dataclass(frozen=True)
class OfSums:
    """A function of the statistics' sums, over the last axis."""

    value: Callable[[Array], Array]

    def at(self, weights: Array, rows: Array) -> Array:
        """Give the function of the weighted sums."""
        return self.value(weights @ rows)

    def without_each(self, rows: Array) -> Array | None:
        """Give the function of the sums less each case."""
        return self.value(rows.sum(axis=0) - rows)

    def of_each(self, rows: Array) -> Array:
        """Give the function of each case's own statistics."""
        return self.value(rows)


@dataclass(frozen=True)
class Quantile:
    """The smallest value that at least `share` of the cases do not exceed (nearest rank)."""

    share: float

    def at(self, weights: Array, rows: Array) -> Array:
        """Give the quantile of the first statistic."""
        order = np.argsort(rows[:, 0], kind="stable")
        reached = np.cumsum(weights[:, order], axis=1)
        wanted = self.share * reached[:, -1:] - 1e-9
        return np.asarray(rows[order, 0][(reached < wanted).sum(axis=1)], dtype=np.float64)

    def without_each(self, rows: Array) -> Array | None:
        """Give None: a quantile moves in steps, and leaving one case out shows none of them."""
        return None

    def of_each(self, rows: Array) -> Array:
        """Give the first statistic."""
        return rows[:, 0]


def ratio(sums: Array) -> Array:
    """Give the first sum over the second; 0 where the second is 0."""
    top, bottom = sums[..., 0], sums[..., 1]
    return np.asarray(np.divide(top, bottom, out=np.zeros_like(top), where=bottom != 0))


MEAN = OfSums(ratio)
"""Of statistics (value, 1)."""


@dataclass(frozen=True, eq=False)
class Sample:
    """The statistics of some cases, and the value they stand for."""

    functional: Functional
    rows: Array

    @property
    def value(self) -> float:
        """The value over all of its cases, each once."""
        return float(self.functional.at(np.ones((1, len(self.rows))), self.rows)[0])

    @cached_property
    def without_each(self) -> Array | None:
        """The value without each case; None where there is none (one case, or a quantile)."""
        return self.functional.without_each(self.rows) if len(self.rows) > 1 else None


def table(rows: Sequence[Sequence[float]]) -> Array:
    """Make statistics of cases an array whose sums are exact, however often a case is drawn."""
    found = np.array(rows, dtype=np.float64)
    largest_sum = np.abs(found).max(axis=0, initial=0.0) * len(found)
    # A float holds 53 binary digits; frexp gives how many the sum takes before the point.
    step = np.maximum(QUANTUM, np.exp2(np.frexp(largest_sum)[1] - 53.0))
    return np.asarray(np.round(found / step) * step)


def resampled(samples: Sequence[Sample], count: int, seed: int) -> list[Array]:
    """Draw `count` times as many cases as there are, with replacement; give each sample's values.

    Samples of equally many cases are drawn alike, so that values of the same draw may be
    subtracted: that is the paired bootstrap.
    """
    values = [np.empty(count) for _ in samples]
    by_size: dict[int, list[int]] = defaultdict(list)
    for place, sample in enumerate(samples):
        by_size[len(sample.rows)].append(place)
    for size, places in by_size.items():
        alike = [samples[place] for place in places]
        summed = [np.empty((size, 0)), *(one.rows for one in alike if _is_summed(one))]
        rows = np.hstack(summed)
        for start, weights in _weights(size, count, seed):
            for place, drawn in zip(places, _at(weights, alike, rows), strict=True):
                values[place][start : start + len(weights)] = drawn
    return values


def _at(weights: Array, samples: Sequence[Sample], rows: Array) -> Iterator[Array]:
    """Yield each sample's values; `rows` are the statistics of all that are summed, side by side.

    One product of matrices for all of them takes a tenth of the time of one for each.
    """
    sums, start = weights @ rows, 0
    for sample in samples:
        if not isinstance(sample.functional, OfSums):
            yield sample.functional.at(weights, sample.rows)
            continue
        end = start + sample.rows.shape[1]
        yield sample.functional.value(sums[:, start:end])
        start = end


def _is_summed(sample: Sample) -> bool:
    return isinstance(sample.functional, OfSums)


def _weights(size: int, count: int, seed: int) -> Iterator[tuple[int, Array]]:
    """Yield how often each case is drawn, some draws at a time."""
    random = np.random.default_rng(seed)
    step = max(1, CELLS // size)
    for start in range(0, count, step):
        draws = min(step, count - start)
        drawn = random.integers(size, size=(draws, size))
        drawn += size * np.arange(draws)[:, None]
        counted = np.bincount(drawn.ravel(), minlength=draws * size)
        yield start, counted.reshape(draws, size).astype(np.float64)


def bootstrap_interval(
    values: Array, found: float, without_each: Array | None, cases: int, confidence: float
) -> Bounds:
    """Give an interval from resampled values: BCa, or percentiles where BCa has no answer.

    BCa (Efron 1987) mends the bias and the skew of plain percentiles. It has no answer where all
    resamples lie on one side of what was found, where no case changes it, or where a few change it
    far more than the others. Both are too short for few cases, and widened as Student widened the
    normal's (Hesterberg 2015): drawn from thirty uneven cases they would hold the truth 92 or 93
    times of 100, and so hold it 93 or 94 times.
    """
    from scipy.special import ndtr, ndtri

    reach = widened_reach(confidence, cases)
    bounds = np.array([-reach, reach])
    below = (np.mean(values < found) + np.mean(values <= found)) / 2
    if without_each is not None and 0 < below < 1:
        moved = without_each.mean() - without_each
        spread = float(np.sum(moved**2)) ** 1.5
        if spread > 0:
            acceleration, bias = float(np.sum(moved**3)) / (6 * spread), ndtri(below)
            shrunk = 1 - acceleration * (bias + bounds)
            if shrunk.min() > 0:
                bounds = bias + (bias + bounds) / shrunk
    low, high = np.quantile(values, ndtr(bounds))
    return float(low), float(high)


def widened_reach(confidence: float, cases: int) -> float:
    """Give how many of a normal's standard deviations an interval of so few cases has to reach."""
    from scipy.special import stdtrit

    student = stdtrit(cases - 1, (1 + confidence) / 2)
    return float(student * math.sqrt(cases / (cases - 1)))


def share_interval(kept: int, cases: int, confidence: float) -> Bounds:
    """Give Wilson's interval of a share, which holds near 0 and 1 and for few cases."""
    from scipy.stats import binomtest

    found = binomtest(kept, cases).proportion_ci(confidence, method="wilson")
    return float(found.low), float(found.high)


def shares_interval(gained: int, lost: int, cases: int, confidence: float) -> Bounds:
    """Give Bonett and Price's interval (2012) of a difference of paired shares.

    `gained` cases changed from no to yes, `lost` from yes to no. One made-up case of each keeps
    it honest where few changed: resampling alone would call no change in ten cases certain.
    """
    total = cases + 2
    share = (gained - lost) / total
    reach = _z(confidence) * changed_deviation(gained, lost, cases) / math.sqrt(total)
    return max(-1.0, share - reach), min(1.0, share + reach)


def changed_deviation(gained: int, lost: int, cases: int) -> float:
    """Give the standard deviation of a case's change of share, made-up cases included."""
    total = cases + 2
    return math.sqrt((gained + lost + 2) / total - ((gained - lost) / total) ** 2)


def sign_test(gained: int, lost: int) -> float:
    """Give the exact two-sided p that as uneven a split comes of tossing a coin; ties left out.

    Of shares, where a case has changed or has not, this is McNemar's exact test.
    """
    from scipy.stats import binomtest

    return float(binomtest(gained, gained + lost).pvalue) if gained + lost else 1.0


def holm(ps: Sequence[float]) -> list[float]:
    """Correct p-values for being many (Holm 1979); in the order given."""
    corrected, least = [0.0] * len(ps), 0.0
    for rank, place in enumerate(sorted(range(len(ps)), key=lambda place: ps[place])):
        least = max(least, min(1.0, ps[place] * (len(ps) - rank)))
        corrected[place] = least
    return corrected


def cases_needed(deviation: float, effect: float, alpha: float) -> float:
    """Give how many cases tell a mean difference of `effect` from none, `POWER` of the time."""
    if not effect:
        return math.inf
    return ((_z(1 - alpha) + _z(2 * POWER - 1)) * deviation / effect) ** 2


def cases_needed_by_sign(gained: int, lost: int, cases: int, alpha: float) -> float:
    """Give how many cases the sign test needs, were they to split as these have."""
    changed = gained + lost
    if gained == lost or changed == 1:  # one case alone shows no split
        return math.inf
    share = min(max(gained, lost), changed - 0.5) / changed
    spread = _z(1 - alpha) / 2 + _z(2 * POWER - 1) * math.sqrt(share * (1 - share))
    return float((spread / (share - 0.5)) ** 2 * cases / changed)


def _z(confidence: float) -> float:
    """Give how many standard deviations to either side hold this share of a normal variable."""
    from scipy.special import ndtri

    return float(ndtri((1 + confidence) / 2))
