"""DuckDB's types on other engines and back."""

from __future__ import annotations

import pytest

from sluiceway.errors import PlanError, Where
from sluiceway.sql.types import from_engine, to_engine

HERE = Where("p.yml", 4)


@pytest.mark.parametrize(
    ("type_", "spark", "postgres"),
    [
        ("INTEGER", "INT", "integer"), ("HUGEINT", "DECIMAL(38, 0)", "numeric(38, 0)"),
        ("DECIMAL(9,2)", "DECIMAL(9, 2)", "DECIMAL(9, 2)"), ("TIMESTAMP", "TIMESTAMP_NTZ", "timestamp"),
        ("TIMESTAMP WITH TIME ZONE", "TIMESTAMP", "timestamptz"), ("timestamptz", "TIMESTAMP",
        "timestamptz"),
        ("UUID", "STRING", "uuid"), ("BLOB", "BINARY", "bytea"), ("VARCHAR[]", "ARRAY<STRING>", "text[]"),
        ("ENUM('a', 'b')", "STRING", "text"), ("UINTEGER", "BIGINT", "bigint"),
    ],
)  # fmt: skip
def test_a_type_has_a_place_elsewhere(type_: str, spark: str, postgres: str) -> None:
    assert (to_engine(type_, "spark"), to_engine(type_, "postgres")) == (spark, postgres)
    assert to_engine(type_, "duckdb") == type_


def test_nested_types_on_spark() -> None:
    assert (
        to_engine('STRUCT(a INTEGER, "b`c" DOUBLE[])[]', "spark")
        == "ARRAY<STRUCT<`a`: INT, `b``c`: ARRAY<DOUBLE>>>"
    )
    assert to_engine("MAP(VARCHAR, INTEGER)", "spark") == "MAP<STRING, INT>"


@pytest.mark.parametrize(
    ("type_", "dialect"),
    [
        ("UBIGINT", "spark"), ("TIME", "spark"), ("INTERVAL", "spark"), ("TIMESTAMP_NS", "spark"), ("BIT",
        "spark"),
        ("UHUGEINT", "postgres"), ("TIMESTAMP_NS", "postgres"), ("STRUCT(a INTEGER)", "postgres"),
        ("INTEGER[][]", "postgres"), ("MAP(VARCHAR, INTEGER)", "postgres"),
    ],
)  # fmt: skip
def test_what_an_engine_can_t_hold_is_said(type_: str, dialect: str) -> None:
    with pytest.raises(PlanError, match="has no type that holds a") as caught:
        to_engine(type_, dialect, HERE)
    assert type_ in caught.value.message
    assert caught.value.where is HERE
    assert "step before" in str(caught.value.hint)


@pytest.mark.parametrize(
    ("reported", "dialect", "type_"),
    [
        ("timestamp_ntz", "spark", "TIMESTAMP"), ("timestamp", "spark", "TIMESTAMP WITH TIME ZONE"),
        ("decimal(10,2)", "spark", "DECIMAL(10,2)"), ("array<map<string,int>>", "spark",
        "MAP(VARCHAR, INTEGER)[]"),
        ("struct<a:int,b:struct<c:array<string>>>", "spark",
        'STRUCT("a" INTEGER, "b" STRUCT("c" VARCHAR[]))'),
        ("character varying", "postgres", "VARCHAR"), ("numeric(9,2)", "postgres", "DECIMAL(9,2)"),
        ("integer[]", "postgres", "INTEGER[]"), ("jsonb", "postgres", "JSON"), ("x", "duckdb", "x"),
    ],
)  # fmt: skip
def test_what_an_engine_reports(reported: str, dialect: str, type_: str) -> None:
    assert from_engine(reported, dialect) == type_


def test_what_an_engine_reports_and_we_have_no_word_for() -> None:
    with pytest.raises(PlanError, match="the type interval year of Spark can't be used"):
        from_engine("interval year", "spark", HERE)
