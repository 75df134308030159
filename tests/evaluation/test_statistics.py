"""Intervals, tests and numbers of cases, against arithmetic by hand, scipy and simulation."""

import math
import random
from types import SimpleNamespace

import numpy as np
import pytest

from evaluation.numbers.statistics import (
    MEAN,
    Array,
    OfSums,
    Quantile,
    Sample,
    bootstrap_interval,
    cases_needed,
    cases_needed_by_sign,
    changed_deviation,
    holm,
    ratio,
    resampled,
    share_interval,
    shares_interval,
    sign_test,
    table,
    widened_reach,
)


def of_values(*values: float) -> Sample:
    return Sample(MEAN, table([(value, 1.0) for value in values]))


def interval(sample: Sample, draws: int = 2_000, seed: int = 0) -> tuple[float, float]:
    (values,) = resampled([sample], draws, seed)
    return bootstrap_interval(values, sample.value, sample.without_each, len(sample.rows), 0.95)


def normal_confidence(cases: int) -> float:
    """The confidence that scipy has to be asked for, where ours is 95 % of so few cases."""
    from scipy.special import ndtr

    return float(2 * ndtr(widened_reach(0.95, cases)) - 1)


@pytest.mark.parametrize(
    ("gained", "lost", "p"),
    [
        (0, 0, 1.0),
        (1, 1, 1.0),
        (5, 0, 2 / 2**5),  # 0.0625: five of five may be chance
        (6, 0, 2 / 2**6),  # 0.03125: six of six hardly
        (0, 6, 2 / 2**6),
        (8, 2, 2 * (1 + 10 + 45) / 2**10),  # none, one or two of ten, both ways
    ],
)
def test_the_sign_test_is_the_exact_binomial(gained: int, lost: int, p: float) -> None:
    assert sign_test(gained, lost) == pytest.approx(p, abs=1e-12)


def test_holm_multiplies_the_smallest_p_by_all_the_next_by_one_less_and_never_falls() -> None:
    # 3 x 0.01, then 2 x 0.03, then 1 x 0.04, which may not lie under the one before it.
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []


def test_a_share_of_all_or_none_is_not_certain() -> None:
    z2 = 1.959964**2
    low, high = share_interval(20, 20, 0.95)
    assert (low, high) == pytest.approx((20 / (20 + z2), 1.0), abs=1e-6)  # 0.839 to 1
    assert share_interval(0, 20, 0.95) == pytest.approx((0.0, z2 / (20 + z2)), abs=1e-6)


def test_a_difference_of_shares_has_one_made_up_case_each_way() -> None:
    # Six of twenty gained, none lost: 7/22 less 1/22, with a variance of (8/22 - (6/22)^2) / 22.
    reach = 1.959964 * ((8 / 22 - (6 / 22) ** 2) / 22) ** 0.5
    found = shares_interval(6, 0, 20, 0.95)
    assert found == pytest.approx((6 / 22 - reach, 6 / 22 + reach), abs=1e-6)
    assert changed_deviation(6, 0, 20) == pytest.approx((8 / 22 - (6 / 22) ** 2) ** 0.5)


def test_no_change_in_twenty_cases_does_not_show_that_there_is_none() -> None:
    low, high = shares_interval(0, 0, 20, 0.95)
    assert low < -0.1
    assert high > 0.1


def test_the_interval_of_a_mean_is_scipys_bca_of_the_same_draws() -> None:
    from scipy.stats import bootstrap

    values = [0.1, 0.2, 0.2, 0.3, 0.35, 0.4, 0.8, 1.5, 2.0, 6.0, 0.15, 0.25]
    sample = of_values(*values)
    (drawn,) = resampled([sample], 2_000, 0)
    known = bootstrap(
        (np.array(values),), np.mean, n_resamples=0, method="BCa",
        confidence_level=normal_confidence(12),
        bootstrap_result=SimpleNamespace(bootstrap_distribution=drawn),
    ).confidence_interval  # fmt: skip
    found = bootstrap_interval(drawn, sample.value, sample.without_each, 12, 0.95)
    assert found == pytest.approx((known.low, known.high), abs=1e-6)
    assert found[1] > np.quantile(drawn, 0.975) + 0.05


def test_the_interval_of_a_ratio_of_sums_is_scipys_bca_of_the_same_draws() -> None:
    from scipy.stats import bootstrap

    losses, tokens = np.array([2.0, 9, 4, 30, 7, 12, 5, 3]), np.array([4.0, 9, 3, 12, 8, 9, 6, 2])
    sample = Sample(OfSums(ratio), table(list(zip(losses, tokens, strict=True))))
    (drawn,) = resampled([sample], 2_000, 0)
    known = bootstrap(
        (losses, tokens), lambda one, other, axis=-1: one.sum(axis) / other.sum(axis),
        paired=True, n_resamples=0, method="BCa", confidence_level=normal_confidence(8),
        bootstrap_result=SimpleNamespace(bootstrap_distribution=drawn),
    ).confidence_interval  # fmt: skip
    found = bootstrap_interval(drawn, sample.value, sample.without_each, 8, 0.95)
    assert found == pytest.approx((known.low, known.high), abs=1e-9)


