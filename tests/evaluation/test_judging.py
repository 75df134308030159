"""When a difference is called better, worse or alike, and when there are too few cases to tell."""

from dataclasses import replace

import numpy as np
import pytest

from evaluation.numbers.judging import ALPHA, Compared, differences, judged, needed
from evaluation.numbers.statistics import (
    MEAN,
    Sample,
    bootstrap_interval,
    changed_deviation,
    resampled,
    shares_interval,
    sign_test,
    table,
)

FOUND = Compared(
    better="higher", margin=0.02, value=0.2, bounds=(0.1, 0.3), cases=50, gained=20, lost=4,
    p=0.002, is_share=False, deviation=0.35, fewest=2,
)  # fmt: skip


def test_better_needs_the_interval_the_corrected_test_and_most_changed_cases() -> None:
    assert judged(FOUND, 0.002) == "better"
    assert judged(FOUND, 0.06) == "too few"
    assert judged(replace(FOUND, bounds=(-0.01, 0.3)), 0.002) == "too few"
    # A few large gains against many small losses: the mean and the cases disagree.
    assert judged(replace(FOUND, gained=4, lost=20), 0.002) == "too few"


def test_lower_is_better_where_the_metric_says_so_and_neither_is_only_different() -> None:
    fallen = replace(FOUND, value=-0.2, bounds=(-0.3, -0.1), gained=4, lost=20)
    assert judged(fallen, 0.002) == "worse"
    assert judged(replace(fallen, better="lower"), 0.002) == "better"
    assert judged(replace(FOUND, better="lower"), 0.002) == "worse"
    assert judged(replace(FOUND, better=""), 0.002) == "different"


def test_nothing_is_judged_under_ten_cases() -> None:
    """Nine of nine gained gives p = 0.004, and the interval of nine cases is too short."""
    few = replace(FOUND, cases=9, gained=9, lost=0, p=sign_test(9, 0))
    assert judged(few, few.p) == "too few"
    assert judged(replace(few, cases=10, gained=10), 0.002) == "better"


def test_alike_is_an_interval_within_the_margin_over_thirty_cases() -> None:
    level = replace(FOUND, value=0.0, bounds=(-0.01, 0.02), gained=3, lost=4, p=1.0)
    assert judged(level, 1.0) == "alike"
    assert judged(replace(level, bounds=(-0.01, 0.021)), 1.0) == "too few"
    assert judged(replace(level, cases=29), 1.0) == "too few"
    # As sure as can be, and too small to matter.
    assert judged(replace(level, value=0.012, bounds=(0.01, 0.015)), 0.0001) == "alike"


def test_a_metric_without_a_test_is_judged_by_its_interval() -> None:
    assert judged(replace(FOUND, p=None), None) == "better"
    assert judged(replace(FOUND, p=None, bounds=None), None) == "too few"


def test_all_metrics_of_a_comparison_are_corrected_together() -> None:
    # 0.002 x 3, then 0.02 x 2; the last has p = 0.04 and comes third.
    found = differences([replace(FOUND, p=p) for p in (0.02, 0.002, 0.04)])
    assert [one.p_corrected for one in found] == pytest.approx([0.04, 0.006, 0.04])
    assert [one.p for one in found] == [0.02, 0.002, 0.04]
    assert [one.test for one in found] == ["sign test"] * 3


def test_a_test_that_could_have_found_nothing_does_not_count_among_the_many() -> None:
    still = replace(FOUND, value=0.0, bounds=(0.0, 0.0), gained=0, lost=0, p=1.0)
    untested = replace(FOUND, p=None)
    tested, same, none = differences([replace(FOUND, p=0.03), still, untested])
    assert (tested.p_corrected, same.p_corrected, none.p_corrected) == (0.03, 1.0, None)
    assert (tested.judgement, same.judgement, none.test) == ("better", "alike", "")


def test_shares_are_told_as_tested_by_mcnemar() -> None:
    (found,) = differences([replace(FOUND, is_share=True)])
    assert found.test == "McNemar (exact)"


