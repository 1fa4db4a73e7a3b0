"""Odd points and seasons: against SciPy where it has the method, else against what was planted."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from scipy import stats

from sluiceway.quality.stats.outliers import modified_z, season_of, threshold

BEGIN = 1_767_225_600.0
DAY = 86400.0


@pytest.mark.parametrize("seed", range(10))
def test_scores_are_distances_in_mads(seed: int) -> None:
    y = np.random.default_rng(seed).normal(5, 2, 41)
    expected = 0.6745 * (y - np.median(y)) / stats.median_abs_deviation(y) * math.sqrt(40 / 41)
    assert np.allclose(modified_z(y), expected, rtol=1e-4)


def test_where_most_are_equal_the_mean_deviation_is_the_unit() -> None:
    y = np.zeros(30)
    y[7] = 1e-3
    z = modified_z(y)
    assert z[7] > threshold(30)
    assert not np.delete(z, 7).any()


@pytest.mark.parametrize("values", [[], [3.0], [3.0] * 20])
def test_nothing_is_odd_among_equals(values: list[float]) -> None:
    assert not modified_z(np.asarray(values)).any()


def test_the_bound_is_never_below_the_sensitivity_and_grows_for_few() -> None:
    assert threshold(0) == math.inf
    assert threshold(10**4, sensitivity=6.0) == 6.0
    assert threshold(8) > threshold(20) > threshold(100) >= 3.5


def test_false_alarms_of_normal_noise_are_as_rare_as_stated() -> None:
    alarmed = 0
    for seed in range(1000):
        z = modified_z(np.random.default_rng(seed).normal(0, 1, 30))
        alarmed += bool((np.abs(z) > threshold(30)).any())
    assert alarmed / 1000 <= 0.02


def weekly(seed: int, n: int = 60, size: float = 4.0) -> tuple[Any, Any]:
    draw = np.random.default_rng(seed)
    days = np.arange(n) + draw.uniform(-0.1, 0.1, n)
    effect = size * np.array([0, 0, 0, 0, 0, -1, -1])[(np.floor(days).astype(int) + 3) % 7]
    return effect + draw.normal(0, 1, n), BEGIN + days * DAY


def test_a_week_is_found_where_there_is_one() -> None:
    y, x = weekly(1)
    found = season_of(y, x)
    assert found.name == "day of week"
    assert np.std(y - found.effect) < 1.3
    assert season_of(*weekly(1, size=0.0)).name == "none"


def test_seasons_are_seldom_seen_in_noise() -> None:
    seen = sum(season_of(*weekly(seed, size=0.0)).name != "none" for seed in range(300))
    assert seen / 300 <= 0.03


def test_hours_and_days_may_both_matter() -> None:
    draw = np.random.default_rng(2)
    hours = np.arange(24 * 28)
    y = (
        5 * np.sin(hours % 24 / 24 * 2 * math.pi)
        + 6.0 * (hours // 24 % 7 >= 5)
        + draw.normal(0, 1, hours.size)
    )
    assert season_of(y, BEGIN + hours * 3600.0).name == "hour of day, day of week"


@pytest.mark.parametrize("n", [0, 1, 2, 5, 13])
def test_two_weeks_show_no_week(n: int) -> None:
    y, x = weekly(3, n)
    found = season_of(y, x)
    assert (found.name, found.parameters) == ("none", 0)
    assert found.effect.shape == (n,)


def test_a_season_survives_gaps_and_a_step() -> None:
    y, x = weekly(5, 80)
    y[40:] += 8
    kept = np.r_[0:20, 33:80]
    found = season_of(y[kept], x[kept])
    assert found.name == "day of week"
    weekend = (np.floor((x[kept] - BEGIN) / DAY).astype(int) + 3) % 7 >= 5
    assert found.effect[~weekend].mean() - found.effect[weekend].mean() == pytest.approx(4, abs=1)


def test_all_at_one_time_have_no_season() -> None:
    assert season_of([1.0] * 30, [BEGIN] * 30).name == "none"
