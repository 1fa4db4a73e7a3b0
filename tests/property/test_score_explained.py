"""What explains a change of the score adds up to it, whatever checks come, go and fail."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluiceway.quality.score import explain, scored
from sluiceway.run.gate import score

DIMENSIONS = ["accuracy", "completeness", "consistency", "timeliness", "uniqueness"]
CHECK = st.fixed_dictionaries(
    {
        "dimension": st.sampled_from(DIMENSIONS),
        "rule": st.sampled_from(["range", "pattern", "unique", "anomaly"]),
        "severity": st.sampled_from(["info", "warning", "error"]),
        "columns": st.lists(st.sampled_from(["a", "b", "c"]), unique=True),
        "failing": st.integers(0, 50),
        "total": st.integers(0, 50),
    }
)
RUN = st.dictionaries(st.sampled_from([f"check {n}" for n in range(8)]), CHECK).map(
    lambda found: [{"id": name, **check} for name, check in found.items()]
)
WEIGHTS = st.dictionaries(st.sampled_from(DIMENSIONS), st.floats(0.1, 10))


def by_hand(checks: list[dict[str, Any]], weights: dict[str, float]) -> float | None:
    """As the gate has it: the mean of each dimension, and the weighted mean of those."""
    parts: dict[str, list[float]] = {}
    for check in checks:
        if check["severity"] == "info" or (check["rule"] == "anomaly" and not check["total"]):
            continue
        failing, total = check["failing"], check["total"]
        share = failing / total if total else float(failing > 0)
        parts.setdefault(check["dimension"], []).append(1 - min(1.0, share))
    return score({name: sum(values) / len(values) for name, values in parts.items()}, weights)


@given(RUN, WEIGHTS)
def test_the_score_is_the_gates(checks: list[dict[str, Any]], weights: dict[str, float]) -> None:
    found = scored("r", "2026-01-01T00:00:00Z", checks, weights)
    expected = by_hand(checks, weights)
    assert found.score == (None if expected is None else pytest.approx(expected))
    assert sum(check.weight for check in found.checks) == pytest.approx(1.0 if found.checks else 0.0)


@given(RUN, RUN, WEIGHTS, WEIGHTS, st.lists(RUN, max_size=3))
def test_contributions_add_up_exactly(
    before: list[dict[str, Any]],
    now: list[dict[str, Any]],
    old: dict[str, float],
    new: dict[str, float],
    between: list[list[dict[str, Any]]],
) -> None:
    runs = [scored(f"m{n}", f"2026-01-0{n + 2}T00:00:00Z", checks, {}) for n, checks in enumerate(between)]
    found = explain(
        "d",
        scored("n", "2026-02-01T00:00:00Z", now, new),
        scored("b", "2026-01-01T00:00:00Z", before, old),
        runs,
    )
    if found.change is None:
        assert not found.checks
        return
    for group in (found.checks, found.columns, found.dimensions, found.rules):
        assert sum(change.change for change in group) == pytest.approx(found.change, abs=1e-12)
    assert found.sentence
    for change in found.checks:
        assert (change.since_run is not None) == (change.change < 0)


@given(RUN, WEIGHTS, WEIGHTS)
def test_other_weights_alone_are_never_laid_on_the_data(
    checks: list[dict[str, Any]], old: dict[str, float], new: dict[str, float]
) -> None:
    at = "2026-01-01T00:00:00Z"
    found = explain("d", scored("n", at, checks, new), scored("b", at, checks, old))
    assert all(change.by_data == 0 for change in found.checks)
