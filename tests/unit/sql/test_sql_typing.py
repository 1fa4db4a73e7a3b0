"""Types without data: what the binder says, in words that help."""

from __future__ import annotations

import pytest

from sluiceway.errors import PlanError, Where
from sluiceway.schema import Schema
from sluiceway.sql.safe import parse_select
from sluiceway.sql.typing import arrow_schema, canonical, describe, parse_type, schema_of_arrow

HERE = Where("p.yml", 4, "sql")
ORDERS = {
    "orders": Schema.of({"id": "BIGINT", "amount": "DECIMAL(10,2)"}),
    "_step_1": Schema.of({"x": "DATE"}),
}


def test_types_of_a_query_with_ctes_and_quotes() -> None:
    query = parse_select('WITH c AS (SELECT amount * 2 AS "a b" FROM orders) SELECT * FROM c', HERE)
    before = query.sql("duckdb")
    assert [(c.name, c.type) for c in describe(query, ORDERS, HERE)] == [("a b", "DECIMAL(18,2)")]
    assert query.sql("duckdb") == before


def test_a_missing_column_lists_columns_by_relation() -> None:
    with pytest.raises(PlanError) as caught:
        describe(parse_select("SELECT amuont FROM orders, _step_1", HERE), ORDERS, HERE)
    assert str(caught.value) == (
        "p.yml:4: sql: column 'amuont' does not exist; there are: orders: id, amount; _: x\n"
        "  did you mean 'amount'?"
    )


def test_a_table_that_is_not_in_from() -> None:
    with pytest.raises(PlanError, match="'customers' is not read here; the query reads: orders"):
        describe(parse_select("SELECT customers.id FROM orders", HERE), {"orders": ORDERS["orders"]}, HERE)


@pytest.mark.parametrize(
    "text",
    ["SELECT sum(amount), id FROM orders", "SELECT id + [1] FROM orders", "SELECT upper(id, 1) FROM orders"],
)
def test_other_refusals_have_a_place_and_no_echo(text: str) -> None:
    with pytest.raises(PlanError) as caught:
        describe(parse_select(text, HERE), ORDERS, HERE)
    assert caught.value.where is HERE
    assert "LINE 1" not in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "nope",
        "INTEGER; DROP TABLE x",
        "INTEGER) --",
        "INT, b INT",
        "(SELECT 1)",
        "",
        "INT /* x",
        "a.b",
        "INT b",
        "INT) + (1",
    ],
)
def test_what_is_no_type(text: str) -> None:
    with pytest.raises(PlanError, match="is not a type") as caught:
        parse_type(text, HERE)
    assert caught.value.where is HERE


@pytest.mark.parametrize(
    ("text", "canon"),
    [
        ("text", "VARCHAR"), ("int8", "BIGINT"), ("decimal(10, 2)", "DECIMAL(10,2)"),
        ("timestamptz", "TIMESTAMP WITH TIME ZONE"), ("map(text, int)", "MAP(VARCHAR, INTEGER)"),
        ('struct(a int, "b c" text[])', 'STRUCT(a INTEGER, "b c" VARCHAR[])'),
        ('struct("a-b) --" int)', 'STRUCT("a-b) --" INTEGER)'), ("int -- x", "INTEGER"), ("json", "JSON"),
        ("uuid", "UUID"), ("int[3]", "INTEGER[3]"), ("enum('a', 'b')", "ENUM('a', 'b')"),
    ],
)  # fmt: skip
def test_types_as_duckdb_spells_them(text: str, canon: str) -> None:
    assert canonical(text, HERE) == canon


def test_arrow_and_back() -> None:
    schema = Schema.of(
        {"a": "BIGINT", "o r": "VARCHAR", "d": "DECIMAL(10,2)", "l": "INTEGER[]", "t": "TIMESTAMP"}
    )
    assert schema_of_arrow(arrow_schema(schema)) == schema
