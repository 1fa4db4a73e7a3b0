"""The anomaly rule: quiet while it trains, no alarm on what is usual, and nothing hidden is kept."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from sluiceway.errors import PlanError, Where
from sluiceway.rules.anomaly import Anomaly
from sluiceway.rules.base import RuleContext
from sluiceway.rules.fuse import Check
from sluiceway.run.audit import table_result
from sluiceway.run.gate import dimensions
from sluiceway.schema import Schema

SCHEMA = Schema.of(
    {"id": "BIGINT", "amount": "DOUBLE", "status": "VARCHAR", "at": "TIMESTAMP", "tags": "VARCHAR[]"}
)


def rule(value: dict[str, Any], **options: Any) -> Anomaly:
    (made,) = Anomaly.parse(value, options)
    assert isinstance(made, Anomaly)
    return made


def days(values: list[Any], blocked: frozenset[int] = frozenset()) -> list[tuple[str, Any, bool]]:
    return [(f"2026-10-{n + 1:02}T06:00:00Z", value, n in blocked) for n, value in enumerate(values)]


def context(**past: Any) -> RuleContext:
    named = {name.replace("__", ":"): points for name, points in past.items()}
    return RuleContext(SCHEMA, Where(), started_at="2026-10-31 06:00:00", past=named)


def test_too_short_a_history_says_so_passes_and_is_no_part_of_the_score() -> None:
    made = rule({"metric": "row_count"})
    found = made.judge({"value": 1}, context(row_count=days([1000] * 13)))
    assert (found.failing, found.total, found.scored) == (0, 0, False)
    assert found.message == "training: 13 of 14 points"
    assert found.metrics == {("", "row_count"): 1}  # it trains
    check = Check("anomaly", made, Where(), context(), "gate")
    assert dimensions([table_result(check, found)]) == {}


def test_the_fourteenth_point_is_enough() -> None:
    found = rule({"metric": "row_count"}).judge({"value": 1}, context(row_count=days([1000] * 14)))
    assert (found.failing, found.scored) == (1, True)


def test_a_blocked_run_does_not_train_unless_told() -> None:
    points = days([1000] * 14 + [1] * 14, blocked=frozenset(range(14, 28)))
    assert rule({"metric": "row_count"}).judge({"value": 1}, context(row_count=points)).failing == 1
    told = rule({"metric": "row_count", "train_on_blocked": True})
    assert told.judge({"value": 1}, context(row_count=points)).failing == 0


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_is_no_number_any_more_is_an_anomaly(value: float) -> None:
    found = rule({"metric": "mean", "column": "amount"}).judge(
        {"value": value}, context(mean__amount=days([5.0] * 20))
    )
    assert found.failing == 1


def test_no_value_at_all_passes_quietly() -> None:
    found = rule({"metric": "mean", "column": "amount"}).judge(
        {"value": None}, context(mean__amount=days([5.0] * 20))
    )
    assert (found.failing, found.scored, found.metrics) == (0, False, {})


def test_a_dimension_inside_is_a_column_and_one_of_the_score_stays_what_it_is() -> None:
    counted = rule({"dimension": "status"})
    assert (counted.column, counted.dimension, counted.by_value) == ("status", None, True)
    assert counted.effective_dimension == "completeness"
    scored = rule({"metric": "mean", "column": "amount"}, dimension="consistency")
    assert (scored.by_value, scored.effective_dimension) == (False, "consistency")
    with pytest.raises(ValidationError, match="no dimension of the score"):
        rule({"metric": "mean", "column": "amount", "dimension": "status"})


def test_rows_by_value_name_what_vanished_and_what_is_new() -> None:
    made = rule({"dimension": "status"})
    points = days(['{"paid": 1000, "open": 50}'] * 20)
    found = made.judge({"counts": "paid\x1f1000\x1evoid\x1f40"}, context(row_counts__status=points))
    assert found.failing == 1
    assert "'open' has 0 rows" in found.message
    assert "'void' is new, with 40 rows" in found.message
    assert "paid" not in found.message
    rare = made.judge(
        {"counts": "paid\x1f1000\x1eopen\x1f50\x1evoid\x1f1"}, context(row_counts__status=points)
    )
    assert rare.failing == 0  # one row in a thousand is no news


def test_a_schema_is_held_against_the_run_before() -> None:
    made = rule({"metric": "schema"})
    first = made.judge({}, context())
    assert (first.failing, first.scored) == (0, False)
    before = '{"id": "BIGINT", "amount": "INTEGER", "gone": "DATE", "status": "VARCHAR", "at": "TIMESTAMP"}'
    found = made.judge({}, context(schema=days([before])))
    assert found.message == "gone is gone; tags is new; amount is DOUBLE, and was INTEGER"
    blocked = made.judge({}, context(schema=days([before], blocked=frozenset({0}))))
    assert blocked.failing == 0  # what was not published is no schema to keep to


def test_late_data_is_a_spike_of_age_and_early_data_is_none() -> None:
    made = rule({"metric": "freshness", "column": "at"})
    history = context(freshness__at=days([3600 + n for n in range(20)]))
    assert made.judge({"newest": "2026-10-31 05:00:00"}, history).failing == 0
    assert made.judge({"newest": "2026-10-30 05:00:00"}, history).failing == 1
    assert made.judge({"newest": "2026-10-31 05:59:00"}, history).failing == 0


def test_metadata_decides_what_it_can() -> None:
    history = context(row_count=days([1000] * 20), null_count__id=days([0] * 20))
    bounds = RuleContext(SCHEMA, Where(), started_at=history.started_at, bounds={"id": ("1", "9", 7)},
                         past=history.past)  # fmt: skip
    proven = rule({"metric": "null_count", "column": "id"}).proven(bounds, 100)
    assert proven is not None
    assert proven.failing == 1
    assert rule({"metric": "row_count"}).proven(bounds, 1000).failing == 0  # type: ignore[union-attr]
    assert rule({"metric": "mean", "column": "id"}).proven(bounds, 1000) is None


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"metric": "mean"}, "needs a column"),
        ({"metric": "schema", "column": "id"}, "remove column"),
        ({"metric": "event_freshness", "column": "at"}, "needs loaded"),
        ({"metric": "row_count", "exclude": "christmas"}, "no day"),
        ({"metric": "row_count", "training_period": "long"}, "not a duration"),
        ({"metric": "row_count", "sensitivity": 0}, "greater than 0"),
        ({"metric": "row_count", "min_training_set_size": 2}, "greater than or equal to 5"),
        ({"metric": "count"}, "row_count"),
    ],
)
def test_what_is_refused(value: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        rule(value)


@pytest.mark.parametrize(
    "value",
    [
        {"metric": "mean", "column": "status"},
        {"metric": "freshness", "column": "id"},
        {"metric": "distinct_count", "column": "tags"},
        {"metric": "mean", "column": "nope"},
    ],
)
def test_columns_that_do_not_fit(value: dict[str, Any]) -> None:
    with pytest.raises(PlanError):
        rule(value).validate_for(context())


def test_a_source_has_no_history() -> None:
    source = RuleContext(SCHEMA, Where(), phase="source")
    with pytest.raises(PlanError, match="source has none"):
        rule({"metric": "row_count"}).validate_for(source)
