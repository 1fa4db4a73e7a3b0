"""Change points against ruptures and against trying everything."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import ruptures
from scipy import stats

from sluiceway.quality.stats.changepoints import change_points, pelt
from sluiceway.quality.stats.changepoints import noise as noise_of
from sluiceway.quality.stats.tails import student_tails


def steps(seed: int, n: int) -> Any:
    draw = np.random.default_rng(seed)
    y = draw.normal(0, 1, n)
    for at in draw.integers(1, n, draw.integers(0, 4)):
        y[at:] += draw.normal(0, 4)
    return np.round(y) if seed % 5 == 0 else y


def cost(y: Any, points: list[int], penalty: float) -> float:
    return sum(float(((p - p.mean()) ** 2).sum()) for p in np.split(y, points)) + penalty * len(points)


def best_cost(y: Any, penalty: float, min_size: int) -> float:
    """Optimal partitioning without pruning: Jackson et al. (2005)."""
    n = y.size
    best = np.full(n + 1, np.inf)
    best[0] = -penalty
    for end in range(min_size, n + 1):
        for start in range(end - min_size + 1):
            if np.isfinite(best[start]):
                best[end] = min(best[end], best[start] + cost(y[start:end], [], 0) + penalty)
    return float(best[n])


@pytest.mark.parametrize("seed", range(40))
def test_the_segmentation_is_the_best_there_is(seed: int) -> None:
    n, min_size = 20 + seed, 1 + seed % 6
    y, penalty = steps(seed, n), 1.0 + seed % 9
    points = pelt(y, penalty, min_size)
    assert cost(y, points, penalty) == pytest.approx(best_cost(y, penalty, min_size), rel=1e-9, abs=1e-9)
    assert all(b - a >= min_size for a, b in zip([0, *points], [*points, n], strict=True))


@pytest.mark.parametrize("seed", range(20))
def test_ruptures_finds_the_same(seed: int) -> None:
    y = steps(seed + 100, 150)
    theirs = ruptures.Pelt(model="l2", min_size=1, jump=1).fit(y).predict(pen=12.0)[:-1]
    ours = pelt(y, 12.0, 1)
    assert cost(y, ours, 12.0) <= cost(y, theirs, 12.0) + 1e-6
    assert ours == theirs or cost(y, ours, 12.0) == pytest.approx(cost(y, theirs, 12.0))


def test_large_values_lose_no_digits() -> None:
    y = 1e9 + steps(3, 60)
    assert pelt(y, 10.0, 2) == pelt(steps(3, 60), 10.0, 2)


@pytest.mark.parametrize("values", [[], [1.0], [1.0] * 7, [2.0] * 50, list(range(7))])
def test_nothing_changes_where_nothing_can(values: list[float]) -> None:
    assert change_points(values).points == ()


def test_a_level_without_noise_is_found_exactly() -> None:
    assert change_points([1.0] * 20 + [0.9] * 10).points == (20,)
    assert change_points([1.0] * 20 + [0.9] + [1.0] * 10).points == ()  # a blip is no level


def test_noise_may_begin_with_the_change() -> None:
    after = 0.9 + np.random.default_rng(0).normal(0, 0.005, 10)
    assert change_points([1.0] * 40 + list(after)).points == (40,)


def test_a_lone_outlier_is_no_change() -> None:
    y = np.random.default_rng(1).normal(0, 1, 80)
    y[40] = 60.0
    assert change_points(y).points == ()


@pytest.mark.parametrize("n", [200, 3000, 10_000])
def test_a_step_is_found_in_histories_of_any_length(n: int) -> None:
    y = np.random.default_rng(n).normal(0, 1, n)
    y[n // 3 :] += 4
    points = change_points(y).points
    assert len(points) == 1
    assert abs(points[0] - n // 3) <= 2


def test_stationary_noise_changes_seldom() -> None:
    found = sum(
        bool(change_points(np.random.default_rng(seed).normal(0, 1, 60)).points) for seed in range(300)
    )
    assert found / 300 <= 0.02


def test_a_slow_wave_is_no_staircase() -> None:
    """Autocorrelated noise moves its mean; the penalty grows with it."""
    found = plain = 0
    for seed in range(100):
        shocks = np.random.default_rng(seed).normal(0, 1, 200)
        y = np.zeros(200)
        for k in range(1, 200):
            y[k] = 0.5 * y[k - 1] + shocks[k]
        found += bool(change_points(y).points)
        plain += bool(pelt(y / noise_of(y), 3 * np.log(200), 4))
    assert found <= 20 < plain / 2


@pytest.mark.parametrize("degrees", [5, 8.1, 10.7, 30, 200])
@pytest.mark.parametrize("t", [0.5, 2.0, 3.5, 5.0, 7.0])
def test_the_tails_of_student_s_distribution_are_scipy_s(t: float, degrees: float) -> None:
    expected = 2 * stats.t.sf(t, degrees)
    if expected > 1e-6:
        assert student_tails(t, degrees) == pytest.approx(expected, rel=0.1)


@pytest.mark.parametrize("runs", [30, 60])
def test_what_chance_makes_of_noise_is_no_change(runs: int) -> None:
    """Levels that noise alone would show somewhere among so few runs are not told: 5 % a search at most."""
    draw = np.random.default_rng(7)
    found = sum(bool(change_points(draw.normal(0, 1, runs)).points) for _ in range(400))
    assert found <= 0.05 * 400
