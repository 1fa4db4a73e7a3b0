"""Distances of distributions against SciPy, on many random sides, and where a side is empty."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from sluiceway.quality.stats.drift import chi_square, cohen_d, kolmogorov_smirnov, ks_of_counts, psi
from sluiceway.quality.stats.tails import chi_square_tail, kolmogorov_tail


@pytest.mark.parametrize("degrees", [1, 2, 3, 9.5, 40, 999, 20_000])
@pytest.mark.parametrize("times", [0, 1e-6, 0.01, 0.5, 0.9, 1, 1.1, 2, 5, 30])
def test_the_tail_of_chi_square(degrees: float, times: float) -> None:
    x = degrees * times
    assert chi_square_tail(x, degrees) == pytest.approx(stats.chi2.sf(x, degrees), rel=1e-8, abs=1e-290)


def test_the_tail_of_chi_square_where_there_is_none() -> None:
    assert math.isnan(chi_square_tail(1.0, 0))
    assert math.isnan(chi_square_tail(math.nan, 3))
    assert (chi_square_tail(math.inf, 3), chi_square_tail(-1, 3)) == (0.0, 1.0)


@pytest.mark.parametrize("x", [0, 0.01, 0.05, 0.2, 0.5, 0.8, 0.999, 1, 1.001, 1.5, 3, 6, 20])
def test_the_tail_of_kolmogorov(x: float) -> None:
    assert kolmogorov_tail(x) == pytest.approx(stats.kstwobign.sf(x), rel=1e-9, abs=1e-14)


@pytest.mark.parametrize("seed", range(40))
def test_kolmogorov_smirnov_is_scipy_s(seed: int) -> None:
    draw = np.random.default_rng(seed)
    n, m = draw.integers(1, 200, 2)
    b, a = draw.normal(0, 1, n), draw.normal(draw.choice([0, 0.3]), 1, m)
    if seed % 3 == 0:
        b, a = np.round(b), np.round(a)
    found, expected = kolmogorov_smirnov(b, a), stats.ks_2samp(b, a, method="asymp")
    assert found.d == pytest.approx(expected.statistic, abs=1e-12)
    assert found.p == pytest.approx(
        stats.kstwobign.sf(math.sqrt(n * m / (n + m)) * expected.statistic), rel=1e-9
    )
    coarse = [np.histogram(side, bins=7, range=(-6, 6))[0] for side in (b, a)]
    assert ks_of_counts(*coarse).d <= found.d + 1e-12


@pytest.mark.parametrize("seed", range(40))
def test_chi_square_is_scipy_s(seed: int) -> None:
    draw = np.random.default_rng(seed)
    table = draw.integers(0 if seed % 2 else 1, 60, (2, draw.integers(2, 12)))
    table[:, 0] += 1
    kept = table[:, table.sum(axis=0) > 0]
    expected = stats.chi2_contingency(kept, correction=False)
    found = chi_square(*table)
    assert found.statistic == pytest.approx(expected.statistic)
    assert (found.degrees, found.p) == (expected.dof, pytest.approx(expected.pvalue, rel=1e-8))
    assert found.v == pytest.approx(stats.contingency.association(kept, method="cramer"))


def test_psi_by_its_formula() -> None:
    draw = np.random.default_rng(0)
    for _ in range(20):
        b, a = draw.integers(1, 100, 8), draw.integers(1, 100, 8)
        p, q = b / b.sum(), a / a.sum()
        assert psi(b, a) == pytest.approx(stats.entropy(p, q) + stats.entropy(q, p))  # Jeffreys
        assert psi(b, a) == pytest.approx(psi(a, b))
    assert psi([5, 5], [50, 50]) == 0.0


def test_an_empty_bin_is_no_infinity() -> None:
    assert 1 < psi([100, 0], [0, 100]) < 20
    assert psi([1_000_000, 0], [999_999, 1]) < 0.001  # one row of a million is no drift


def test_a_new_value_weighs_the_same_in_a_thousand_rows_and_in_millions() -> None:
    assert psi([10_000, 0], [9_900, 100]) == pytest.approx(psi([10**7, 0], [9_900_000, 100_000]))
    assert psi([10**7, 0], [9_900_000, 100_000]) < 0.1  # one row of a hundred


def test_sides_that_are_empty_say_so() -> None:
    for empty in ([], [0, 0]):
        assert math.isnan(psi(empty, empty))
        assert math.isnan(ks_of_counts(empty, empty).d)
        assert math.isnan(chi_square(empty, empty).v)
    assert math.isnan(kolmogorov_smirnov([], [1.0]).p)
    assert math.isnan(psi([0, 0], [1, 2]))


def test_one_category_and_nan() -> None:
    assert chi_square([5], [7]) == chi_square([5, 0], [7, 0])
    assert chi_square([5], [7]).p == 1.0
    assert kolmogorov_smirnov([1.0, math.nan], [1.0]).d == 0.0


def test_effects_of_constants() -> None:
    assert cohen_d((1.0, 1.0), (0.0, 0.0)) == 0.0
    assert cohen_d((2.0, 1.0), (0.0, 0.0)) == -math.inf