def test_intervals_of_few_cases_are_widened_as_students_are() -> None:
    # Student's t of 9 degrees is 2.262157, times sqrt(10 / 9).
    assert widened_reach(0.95, 10) == pytest.approx(2.384523, abs=1e-6)
    assert widened_reach(0.95, 100_000) == pytest.approx(1.95996, abs=1e-4)


def test_values_that_are_all_equal_give_plain_percentiles() -> None:
    assert interval(of_values(*[0.5] * 12)) == (0.5, 0.5)


def test_both_sides_are_drawn_with_the_same_cases() -> None:
    """A side that is 0.25 better on each of very uneven cases is 0.25 better in every draw."""
    values = [float(place**2) for place in range(30)]
    its, mine = of_values(*values), of_values(*(value + 0.25 for value in values))
    drawn = resampled([its, mine], 500, 0)
    assert np.ptp(drawn[0]) > 100
    np.testing.assert_allclose(drawn[1] - drawn[0], 0.25, atol=1e-9)


def test_samples_of_other_sizes_beside_it_change_no_draw() -> None:
    sample, other = of_values(1, 2, 3, 5, 8), of_values(1, 2, 3)
    alone, beside = resampled([sample], 300, 0)[0], resampled([other, sample], 300, 0)[1]
    np.testing.assert_array_equal(alone, beside)
    assert set(np.unique(resampled([of_values(0, 1)], 300, 0)[0])) == {0.0, 0.5, 1.0}


def test_sums_are_the_same_to_the_bit_in_every_order() -> None:
    source = random.Random(7)
    values = [source.expovariate(0.01) for _ in range(500)]
    sums = set()
    for _ in range(20):
        source.shuffle(values)
        sums.add(table([(value, 1.0) for value in values]).sum(axis=0)[0])
    assert len(sums) == 1
    assert sums.pop() == pytest.approx(sum(values), abs=1e-6)


def test_sums_of_long_references_losses_are_exact_too() -> None:
    """Of 10,000 references of 2,000 nats a float has no room left for 30 binary places."""
    source = random.Random(8)
    values = [2_000 + source.random() for _ in range(10_000)]
    kept = table([(value, 1.0) for value in values])[:, 0]
    assert math.fsum(kept) == kept.sum() == kept[::-1].sum() == np.sort(kept).cumsum()[-1]
    assert kept == pytest.approx(values, rel=1e-9)
    # Drawn as one case ten thousand times, the largest sum there can be.
    assert 10_000 * kept.max() == math.fsum([float(kept.max())] * 10_000)


def test_a_quantile_is_the_nearest_rank_also_where_cases_are_drawn_twice() -> None:
    p95 = Quantile(0.95)
    rows = table([(float(value), 1.0) for value in reversed(range(1, 21))])
    every, first_only = np.ones((1, 20)), np.zeros((1, 20))
    first_only[0, 0] = 20  # The case with value 20, twenty times.
    assert p95.at(every, rows)[0] == 19
    assert p95.at(first_only, rows)[0] == 20
    assert Sample(p95, rows).without_each is None


def test_how_many_cases_tell_a_mean_difference() -> None:
    # (1.95996 + 0.84162)^2 x 1^2 / 0.5^2: 31.4, the textbook's paired t-test.
    assert cases_needed(1.0, 0.5, 0.05) == pytest.approx(31.395, abs=0.01)
    assert cases_needed(1.0, 0.0, 0.05) == float("inf")


def test_how_many_cases_the_sign_test_needs() -> None:
    # Three of four changed cases gain: ((1.95996 / 2 + 0.84162 x sqrt(3/16)) / 0.25)^2 = 28.92
    # changed cases, and one case of two changes.
    assert cases_needed_by_sign(15, 5, 40, 0.05) == pytest.approx(2 * 28.92, abs=0.02)
    assert cases_needed_by_sign(5, 5, 40, 0.05) == float("inf")


def skewed(source: np.random.Generator, cases: int) -> Array:
    return source.exponential(1.0, cases)


def test_intervals_hold_the_truth_about_95_times_of_100() -> None:
    """Forty cases: a mean of skewed values, a share near its end, a difference of shares."""
    source, times, held = np.random.default_rng(3), 400, np.zeros(3)
    for _ in range(times):
        low, high = interval(of_values(*skewed(source, 40)), draws=800)
        held[0] += low <= 1.0 <= high
        low, high = share_interval(int(source.binomial(40, 0.92)), 40, 0.95)
        held[1] += low <= 0.92 <= high
        # Of a hundred cases twenty gain and ten lose.
        gained, lost, _ = source.multinomial(40, [0.2, 0.1, 0.7])
        low, high = shares_interval(int(gained), int(lost), 40, 0.95)
        held[2] += low <= 0.1 <= high
    assert np.all(held / times >= 0.92), held / times
    assert np.all(held / times <= 0.985), held / times
