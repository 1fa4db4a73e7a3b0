"""Trends against SciPy, on many random histories, and where there is nothing to test."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from scipy import stats

from sluiceway.quality.stats.arrays import inversions, mad
from sluiceway.quality.stats.mannkendall import mann_kendall
from sluiceway.quality.stats.theilsen import EXACT_UP_TO, theil_sen

SEEDS = range(60)


def history(seed: int, least: int = 3, most: int = 80) -> tuple[Any, Any]:
    """Times and values: some with ties, some uneven, some with a slope."""
    draw = np.random.default_rng(seed)
    n = int(draw.integers(least, most))
    x = np.sort(draw.uniform(0, 100, n)) if seed % 2 else np.arange(n, dtype=float)
    y = draw.normal(0, 1, n) + x * draw.choice([0, 0.02, -0.05])
    if seed % 3 == 0:
        y = np.round(y)
    if seed % 7 == 0:
        x = np.round(x / 5)
    return x, y


@pytest.mark.parametrize("seed", SEEDS)
def test_kendall_s_statistic_is_scipy_s(seed: int) -> None:
    _, y = history(seed)
    found = mann_kendall(y)
    if np.ptp(y) == 0:
        assert (found.p, found.direction()) == (1.0, "none")
        return
    expected = stats.kendalltau(np.arange(y.size), y, method="asymptotic")
    assert found.tau == pytest.approx(expected.statistic, abs=1e-12)
    without = math.erfc(
        abs(found.s) / math.sqrt(found.variance) / math.sqrt(2)
    )  # SciPy doesn't correct for continuity
    assert without == pytest.approx(expected.pvalue, rel=1e-9)
    if found.exact:
        counted = stats.kendalltau(np.arange(y.size), y, method="exact").pvalue
        assert found.p == pytest.approx(counted, rel=1e-9)
    else:
        assert found.p >= without


def test_the_order_is_that_of_the_times() -> None:
    assert mann_kendall([3.0, 1.0, 2.0, 4.0], [3, 1, 2, 4]).s == 6


@pytest.mark.parametrize(
    "values", [[], [1.0], [1.0, 2.0], [5.0] * 40, [math.nan] * 9, [1.0, math.nan, math.inf]]
)
def test_there_is_no_trend_in_nothing(values: list[float]) -> None:
    for autocorrelation in (False, True):
        found = mann_kendall(values, autocorrelation=autocorrelation)
        assert (found.s, found.p, found.direction()) == (0, 1.0, "none")


def test_nan_counts_as_not_there() -> None:
    with_holes = [1.0, math.nan, 2.0, math.inf, 3.0, 2.5, -math.inf]
    assert mann_kendall(with_holes) == mann_kendall([1.0, 2.0, 3.0, 2.5])
    assert theil_sen(with_holes).slope == theil_sen([1, 2, 3, 2.5], [0, 2, 4, 5]).slope


@pytest.mark.parametrize("seed", range(20))
def test_inversions_are_counted_exactly(seed: int) -> None:
    draw = np.random.default_rng(seed)
    values = draw.integers(0, draw.integers(1, 30), draw.integers(0, 60)).astype(float)
    slow = sum(values[i] > values[j] for i in range(values.size) for j in range(i + 1, values.size))
    assert inversions(values) == slow


def test_autocorrelation_makes_no_trends() -> None:
    """Hamed and Rao's point: the plain test finds trends in what only drifts to and fro. Theirs finds some
    too where there are only a hundred points."""
    plain = corrected = 0
    for seed in range(200):
        noise = np.random.default_rng(seed).normal(0, 1, 100)
        y = np.zeros(100)
        for k in range(1, 100):
            y[k] = 0.6 * y[k - 1] + noise[k]
        plain += mann_kendall(y).p < 0.05
        corrected += mann_kendall(y, autocorrelation=True).p < 0.05
    assert plain > 40
    assert corrected < 0.6 * plain


def test_the_correction_is_the_formula_of_the_paper() -> None:
    """Equation 12, lag by lag, against the one that goes by FFT."""
    draw = np.random.default_rng(4)
    y = np.cumsum(draw.normal(0, 1, 50))
    n = y.size
    ranks = stats.rankdata(y - theil_sen(y).slope * np.arange(n)) - (n + 1) / 2
    total = 0.0
    for lag in range(1, n):
        rho = float(ranks[:-lag] @ ranks[lag:] / (ranks @ ranks))
        if abs(rho) > 1.959963984540054 / math.sqrt(n):
            total += (n - lag) * (n - lag - 1) * (n - lag - 2) * rho
    assert mann_kendall(y, autocorrelation=True).correction == pytest.approx(
        1 + 2 / (n * (n - 1) * (n - 2)) * total
    )


@pytest.mark.parametrize("seed", SEEDS)
def test_slope_and_band_are_scipy_s(seed: int) -> None:
    x, y = history(seed)
    found = theil_sen(y, x)
    if np.ptp(x) == 0:
        assert math.isnan(found.slope)
        return
    expected = stats.theilslopes(y, x, alpha=0.95)
    assert found.slope == pytest.approx(expected.slope, rel=1e-12, abs=1e-12)
    assert found.low == pytest.approx(expected.low_slope, rel=1e-12, abs=1e-12)
    assert found.high == pytest.approx(expected.high_slope, rel=1e-12, abs=1e-12)
    joint = stats.theilslopes(y, x, method="joint").intercept
    assert found.intercept == pytest.approx(joint, abs=1e-9)


def test_the_band_holds_the_slope_as_often_as_it_says() -> None:
    held = 0
    for seed in range(300):
        y = 0.3 * np.arange(30) + np.random.default_rng(seed).normal(0, 1, 30)
        found = theil_sen(y)
        held += found.low <= 0.3 <= found.high
    assert 0.9 < held / 300 <= 1.0


def test_many_points_are_sampled_the_same_way_each_time() -> None:
    n = EXACT_UP_TO * 3
    y = 0.01 * np.arange(n) + np.random.default_rng(0).normal(0, 1, n)
    found = theil_sen(y)
    assert not found.exact
    assert found == theil_sen(y)
    exact = stats.theilslopes(y)
    assert found.slope == pytest.approx(exact.slope, abs=(exact.high_slope - exact.low_slope) / 10)
    assert found.low < exact.slope < found.high


@pytest.mark.parametrize("values", [[], [1.0], [math.nan, 2.0]])
def test_no_two_points_have_no_slope(values: list[float]) -> None:
    assert math.isnan(theil_sen(values).slope)


def test_points_of_one_time_have_no_slope() -> None:
    assert math.isnan(theil_sen([1.0, 2.0, 3.0], [5.0, 5.0, 5.0]).slope)


def test_times_and_values_must_be_as_many() -> None:
    with pytest.raises(ValueError, match="2 times for 3 values"):
        theil_sen([1, 2, 3], [1, 2])


@pytest.mark.parametrize("seed", range(10))
def test_mad_is_scipy_s(seed: int) -> None:
    y = np.random.default_rng(seed).normal(0, 3, 31)
    assert mad(y) == pytest.approx(stats.median_abs_deviation(y, scale="normal"), rel=1e-9)


@pytest.mark.parametrize("value", [1.0, 2.0])
def test_many_runs_of_one_moment_and_one_value_have_a_band(value: float) -> None:
    """Ties in both: without their joint terms the variance would be below zero."""
    x = np.repeat(np.arange(3.0), 5)
    y = np.where(np.arange(15) == 14, value, 1.0)
    found = theil_sen(y, x)
    assert found.low <= found.slope <= found.high
    assert found.slope == 0
