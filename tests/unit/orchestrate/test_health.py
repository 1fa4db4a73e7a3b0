"""The health score against its formula, part by part; and what is said where little is known."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluiceway.orchestrate.health import HealthResult, health_of
from sluiceway.orchestrate.watch import usual
from sluiceway.spec.health import WEIGHTS, HealthConfig, HealthSpec

NOW = datetime(2026, 1, 31, tzinfo=UTC)


def run(
    status: str = "succeeded", seconds: float | None = 10.0, score: float | None = 1.0, attempt: int = 1
) -> Any:
    return {
        "run_id": f"{status}{seconds}{attempt}", "status": status, "execution_time": seconds,
        "quality_score": score, "attempt": attempt,
    }  # fmt: skip


def judged(runs: list[Any], past: tuple[float, ...] = (), **more: Any) -> HealthResult:
    spec = HealthSpec.of(HealthConfig(weights=more.pop("weights", {})))
    return health_of("p", "dev", NOW, runs, more.pop("memory", {}), past, spec, **more)


def parts(found: HealthResult) -> dict[str, float | None]:
    return {part.name: part.value for part in found.parts}


def kinds(found: HealthResult) -> set[str]:
    return {issue.kind for issue in found.issues}


def test_what_never_ran_has_no_score() -> None:
    found = judged([])
    assert (found.score, found.status, found.issues) == (None, "unknown", ())
    assert set(parts(found).values()) == {None}


def test_one_run_is_judged_by_what_is_known() -> None:
    found = judged([run()])
    assert (found.score, found.status) == (100.0, "healthy")
    assert parts(found) == {
        "success_rate": 1.0, "data_quality": 1.0, "execution_time": None, "resource_usage": None,
        "error_rate": 1.0,
    }  # fmt: skip


def test_all_failed_is_as_bad_as_it_gets() -> None:
    found = judged([run("failed", None, None)] * 4)
    assert (found.score, found.status) == (0.0, "unhealthy")
    assert kinds(found) == {"low_success_rate", "high_error_rate"}
    assert {issue.severity for issue in found.issues} == {"error"}


def test_a_blocked_run_is_half_a_success_and_no_error() -> None:
    found = judged([run(), run("blocked", None, 0.8)])
    assert parts(found)["success_rate"] == 0.75
    assert parts(found)["error_rate"] == 1.0
    assert kinds(found) == {"low_success_rate", "low_data_quality"}


def test_what_was_cancelled_says_nothing_of_success() -> None:
    assert parts(judged([run("cancelled", None, None), run()]))["success_rate"] == 1.0


@pytest.mark.parametrize(("last", "value"), [(10.0, 1.0), (5.0, 1.0), (20.0, 0.5), (30.0, 0.0), (90.0, 0.0)])
def test_time_is_beside_what_is_usual(last: float, value: float) -> None:
    found = judged([run(seconds=last)] * 3 + [run(seconds=10.0)] * 7)
    assert parts(found)["execution_time"] == pytest.approx(value)
    assert ("high_execution_time" in kinds(found)) == (value < 0.5)


@pytest.mark.parametrize(("share", "value"), [(0.2, 1.0), (0.5, 1.0), (0.75, 0.5), (1.0, 0.0)])
def test_memory_is_beside_its_limit(share: float, value: float) -> None:
    one = run()
    found = judged([one], memory={one["run_id"]: int(share * 1000)}, limit=1000)
    assert parts(found)["resource_usage"] == pytest.approx(value)
    assert ("high_resource_usage" in kinds(found)) == (value < 0.2)


def test_tries_that_failed_count_though_the_run_succeeded() -> None:
    assert parts(judged([run(attempt=4)]))["error_rate"] == 0.25


def test_a_drop_is_told_beside_its_own_history_and_not_before_there_is_one() -> None:
    bad = [run("failed", None, None), run("failed", None, None), run(), run()]
    assert "health_drop" in kinds(judged(bad, past=(99.0, 98.0, 97.0, 99.0, 98.0)))
    assert "health_drop" not in kinds(judged(bad, past=(99.0, 98.0)))
    assert "health_drop" not in kinds(judged(bad, past=(80.0,) * 5))


@given(
    st.lists(
        st.builds(
            run,
            st.sampled_from(["succeeded", "failed", "blocked", "cancelled"]),
            st.none() | st.floats(0, 1e6),
            st.none() | st.floats(0, 1),
            st.integers(1, 5),
        ),
        max_size=20,
    ),
    st.dictionaries(st.sampled_from(sorted(WEIGHTS)), st.floats(0, 5)),
)
def test_the_score_is_the_weighted_mean_of_what_is_known(runs: list[Any], weights: dict[str, float]) -> None:
    found = judged(runs, weights=weights)
    known = [part for part in found.parts if part.value is not None]
    assert all(0 <= (part.value or 0) <= 1 and part.why for part in found.parts if part.value is not None)
    total = sum(part.weight for part in known)
    if not runs or total <= 0:
        assert found.score is None
    else:
        expected = 100 * sum(part.weight * (part.value or 0) for part in known) / total
        assert found.score == pytest.approx(expected, abs=0.051)


def test_what_is_usual_is_not_known_of_few_and_moved_by_no_lone_one() -> None:
    assert usual([100.0] * 4) is None
    steady = usual([100.0, 101.0, 99.0, 100.0, 100.0])
    odd = usual([100.0, 101.0, 99.0, 100.0, 100.0, 5_000.0])
    assert steady is not None
    assert odd is not None
    assert steady.long == 200.0  # twice the median at least
    assert odd.long == 200.0
    short = usual([1.0] * 9)
    assert short is not None
    assert short.long == 60.0  # no run of less than a minute is long
