"""What table rules say of the numbers, and what metadata proves without reading."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from sluiceway import plugins
from sluiceway.errors import Where
from sluiceway.rules.base import Judgement, Rule, RuleContext, TableRule
from sluiceway.rules.unique import Unique
from sluiceway.schema import Schema

SCHEMA = Schema.of(
    {
        "id": "BIGINT", "amount": "DECIMAL(9,2)", "share": "DOUBLE", "day": "DATE", "at": "TIMESTAMP",
        "name": "VARCHAR", "huge": "HUGEINT",
    }
)  # fmt: skip


def context(**more: Any) -> RuleContext:
    return RuleContext(SCHEMA, Where(), started_at="2026-11-23 06:00:00.000000", **more)


def made(kind: str, value: Any, **options: Any) -> Rule:
    (rule,) = plugins.load("rules", kind).parse(value, options)
    assert isinstance(rule, Rule)
    return rule


def judged(kind: str, value: Any, values: dict[str, Any], **more: Any) -> Judgement:
    rule = made(kind, value)
    assert isinstance(rule, TableRule)
    return rule.judge(values, context(**more))


@pytest.mark.parametrize(
    ("newest", "zone", "failing"),
    [
        (datetime.fromisoformat("2026-11-22 04:00:00"), "UTC", 0),
        (datetime.fromisoformat("2026-11-22 03:59:59"), "UTC", 1),
        (datetime.fromisoformat("2026-11-22 04:00:00"), "Europe/Amsterdam", 1),  # 03:00 in UTC
        (datetime(2026, 11, 22, 4, tzinfo=UTC), "Europe/Amsterdam", 0),
        (date(2026, 11, 22), "UTC", 1),
        (date(2026, 11, 23), "UTC", 0),
        (datetime.fromisoformat("2030-01-01"), "UTC", 0),
        (None, "UTC", 1),
    ],
)
def test_freshness_counts_from_the_start_of_the_run(newest: Any, zone: str, failing: int) -> None:
    found = judged("freshness", {"column": "at", "max_age": "26h"}, {"newest": newest}, timezone=zone)
    assert (found.failing, found.total) == (failing, 1)


@pytest.mark.parametrize(
    ("bounds", "value", "failing"),
    [
        ({"min": 20, "max": 80}, 20, 0),
        ({"min": 20, "max": 80}, 80.01, 1),
        ({"min_exclusive": 0}, 0, 1),
        ({"equals": 0.1}, Decimal("0.10"), 0),
        ({"equals": 0}, 1, 1),
        ({"min": 0}, None, 0),
        ({"min": 0}, float("nan"), 1),
        ({"min": 0}, float("inf"), 0),
        ({"max": 0}, float("inf"), 1),
    ],
)
def test_aggregate_bounds(bounds: dict[str, Any], value: Any, failing: int) -> None:
    assert judged("aggregate", {"measure": "avg(amount)", **bounds}, {"value": value}).failing == failing


@pytest.mark.parametrize(
    ("operator", "limit", "right", "wrong"),
    [
        ("must_be", 5, 5, 6),
        ("must_not_be", 5, 6, 5),
        ("must_be_greater_than", 5, 6, 5),
        ("must_be_greater_or_equal_to", 5, 5, 4),
        ("must_be_less_than", 5, 4, 5),
        ("must_be_less_or_equal_to", 5, 5, 6),
        ("must_be_between", [1, 5], 5, 6),
        ("must_not_be_between", [1, 5], 6, 1),
    ],
)
def test_sql_operators(operator: str, limit: Any, right: int, wrong: int) -> None:
    value = {"query": "SELECT count(*) FROM _", operator: limit}
    assert judged("sql", value, {"value": right, "rows": 1}).failing == 0
    assert judged("sql", value, {"value": wrong, "rows": 1}).failing == 1
    assert judged("sql", value, {"value": right, "rows": 2}).failing == 1, "two rows are not one number"


BOUNDS: dict[str, tuple[Any, Any, int | None]] = {
    "id": ("1", "100", 0),
    "amount": ("0.00", "99.50", 3),
    "share": ("0.0", "1.0", 0),
    "day": ("2024-01-01", "2024-12-31", 0),
    "at": ("2026-11-20 00:00:00", "2026-11-23 05:00:00", 0),
    "name": (None, None, 10),
}


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("not_null", "id"),
        ("range", {"column": "id", "min": 1, "max": 100}),
        ("range", {"column": "amount", "min": 0, "max_exclusive": 99.51}),
        ("range", {"column": "day", "min": "2024-01-01"}),
        ("row_count", {"min": 10}),
        ("freshness", {"column": "at", "max_age": "1h"}),
        ("schema", ["id"]),
    ],
)
def test_metadata_proves_what_is_right(kind: str, value: Any) -> None:
    proof = made(kind, value).proven(context(bounds=BOUNDS), 10)
    assert proof is not None
    assert proof.failing == 0


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("not_null", "amount"),  # some are missing: only reading says which
        ("not_null", "huge"),  # nothing is known
        ("range", {"column": "id", "min": 2}),
        ("range", {"column": "id", "max_exclusive": 100}),
        ("range", {"column": "share", "min": 0, "max": 1}),  # footers don't tell of NaN
        ("range", {"column": "huge", "min": 0}),
        ("freshness", {"column": "day", "max_age": "1h"}),
        ("unique", "id"),
        ("pattern", {"column": "name", "regex": "x"}),
    ],
)
def test_metadata_does_not_prove_more_than_it_says(kind: str, value: Any) -> None:
    proof = made(kind, value).proven(context(bounds=BOUNDS), 10)
    assert proof is None or proof.failing == 1


def test_proven_failures_are_failures() -> None:
    late = made("freshness", {"column": "day", "max_age": "1h"}).proven(context(bounds=BOUNDS), 10)
    few = made("row_count", {"min": 11}).proven(context(bounds=BOUNDS), 10)
    assert late is not None
    assert few is not None
    assert (late.failing, few.failing) == (1, 1)


@pytest.mark.parametrize(
    ("column", "bounds", "dense"),
    [
        ("id", ("1", "536870912", 0), True),
        ("id", ("0", "536870912", 0), False),  # too wide: a bit for each would cost too much
        ("id", (None, None, 0), False),
        ("huge", ("1", "9", 0), False),
        ("amount", ("1", "9", 0), False),
    ],
)
def test_dense_integers_are_counted_by_bits(column: str, bounds: tuple[Any, ...], dense: bool) -> None:
    (rule,) = Unique.parse(column, {})
    assert isinstance(rule, Unique)
    (query,) = rule.measures(context(bounds={column: bounds})).queries
    assert ("COUNT_DISTINCT_DENSE" in query.sql()) is dense
    assert ("HASH64" in query.sql()) is not dense


def test_unique_says_something_repeats_and_not_how_many_rows() -> None:
    found = judged("unique", "id", {"rows": 10, "keys": 10, "distinct": 9, "clashes": 0})
    assert (found.exact, found.total) == (False, 10)
    clean = judged("unique", "id", {"rows": 10, "keys": 8, "distinct": 8, "clashes": 0})
    assert (clean.failing, clean.exact, clean.message) == (0, True, "")
    empty = judged("unique", "id", {"rows": 0, "keys": 0, "distinct": None})
    assert empty.failing == 0