def test_too_few_says_about_how_many_would_tell() -> None:
    # ((1.95996 + 0.84162) x 0.35 / 0.1)^2 = 96.2 cases for the mean; of the 20 changed cases of
    # fifty 13 gained: ((0.97998 + 0.84162 x sqrt(0.65 x 0.35)) / 0.15)^2 = 84.8 changed cases,
    # which is 212 in all: 220 in two digits.
    unsure = replace(FOUND, value=0.1, bounds=(-0.01, 0.2), gained=13, lost=7)
    assert needed(unsure, 0.3, ALPHA) == 220
    # Smaller than the margin: what is looked for is a difference as large as the margin,
    # ((1.95996 + 0.84162) x 0.35 / 0.02)^2 = 2404.
    assert needed(replace(unsure, value=0.004), 0.3, ALPHA) == 2500


def test_cases_without_any_change_are_told_how_many_make_them_alike() -> None:
    still = replace(FOUND, value=0.0, gained=0, lost=0, cases=12, p=1.0)
    assert needed(still, 1.0, ALPHA) == 30
    # Of shares: 1.96 x sqrt(2) / 0.02 = 138.6; and so it is.
    share = replace(still, is_share=True)
    assert needed(share, 1.0, ALPHA) == 140
    bounds = shares_interval(0, 0, 140, 0.95)
    assert judged(replace(share, cases=140, bounds=bounds), 1.0) == "alike"


def test_a_number_of_cases_that_these_already_have_is_not_told() -> None:
    assert needed(replace(FOUND, cases=5000), 0.2, ALPHA) is None


def score(gain: np.ndarray) -> Compared:
    """Compare two sides whose cases differ by `gain`, as measuring does."""
    sample = Sample(MEAN, table([(value, 1.0) for value in gain]))
    (drawn,) = resampled([sample], 400, 0)
    gained, lost = int((gain > 0).sum()), int((gain < 0).sum())
    bounds = bootstrap_interval(drawn, sample.value, sample.without_each, len(gain), 0.95)
    return replace(
        FOUND, value=sample.value, bounds=bounds, cases=len(gain), gained=gained, lost=lost,
        p=sign_test(gained, lost), deviation=float(gain.std()),
    )  # fmt: skip


def share(gained: int, lost: int, cases: int) -> Compared:
    return replace(
        FOUND, value=(gained - lost) / cases, bounds=shares_interval(gained, lost, cases, 0.95),
        cases=cases, gained=gained, lost=lost, p=sign_test(gained, lost), is_share=True,
        deviation=changed_deviation(gained, lost, cases),
    )  # fmt: skip


def test_sides_without_a_difference_are_called_different_five_times_of_a_hundred_at_most() -> None:
    """Uncorrected, a metric by itself: scores of thirty cases, shares of sixty."""
    source, times = np.random.default_rng(11), 400
    scores = [
        score(source.exponential(size=30) - source.exponential(size=30)) for _ in range(times)
    ]
    splits = [source.multinomial(60, [0.15, 0.15, 0.7]) for _ in range(times)]
    shares = [share(int(gained), int(lost), 60) for gained, lost, _ in splits]
    for found in (scores, shares):
        wrong = sum(judged(one, one.p) in ("better", "worse") for one in found)
        assert wrong / times <= ALPHA


def test_the_number_that_would_tell_tells_four_times_of_five() -> None:
    """A share that gains 16 and loses 4 of a hundred: asked of 50 cases, tried with the answer."""
    source, times = np.random.default_rng(5), 400
    number = needed(share(8, 2, 50), 0.11, ALPHA)
    assert number is not None
    splits = [source.multinomial(number, [0.16, 0.04, 0.8]) for _ in range(times)]
    found = [share(int(gained), int(lost), number) for gained, lost, _ in splits]
    told = sum(judged(one, one.p) == "better" for one in found) / times
    assert 0.7 <= told <= 0.95, (number, told)
