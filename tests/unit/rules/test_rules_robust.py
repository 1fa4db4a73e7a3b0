"""The statistics of histories: what is found, what is left alone, and how often there is a false alarm."""

from __future__ import annotations

import math
import random
from datetime import UTC, datetime, timedelta

import pytest

from sluiceway.rules.base import Past
from sluiceway.rules.robust import judge, widened
from sluiceway.rules.training import train

START = datetime(2026, 6, 1, 6, tzinfo=UTC)
DAY = timedelta(days=1)


def daily(values: list[float]) -> list[tuple[datetime, float]]:
    return [(START + DAY * n, value) for n, value in enumerate(values)]


@pytest.mark.parametrize("points", [14, 30, 100])
def test_false_alarms_on_normal_noise_are_as_rare_as_stated(points: int) -> None:
    chance, trials = random.Random(points), 3000
    alarms = 0
    for _ in range(trials):
        history = daily([chance.gauss(0, 1) for _ in range(points)])
        alarms += judge(history, START + DAY * points, chance.gauss(0, 1), seasonality="none").anomalous
    assert alarms / trials <= 0.008  # 0.27 % is stated: 8 of 3000, and four times their deviation


def test_fewer_points_ask_for_more_evidence() -> None:
    assert widened(3, 14) > widened(3, 30) > widened(3, 500) > 3
    assert widened(3, 500) == pytest.approx(3, abs=0.05)


@pytest.mark.parametrize(("value", "anomalous"), [(1000, False), (1004, False), (1006, True), (0, True)])
def test_a_constant_history_takes_half_a_percent(value: float, anomalous: bool) -> None:
    found = judge(daily([1000.0] * 20), START + DAY * 20, value)
    assert found.anomalous is anomalous
    assert math.isinf(found.score) is anomalous


def test_zero_for_ever_is_left_by_anything() -> None:
    assert judge(daily([0.0] * 20), START + DAY * 20, 1).anomalous
    assert not judge(daily([0.0] * 20), START + DAY * 20, 0).anomalous


def test_a_median_deviation_of_zero_falls_back_to_the_mean_deviation() -> None:
    history = daily([100.0] * 16 + [90.0, 110.0, 95.0, 105.0])
    assert not judge(history, START + DAY * 20, 101, seasonality="none").anomalous
    assert judge(history, START + DAY * 20, 200, seasonality="none").anomalous


def test_a_weekend_is_compared_with_weekends() -> None:
    chance = random.Random(7)
    level = [300.0 if (START + DAY * n).weekday() >= 5 else 1000.0 for n in range(42)]
    history = daily([value * (1 + chance.gauss(0, 0.02)) for value in level])
    saturday, monday = START + DAY * 47, START + DAY * 42
    assert (saturday.weekday(), monday.weekday()) == (5, 0)
    assert not judge(history, saturday, 300).anomalous
    assert judge(history, saturday, 1000).anomalous
    assert judge(history, monday, 300).anomalous
    assert judge(history, saturday, 300).seasonality == "weekly"
    assert judge(history, saturday, 300, seasonality="none").anomalous  # without it the promise would fail


def test_an_hour_is_compared_with_its_hour() -> None:
    chance, hour = random.Random(3), timedelta(hours=1)
    times = [START + hour * n for n in range(24 * 8)]
    history = [(t, 500 + 400 * math.sin(2 * math.pi * t.hour / 24) + chance.gauss(0, 8)) for t in times]
    night = START + hour * (24 * 8 + 12)
    expected = 500 + 400 * math.sin(2 * math.pi * night.hour / 24)
    found = judge(history, night, expected)
    assert (found.anomalous, found.seasonality) == (False, "daily")
    assert judge(history, night, 880).anomalous


def test_growth_is_no_anomaly_and_its_end_is_one() -> None:
    chance = random.Random(11)
    history = daily([1000 + 20 * n + chance.gauss(0, 10) for n in range(40)])
    assert not judge(history, START + DAY * 40, 1800).anomalous
    assert judge(history, START + DAY * 40, 1600).anomalous


@pytest.mark.parametrize(("direction", "spike", "drop"), [("both", 1, 1), ("spike", 1, 0), ("drop", 0, 1)])
def test_direction(direction: str, spike: int, drop: int) -> None:
    history = daily([100.0 + n % 5 for n in range(30)])
    at = START + DAY * 30
    assert judge(history, at, 200, direction=direction).anomalous == spike  # type: ignore[arg-type]
    assert judge(history, at, 10, direction=direction).anomalous == drop  # type: ignore[arg-type]


def test_small_changes_are_ignored_where_told() -> None:
    history = daily([100.0 + 0.01 * (n % 5) for n in range(30)])
    assert judge(history, START + DAY * 30, 103).anomalous
    assert not judge(history, START + DAY * 30, 103, ignore=0.05).anomalous


def test_a_single_outlier_in_the_history_hides_nothing() -> None:
    values = [100.0 + n % 5 for n in range(30)]
    values[12] = 1e9
    assert judge(daily(values), START + DAY * 30, 200).anomalous
    assert not judge(daily(values), START + DAY * 30, 102).anomalous


def past(values: list[object], *, step: timedelta = DAY, blocked: frozenset[int] = frozenset()) -> list[Past]:
    return [
        Past((START + step * n).isoformat(), value, n in blocked, f"r{n}") for n, value in enumerate(values)
    ]


def test_what_does_not_train() -> None:
    values: list[object] = [*range(20), float("nan"), float("inf"), None, "text"]
    at = START + DAY * 15  # the clock was ahead: five points lie in the future
    training = train(past(values, blocked=frozenset({3})), at, least=14)
    assert [value for _, value in training.points] == [n for n in range(15) if n != 3]
    told = train(past(values, blocked=frozenset({3})), at, least=14, blocked=True)
    assert len(told.points) == 15
    days = ((START.date(), (START + DAY * 9).date()),)
    assert train(past(values), at, least=14, exclude=days).missing == "training: 5 of 14 points"


def test_a_gap_in_the_history_is_no_reason_to_forget_it() -> None:
    old = past([float(n % 3) for n in range(30)])
    assert len(train(old, START + DAY * 400, least=14).points) == 30
    assert train(old, START + DAY * 400, least=14, period=DAY * 30).missing == "training: 0 of 14 points"


def test_half_a_day_of_hours_does_not_show_a_pattern() -> None:
    hours = past([float(n) for n in range(20)], step=timedelta(hours=1))
    assert "two days" in train(hours, START + timedelta(hours=20), least=14).missing
    assert train(hours, START + timedelta(hours=20), least=14, seasonality="none").missing == ""
