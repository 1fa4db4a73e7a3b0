"""Planted trends, changes and odd runs are found, and quiet histories stay quiet."""

from __future__ import annotations

import math

import numpy as np
import pytest
from bench.histories import BEGIN, DAY, planted, quiet, scored

from sluiceway.quality.analytics import analyze_series
from sluiceway.quality.history import Settings, adjusted
from sluiceway.quality.insights import insights_of
from sluiceway.quality.series import Series

KINDS = ("trend", "change", "anomaly", "quiet")


def series(values: list[float], metric: str = "completeness", step: float = DAY) -> Series:
    n = len(values)
    return Series(
        metric, None, None, [BEGIN + step * k for k in range(n)], values, [f"r{k}" for k in range(n)]
    )


def noisy(n: int, level: float = 0.95, seed: int = 0) -> list[float]:
    return list(np.random.default_rng(seed).normal(level, 0.002, n))


def test_what_was_planted_is_found_and_little_else() -> None:
    found = scored([planted(seed, kind, 60) for seed in range(40) for kind in KINDS])
    for what in ("trend", "change", "anomaly"):
        assert found[what]["precision"] >= 0.9, (what, found)
        assert found[what]["recall"] >= 0.9, (what, found)


def test_a_hundred_quiet_seasonal_histories() -> None:
    assert scored(quiet(100))["alarms"]["alarmed"] <= 6


@pytest.mark.parametrize("n", [1, 2, 5, 9])
def test_few_points_say_so_and_nothing_else(n: int) -> None:
    trends, anomalies, _ = analyze_series([series([0.9] * (n - 1) + [0.1])])
    assert trends[0].direction == "unknown"
    assert trends[0].p is None
    assert "from 10 on" in trends[0].notes[-1]
    assert (anomalies, insights_of(trends, anomalies)) == ((), ())


def test_degradation_and_improvement_are_told_apart_by_the_metric() -> None:
    falling = [0.99 - 0.004 * k + v - 0.95 for k, v in enumerate(noisy(40))]
    cases = {"completeness": "quality_degradation", "null_share": "quality_improvement"}
    for metric, kind in cases.items():
        trends, anomalies, _ = analyze_series([series(falling, metric)])
        assert trends[0].direction == "falling"
        assert [insight.type for insight in insights_of(trends, anomalies)] == [kind]
    trends, anomalies, _ = analyze_series([series([v * 1e5 for v in falling], "row_count")])
    assert (trends[0].direction, trends[0].meaning) == ("falling", "neutral")
    assert insights_of(trends, anomalies) == ()


def test_a_step_names_its_run_and_is_no_slope() -> None:
    values = [*noisy(30), *noisy(30, 0.85, 1)]
    trends, anomalies, _ = analyze_series([series(values)])
    assert trends[0].shape == "steps"
    assert [c.run_id for c in trends[0].change_points] == ["r30"]
    found = insights_of(trends, anomalies)
    assert [(i.type, i.severity, i.run_id) for i in found] == [("quality_degradation", "error", "r30")]
    assert "fell from 0.95 to 0.85" in found[0].message
    assert anomalies == ()


def test_an_odd_run_is_named_and_a_good_one_is_no_news() -> None:
    values = noisy(40)
    values[20], values[30] = 0.7, 1.0
    trends, anomalies, _ = analyze_series([series(values)])
    assert [a.run_id for a in anomalies] == ["r20", "r30"]
    found = insights_of(trends, anomalies)
    assert [(i.type, i.evidence["runs"]) for i in found] == [("quality_anomaly", ["r20"])]


def test_a_blip_that_nobody_acts_on_is_none() -> None:
    assert analyze_series([series([1.0] * 20 + [0.9995] + [1.0] * 20)])[1] == ()
    assert len(analyze_series([series([1.0] * 20 + [0.99] + [1.0] * 20)])[1]) == 1


def test_many_metrics_make_no_trends_by_chance() -> None:
    many = [series(noisy(30, seed=seed)) for seed in range(200)]
    trends, _, _ = analyze_series(many)
    assert sum(t.significant for t in trends) <= 4


def test_benjamini_and_hochberg_are_scipy_s() -> None:
    from scipy import stats

    p = list(np.random.default_rng(0).uniform(0, 1, 50) ** 3)
    assert np.allclose(adjusted(p), stats.false_discovery_control(p))
    assert adjusted([]) == []


def test_silences_and_metrics_that_end_are_told() -> None:
    gap = series(noisy(40))
    gap.times = [t + (20 * DAY if k >= 25 else 0) for k, t in enumerate(gap.times)]
    ended = series(noisy(20), "null_share")
    trends, _, notes = analyze_series([gap, ended])
    assert "no run between" in trends[0].notes[0]
    assert len(notes) == 1
    assert notes[0].startswith("null_share was not recorded since")


def test_runs_of_one_moment_have_no_slope() -> None:
    same = series(noisy(12))
    same.times = [BEGIN] * 12
    trends, _, _ = analyze_series([same])
    assert trends[0].slope is None
    assert any("one time" in note for note in trends[0].notes)


@pytest.mark.parametrize("values", [[0.0] * 30, [1e300, -1e300] * 15, [5e-324] * 20, list(range(30))])
def test_extreme_values_have_an_answer(values: list[float]) -> None:
    trends, _, _ = analyze_series([series([float(v) for v in values], "mean")], Settings())
    assert trends[0].direction in ("rising", "falling", "stable")
    assert trends[0].p is not None
    assert math.isfinite(trends[0].p)


def test_points_out_of_order_are_put_in_order() -> None:
    mixed = Series("completeness", None)
    for k in (2, 0, 1):
        mixed.add(float(k), float(k), f"r{k}")
    assert mixed.ordered().runs == ["r0", "r1", "r2"]
