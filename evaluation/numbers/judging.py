"""One metric of two sides over the cases that both have: difference, interval, test, judgement.

The rule, in this order:

1. Fewer than `FEWEST` cases, or no interval: too few. Resampling so few cases gives intervals
   that are too short.
2. The interval lies within plus or minus the margin, over `FEWEST_ALIKE` cases or more: alike,
   even where it leaves out zero, for a difference of that size is none that matters. What thirty
   cases do not show may still be so in one of ten.
3. The interval leaves out zero, and the exact test, corrected by Holm for the metrics of its
   family, gives p < 0.05, and more cases went the way of the difference than the other:
   better or worse; different, where the metric says neither. The interval is about the mean, the
   test about how many cases changed: a few extreme cases move the first, many tiny ones the
   second, and either alone is not called an improvement. A metric without a test (percentiles)
   is judged by its interval alone. Of several sides each is compared with the first by itself.
4. Else: too few to tell.

The main metrics, which the suite declares, are one family; all others are a second one. A family
of twenty kindred metrics would take from the few that matter most of their power, and being right
about any of twenty says little. The second has its own 5 %, and nothing is decided by it. Which is
which never depends on the answers. Without a declaration all metrics are one family.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from evaluation.numbers.statistics import (
    Bounds,
    cases_needed,
    cases_needed_by_sign,
    holm,
)
from evaluation.results import Difference, Interval, Judgement

FEWEST = 10
FEWEST_ALIKE = 30
ALPHA = 0.05
MCNEMAR, SIGN = "McNemar (exact)", "sign test"


@dataclass(frozen=True)
class Compared:
    """What was found of one metric, before it is corrected for the others."""

    better: str
    margin: float
    value: float
    bounds: Bounds | None
    cases: int
    gained: int
    """Cases in which the side has more of it than the reference."""
    lost: int
    p: float | None
    """None where the metric has no test."""
    is_share: bool
    deviation: float
    """Standard deviation of what one case adds to the difference."""
    fewest: int
    """Cases under which the metric gives no interval."""


def corrected(found: Sequence[Compared]) -> list[float | None]:
    """Give each one's p by Holm, all of them being one family.

    A test in which no case went either way could have found nothing, whatever the sides are like:
    it does not count among the many (Tarone 1990).
    """
    ps: list[float | None] = [None if one.p is None else 1.0 for one in found]
    could = _informative(found)
    for place, p in zip(could, holm(list(could.values())), strict=True):
        ps[place] = p
    return ps


def _informative(found: Sequence[Compared]) -> dict[int, float]:
    """Give the p of tests that could have found something, by place."""
    return {
        place: one.p
        for place, one in enumerate(found)
        if one.p is not None and one.gained + one.lost
    }


def differences(found: Sequence[Compared]) -> list[Difference]:
    """Judge the metrics of one family in one comparison together."""
    strictest = ALPHA / max(len(_informative(found)), 1)
    return [_difference(one, p, strictest) for one, p in zip(found, corrected(found), strict=True)]


def _difference(one: Compared, p: float | None, alpha: float) -> Difference:
    judgement = judged(one, p)
    return Difference(
        value=one.value,
        interval=Interval(low=one.bounds[0], high=one.bounds[1]) if one.bounds else None,
        p=one.p,
        p_corrected=p,
        test="" if p is None else MCNEMAR if one.is_share else SIGN,
        cases=one.cases,
        judgement=judgement,
        needed=needed(one, p, alpha) if judgement == "too few" else None,
    )


def judged(one: Compared, p: float | None) -> Judgement:
    """Judge by the rule above; `p` is corrected."""
    if one.cases < FEWEST or one.bounds is None:
        return "too few"
    low, high = one.bounds
    if one.cases >= FEWEST_ALIKE and -one.margin <= low and high <= one.margin:
        return "alike"
    if not (low > 0 or high < 0) or not _stands(one, p):
        return "too few"
    if not one.better:
        return "different"
    return "better" if (one.value > 0) == (one.better == "higher") else "worse"


def _stands(one: Compared, p: float | None) -> bool:
    """Tell whether the test agrees that there is a difference, and on its direction."""
    return p is None or (p < ALPHA and (one.gained > one.lost) == (one.value > 0))


def needed(one: Compared, p: float | None, alpha: float) -> int | None:
    """Say about how many cases would tell, to two digits; None where these do not show it.

    What is to be told is a difference as large as was found, or as the margin if that is larger,
    at the strictest level that Holm may ask for, with a chance of 80 %. It supposes that further
    cases are like these.
    """
    least = max(one.fewest, FEWEST_ALIKE)
    changed = one.gained + one.lost
    if not changed:
        return _about(max(least, _unchanged(one)), one.cases)
    wanted = cases_needed(one.deviation, max(abs(one.value), one.margin), alpha)
    if p is not None and abs(one.value) > one.margin and (one.gained > one.lost) == (one.value > 0):
        wanted = max(wanted, cases_needed_by_sign(one.gained, one.lost, one.cases, alpha))
    return _about(max(least, wanted), one.cases)


def _unchanged(one: Compared) -> float:
    """Say how many cases without any change are called alike."""
    if not one.is_share or not one.margin:
        return 0.0
    # With no case changed, the interval of a share reaches z * sqrt(2) / (cases + 2).
    return 1.96 * math.sqrt(2) / one.margin


def _about(wanted: float, cases: int) -> int | None:
    if not math.isfinite(wanted) or wanted <= cases:
        return None
    step = int(10 ** max(0, math.floor(math.log10(wanted)) - 1))
    return math.ceil(wanted / step) * step
