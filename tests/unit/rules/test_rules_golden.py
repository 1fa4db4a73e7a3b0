"""Each rule's SQL, compared as text and executed over a small table whose answers are known.

``UPDATE_GOLDEN=1`` rewrites the files; look at the difference before you commit it.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from sluiceway import plugins
from sluiceway.duck import open_duckdb
from sluiceway.errors import Where
from sluiceway.rules.base import RuleContext
from sluiceway.rules.trial import statements, try_rule
from sluiceway.schema import Column, Schema

if TYPE_CHECKING:
    from collections.abc import Iterator

    import duckdb

FOLDER = Path(__file__).parents[2] / "golden" / "rules"
STARTED_AT = "2026-11-23 06:00:00.000000"

TABLES = """
CREATE TABLE _batch AS SELECT * FROM (VALUES
  (1, 10, 'paid',    19.90::DECIMAL(9,2), 0.5::DOUBLE,    'a@b.org',    DATE '2024-01-01', TIMESTAMP '2026-11-23 05:00:00', '12',  true),
  (2, 10, 'shipped',  5.00,               'NaN'::DOUBLE,  'not mail',   DATE '2024-01-03', TIMESTAMP '2026-11-22 05:00:00', '1.5', true),
  (3, 11, 'PAID',    -1.00,               1.5,            NULL,         DATE '2024-01-02', NULL,                            '',    false),
  (3, 99, NULL,      NULL,                NULL,           'é@b.org',    NULL,              TIMESTAMP '2026-11-20 05:00:00', NULL,  NULL),
  (NULL, NULL, '',   700.00,              -0.1,           'x.y@b-c.co', DATE '2023-12-31', TIMESTAMP '2026-11-21 05:00:00', 'x',   true)
) AS t(id, customer_id, status, amount, share, email, day, updated_at, "the ""text"" ", active);
CREATE TABLE _target AS SELECT * FROM (VALUES (2, 'old'), (7, 'paid'), (7, 'paid')) AS t(id, status);
CREATE TABLE customers AS SELECT * FROM (VALUES (10, 'paid'), (11, 'PAID'), (NULL, 'x')) AS t(id, status);
CREATE TABLE "mart.clients" AS SELECT 10 AS id;
CREATE TABLE nobody (id INTEGER);
"""  # noqa: E501

TEXT = 'the "text" '
Case = tuple[Any, dict[str, Any], dict[str, Any], int, int]


def daily(value: Any) -> list[list[Any]]:
    """The same value on each of the twenty days before the run."""
    return [[f"2026-11-{day:02}T06:00:00Z", value] for day in range(3, 23)]


# what stands behind the key, other options, the context's, failing, total
CASES: dict[str, list[Case]] = {
    "accepted_values": [
        ({"column": "status", "values": ["paid", "shipped"]}, {}, {}, 2, 5),
        ({"column": "customer_id", "values": [10, 11]}, {"where": "id > 2"}, {}, 1, 2),
        ({"column": "day", "values": ["2024-01-01", "2023-12-31"]}, {}, {}, 2, 5),
        ({"column": "active", "values": [True]}, {}, {}, 1, 5),
    ],
    "aggregate": [
        ({"measure": "avg(amount)", "min": 20, "max": 80}, {}, {}, 1, 1),
        ({"measure": "sum(amount)", "equals": 723.9}, {}, {}, 0, 1),
        ({"measure": "count(*) FILTER (WHERE active)", "max": 2}, {"where": "id < 3"}, {}, 0, 1),
        ({"measure": "median(amount)", "min_exclusive": 12.45}, {}, {}, 1, 1),
    ],
    "anomaly": [
        ({"metric": "row_count"}, {}, {"past": {"row_count": daily(5)}}, 0, 1),
        ({"metric": "row_count"}, {"where": "active"}, {"past": {"row_count": daily(900)}}, 1, 1),
        ({"metric": "null_share", "column": "status"}, {}, {"past": {"null_share:status": daily(0)}}, 1, 1),
        ({"metric": "distinct_count", "column": "id"}, {}, {"past": {"distinct_count:id": daily(3)}}, 0, 1),
        ({"metric": "mean", "column": "share"}, {}, {"past": {"mean:share": daily(3)}}, 1, 1),
        ({"metric": "p50", "column": "amount"}, {}, {"past": {"p50:amount": daily(12.45)}}, 0, 1),
        ({"metric": "freshness", "column": "updated_at"}, {}, {"past": {"freshness:updated_at": daily(900)}}, 1, 1),  # noqa: E501
        (
            {"metric": "event_freshness", "column": "day", "loaded": "updated_at"}, {},
            {"past": {"event_freshness:day": daily(91_000_000)}}, 0, 1,
        ),
        ({"dimension": "status"}, {}, {"past": {"row_counts:status": daily('{"paid": 900}')}}, 1, 1),
        ({"dimension": TEXT}, {"where": "id < 3"}, {"past": {f"row_counts:{TEXT}": daily('{"12": 1, "1.5": 1}')}}, 0, 1),  # noqa: E501
        ({"metric": "schema"}, {}, {"past": {"schema": [["2026-11-22T06:00:00Z", '{"id": "BIGINT"}']]}}, 1, 1),  # noqa: E501
    ],
    "expression": [
        ("amount > 0", {}, {}, 1, 5),
        ("_.amount > 0", {"where": "_.id = 3"}, {}, 1, 2),
        ("updated_at >= now() - INTERVAL 30 HOUR", {}, {}, 2, 5),
        ("amount >= :least OR active", {}, {"variables": {"least": 6}}, 1, 5),
    ],
    "freshness": [
        ({"column": "updated_at", "max_age": "26h"}, {}, {}, 0, 1),
        ({"column": "updated_at", "max_age": "30m"}, {}, {}, 1, 1),
        ({"column": "updated_at", "max_age": "30m"}, {}, {"timezone": "America/New_York"}, 0, 1),
    ],
    "length": [
        ({"column": "email", "min": 7, "max": 8}, {}, {}, 1, 5),
        ({"column": "status", "exact": 4}, {}, {}, 2, 5),
        (
            {"column": "email", "max": 7},
            {"where": "updated_at > now() - INTERVAL 1 DAY AND id < :most"}, {"variables": {"most": 2}}, 0, 1,
        ),
    ],
    "monotonic": [
        ({"column": "day", "by": "id"}, {}, {}, 1, 5),
        ({"column": "updated_at", "by": "id", "direction": "decreasing"}, {}, {}, 0, 5),
        ({"column": "amount", "by": "id", "partition_by": ["customer_id"]}, {"where": "active"}, {}, 1, 3),
    ],
    "not_accepted_values": [({"column": "status", "values": ["", "PAID"]}, {}, {}, 2, 5)],
    "not_null": [("id", {}, {}, 1, 5), ({"column": TEXT}, {"where": "id = 3"}, {}, 1, 2)],
    "pattern": [
        ({"column": "email", "format": "email"}, {}, {}, 2, 5),
        ({"column": TEXT, "regex": "[0-9]+"}, {}, {}, 3, 5),
        ({"column": TEXT, "format": "date"}, {}, {}, 4, 5),
        ({"column": "status", "format": "iban"}, {}, {}, 4, 5),
        ({"column": "status", "format": "iso_currency"}, {}, {}, 4, 5),
    ],
    "range": [
        ({"column": "amount", "min": 0, "max": 100}, {}, {}, 2, 5),
        ({"column": "share", "min": 0, "max_exclusive": 1.5}, {}, {}, 3, 5),
        ({"column": "share", "min_exclusive": -0.1}, {}, {}, 2, 5),
        ({"column": "day", "min": "2024-01-01"}, {}, {}, 1, 5),
        ({"column": "updated_at", "max": "2026-11-23T05:00:00+01:00"}, {}, {}, 1, 5),
    ],
    "relationships": [
        ({"column": "customer_id", "to": "customers.id"}, {}, {}, 1, 5),
        (
            {"columns": ["customer_id", "status"], "to": ["customers.id", "customers.status"]},
            {}, {}, 1, 5,
        ),
        ({"column": "customer_id", "to": "mart.clients.id"}, {}, {}, 2, 5),
        ({"column": "customer_id", "to": "nobody.id"}, {}, {}, 4, 5),
        ({"column": "customer_id", "to": "mart.clients.customer_id"}, {}, {"destination": "mart.clients", "relations": {}}, 0, 5),  # noqa: E501
        ({"column": "customer_id", "to": "_.id"}, {}, {}, 4, 5),
    ],
    "row_count": [({"min": 1}, {}, {}, 0, 1), (4, {}, {}, 1, 1), ({"max": 2}, {"where": "active"}, {}, 1, 1)],
    "schema": [
        ({"columns": {"id": "integer", "amount": "DECIMAL(9,2)", "email": "string"}}, {}, {}, 0, 1),
        ({"columns": ["email", "id"], "order": True}, {}, {}, 1, 1),
        ({"columns": {"id": "BIGINT", "nope": None}, "extra": "forbid"}, {}, {}, 1, 1),
    ],
    "sql": [
        ("SELECT * FROM _ WHERE amount < 0", {}, {}, 1, 5),
        (
            "SELECT o.id FROM _ AS o LEFT JOIN mart.clients AS c ON customer_id = c.id WHERE c.id IS NULL",
            {}, {}, 3, 5,
        ),
        ({"query": "SELECT count(*) FROM _", "must_be_between": [5, 9]}, {}, {}, 0, 1),
        ({"query": "SELECT id FROM _", "must_be_less_than": 100}, {}, {}, 1, 1),
    ],
    "type": [
        ({"column": TEXT, "type": "integer"}, {}, {}, 3, 5),
        ({"column": TEXT, "type": "decimal"}, {}, {}, 2, 5),
        ({"column": TEXT, "type": "json"}, {}, {}, 2, 5),
        ({"column": "day", "type": "date"}, {}, {}, 0, 5),
    ],
    "unique": [
        ("id", {}, {}, 2, 5),
        ("id", {}, {"bounds": {"id": ("1", "3", 1)}}, 2, 5),
        ("id", {}, {"has_target": True}, 3, 5),
        ("id", {"scope": "batch"}, {"has_target": True}, 2, 5),
        ("id", {}, {"has_target": True, "mode": "merge", "key": ("ID",)}, 2, 5),
        ("status", {"where": "status = 'paid'"}, {"has_target": True}, 1, 1),
        (["id", "status"], {}, {}, 0, 5),
    ],
}  # fmt: skip


@pytest.fixture(scope="module")
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    connection = open_duckdb(threads=1)
    connection.execute(TABLES)
    yield connection
    connection.close()


def schema(con: duckdb.DuckDBPyConnection, table: str) -> Schema:
    rows = con.execute(f'DESCRIBE "{table}"').fetchall()
    return Schema(tuple(Column(row[0], row[1]) for row in rows))


def context(con: duckdb.DuckDBPyConnection, **more: Any) -> RuleContext:
    parents = {name: schema(con, name) for name in ("customers", "mart.clients", "nobody")}
    options = {"started_at": STARTED_AT, "relations": parents, **more}
    return RuleContext(schema(con, "_batch"), Where(), **options)


def golden(con: duckdb.DuckDBPyConnection, kind: str) -> str:
    blocks = []
    for value, options, more, failing, total in CASES[kind]:
        (rule,) = plugins.load("rules", kind).parse(value, options)
        said = {kind: value, **options}
        head = [f"-- {json.dumps(said, ensure_ascii=False)}"]
        shown = {k: v for k, v in more.items() if k != "relations"}
        head += [f"-- context: {json.dumps(shown)}"] if shown else []
        head.append(f"-- {failing} of {total} fail")
        blocks.append("\n".join([*head, *(f"{sql};" for sql in statements(rule, context(con, **more)))]))
    return "\n\n".join(blocks) + "\n"


def test_every_rule_has_cases() -> None:
    assert sorted(CASES) == plugins.names("rules")


@pytest.mark.parametrize("kind", sorted(CASES))
def test_sql_is_the_golden_one(con: duckdb.DuckDBPyConnection, kind: str) -> None:
    path, text = FOLDER / f"{kind}.sql", golden(con, kind)
    if os.environ.get("UPDATE_GOLDEN"):
        path.write_text(text, encoding="utf-8")
    assert path.read_text(encoding="utf-8") == text


@pytest.mark.parametrize(
    ("kind", "case"),
    [pytest.param(k, c, id=f"{k}-{i}") for k, cases in sorted(CASES.items()) for i, c in enumerate(cases)],
)
def test_sql_counts_what_is_known(con: duckdb.DuckDBPyConnection, kind: str, case: Case) -> None:
    value, options, more, failing, total = case
    (rule,) = plugins.load("rules", kind).parse(value, options)
    result = try_rule(con, rule, context(con, **more))
    assert (result.failing, result.total) == (failing, total), result
    assert bool(result.message) == bool(failing) or not hasattr(rule, "judge")


def test_no_golden_file_without_a_rule() -> None:
    assert sorted(path.stem for path in FOLDER.glob("*.sql")) == plugins.names("rules")
