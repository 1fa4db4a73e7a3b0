"""What is written for other engines, without them: tests/conformance/dialects executes it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import sqlglot
from sqlglot import exp

from sluiceway.errors import PlanError, Where
from sluiceway.schema import Schema
from sluiceway.sql.docs import render
from sluiceway.sql.primitives import call, support
from sluiceway.sql.safe import check_supported, parse_select
from sluiceway.sql.targets import TARGETS
from sluiceway.sql.translate import translate
from sluiceway.transforms.base import StepContext
from sluiceway.transforms.sql import SqlStep

HERE = Where("p.yml", 5, "transform[1].sql")
SCHEMAS = {
    "t": Schema.of(
        {"k": "INTEGER", "s": "VARCHAR", "v": "DOUBLE", "d": "DATE", "ts": "TIMESTAMP", "n": "DECIMAL(9,2)"}
    )
}


def written(text: str, dialect: str) -> str:
    sql: str = translate(parse_select(text, HERE), dialect, schemas=SCHEMAS, where=HERE).sql(dialect)
    return sql


@pytest.mark.parametrize(
    ("text", "spark", "postgres"),
    [
        ("SELECT k // 2 AS q FROM t",
         "SELECT CAST(k DIV NULLIF(2, CAST(0 AS INT)) AS INT) AS q FROM t",
         "SELECT k / NULLIF(2, CAST(0 AS INT)) AS q FROM t"),
        ("SELECT sum(k) AS q FROM t",
         "SELECT CAST(SUM(CAST(k AS DECIMAL(38, 0))) AS DECIMAL(38, 0)) AS q FROM t",
         "SELECT CAST(SUM(CAST(k AS DECIMAL(38, 0))) AS DECIMAL(38, 0)) AS q FROM t"),
        ("SELECT s < 'b' AS q FROM t", "SELECT s < 'b' AS q FROM t",
         "SELECT (s COLLATE C) < ('b' COLLATE C) AS q FROM t"),
        ("SELECT d + 1 AS q FROM t", "SELECT DATE_ADD(d, CAST(1 AS INT)) AS q FROM t",
        "SELECT d + CAST(1 AS INT) AS q FROM t"),
        ("SELECT s LIKE 'a\\%' AS q FROM t", "SELECT s LIKE 'a\\\\\\\\%' AS q FROM t",
        "SELECT s LIKE 'a\\\\%' AS q FROM t"),
        ("SELECT a.k FROM t a ANTI JOIN t b ON a.k = b.k",
        "SELECT a.k FROM t AS a ANTI JOIN t AS b ON a.k = b.k",
         "SELECT a.k FROM t AS a WHERE NOT EXISTS(SELECT 1 FROM t AS b WHERE a.k = b.k)"),
        ("SELECT k FROM t ORDER BY k DESC", "SELECT k FROM t ORDER BY k DESC",
        "SELECT k FROM t ORDER BY k DESC NULLS LAST"),
        ("SELECT d = '2024-1-5' AS q FROM t", "SELECT d = CAST('2024-01-05' AS DATE) AS q FROM t",
         "SELECT d = CAST('2024-01-05' AS DATE) AS q FROM t"),
    ],
)  # fmt: skip
def test_a_query_in_other_words(text: str, spark: str, postgres: str) -> None:
    assert written(text, "spark").replace("`", "") == spark
    assert written(text, "postgres").replace('"', "") == postgres


def test_the_tree_given_stays_as_it_is() -> None:
    tree = parse_select(
        "SELECT * EXCLUDE (s), k / 2 AS h FROM t QUALIFY row_number() OVER (ORDER BY k) = 1", HERE
    )
    before = tree.sql("duckdb")
    translate(tree, "spark", schemas=SCHEMAS)
    assert tree.sql("duckdb") == before


def test_an_expression_over_a_relation() -> None:
    tree = sqlglot.parse_one("v / 2 > 1", read="duckdb")
    assert translate(tree, "postgres", schemas=SCHEMAS, over="t").sql("postgres") == (
        '"v" / CAST(2 AS DOUBLE PRECISION) > CAST(1 AS DOUBLE PRECISION)'
    )


def test_primitives_are_written_with_what_is_around_them() -> None:
    tree = exp.select(exp.alias_(call("try_cast", exp.column("k"), "VARCHAR"), "q")).from_("t")
    assert translate(tree, "spark", schemas=SCHEMAS).sql("spark") == (
        "SELECT CAST(`k` AS STRING) AS `q` FROM `t`"
    )


def test_each_function_that_is_let_through_has_a_way_on_its_engine() -> None:
    duckdb = TARGETS["duckdb"].functions
    for dialect in ("spark", "postgres"):
        assert TARGETS[dialect].functions - duckdb == set()
        assert TARGETS[dialect].nodes < TARGETS["duckdb"].nodes
        for name in ("random", "read_csv", "pg_read_file", "java_method", "hash"):
            assert name not in TARGETS[dialect].functions


@pytest.mark.parametrize("dialect", ["spark", "postgres"])
@pytest.mark.parametrize(
    ("text", "what", "hint"),
    [
        ("SELECT k,\nreverse(s) FROM t", "the function reverse() is not allowed on ", "in a step on DuckDB"),
        ("SELECT s GLOB 'a' FROM t", "GLOB is not allowed on ", "LIKE"),
        ("SELECT [x FOR x IN [1]] FROM t", "is not allowed on ", "unnest"),
        ("SELECT read_text('x') FROM t", "read_text() is not allowed", ""),
    ],
)
def test_what_is_not_known_to_be_right_is_refused(dialect: str, text: str, what: str, hint: str) -> None:
    with pytest.raises(PlanError) as caught:
        check_supported(parse_select(text, HERE) if "read_text" not in text else _call(text), dialect, HERE)
    assert what in caught.value.message
    assert hint in str(caught.value.hint)
    if "\n" in text:
        assert caught.value.message.endswith("in line 2 of the SQL")


def _call(text: str) -> exp.Expr:
    return sqlglot.parse_one(text, read="duckdb")


def test_spark_has_no_distinct_count_beside_a_quantile() -> None:
    with pytest.raises(PlanError, match="does not end on Spark"):
        written("SELECT count(DISTINCT s), median(k) FROM t", "spark")
    assert "PERCENTILE_CONT" in written("SELECT count(DISTINCT s), median(k) FROM t", "postgres")


def test_the_page_of_dialects_is_up_to_date() -> None:
    page = Path(__file__).parents[3] / "docs" / "dialects.md"
    assert page.read_text("utf-8") == render(), "type: make docs"


def test_the_table_of_support_says_where_a_primitive_runs() -> None:
    wanted = {"duckdb", "postgres", "spark"}
    lacking = {name: wanted - set(dialects) for name, dialects in support().items() if wanted - set(dialects)}
    # refused there when the plan is made: test_dialects_primitives
    assert lacking == {"edit_distance": {"postgres"}, "nfc": {"spark"}}


# --- SQL of the engine's own --------------------------------------------------------------------------


def _step(dialect: str, query: str, **more: object) -> SqlStep:
    return SqlStep.model_validate({"query": query, "dialect": dialect, **more})


def _compiled(step: SqlStep) -> exp.Query:
    ctx = StepContext("t", SCHEMAS, HERE, {"least": 3}, {}, "2026-01-02 03:04:05.000000")
    return step.compile(ctx)


def test_a_step_brings_the_sql_of_its_engine() -> None:
    query = (
        "SELECT k, transform(sequence(1, k), x -> x * 2) AS l, current_date() AS today "
        "FROM _ WHERE k > :least"
    )
    step = _step("spark", query, columns={"k": "int", "l": "INTEGER[]", "today": "DATE"})
    tree = _compiled(step)
    assert translate(tree, "spark").sql("spark") == (
        "SELECT k, TRANSFORM(SEQUENCE(1, k), x -> x * 2) AS l, CAST('2026-01-02' AS DATE) AS today "
        "FROM `t` AS _ WHERE k > :p0"
    )
    assert [(c.name, c.type) for c in step.declared(HERE) or ()] == [
        ("k", "INTEGER"), ("l", "INTEGER[]"), ("today", "DATE"),
    ]  # fmt: skip
    assert not step.is_row_wise()


@pytest.mark.parametrize("dialect", ["duckdb", "postgres"])
def test_it_runs_nowhere_else(dialect: str) -> None:
    tree = _compiled(_step("spark", "SELECT k FROM _", columns={"k": "INTEGER"}))
    with pytest.raises(PlanError, match="written in the SQL of Spark, and the pipeline runs on") as caught:
        translate(tree, dialect, where=HERE)
    assert caught.value.where is HERE


@pytest.mark.parametrize(
    ("dialect", "query", "what"),
    [
        (
            "spark",
            "SELECT java_method('java.lang.Runtime', 'getRuntime') FROM _",
            "java_method() is not allowed",
        ),
        ("spark", "SELECT reflect('a', 'b') FROM _", "reflect() is not allowed"),
        ("spark", "SELECT input_file_name() FROM _", "input_file_name() is not allowed"),
        ("spark", "SELECT uuid() FROM _", "gives other rows"),
        ("spark", "DROP TABLE x", "only a SELECT is allowed here"),
        ("spark", "SELECT * FROM parquet.`/etc`", "can't be read here|looks like a file|there is no source"),
        ("spark", "SELECT * FROM range(5)", "table function"),
        ("spark", "SELECT 1; SELECT 2", "only one statement"),
        ("postgres", "SELECT pg_read_file('/etc/passwd') FROM _", "pg_read_file() is not allowed"),
        ("postgres", "SELECT pg_sleep(9) FROM _", "pg_sleep() is not allowed"),
        ("postgres", "SELECT lo_import('x') FROM _", "lo_import() is not allowed"),
        ("postgres", "SELECT set_config('a', 'b', false) FROM _", "set_config() is not allowed"),
        ("postgres", "SELECT * FROM pg_shadow", "can't be read here"),
        ("postgres", "SELECT query_to_xml('x', true, true, '') FROM _", "query_to_xml() is not allowed"),
        ("postgres", "COPY x TO '/tmp/y'", "only a SELECT is allowed here"),
    ],
)
def test_it_is_one_safe_select_all_the_same(dialect: str, query: str, what: str) -> None:
    with pytest.raises(PlanError) as caught:
        _compiled(_step(dialect, query, columns={"k": "INTEGER"}))
    assert any(words in caught.value.message for words in what.split("|"))


def test_its_columns_are_declared() -> None:
    with pytest.raises(PlanError, match="must say what it gives") as caught:
        _step("spark", "SELECT k FROM _").declared(HERE)
    assert "columns:" in str(caught.value.hint)
    with pytest.raises(PlanError, match="found out by themselves"):
        SqlStep.model_validate({"query": "SELECT k FROM _", "columns": {"k": "INTEGER"}}).declared(HERE)
    assert SqlStep.model_validate({"query": "SELECT k FROM _"}).declared(HERE) is None


def test_duckdb_needs_nothing_of_the_translation() -> None:
    code = (
        "import sys\n"
        "from sluiceway.plan import build\n"
        "from sluiceway.sql.translate import translate\n"
        "import sqlglot\n"
        "translate(sqlglot.parse_one('SELECT 1 AS a'), 'duckdb')\n"
        "print('sluiceway.sql.rewrite.statement' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_a_not_in_that_may_meet_a_null_stays_what_it_is_on_spark() -> None:
    """With a NULL among the keys no row passes a NOT IN; a NOT EXISTS would let them pass."""
    filled = "NOT k IS NULL AND NOT k IN (SELECT n.k FROM t AS n WHERE NOT n.k IS NULL)"
    assert "NOT EXISTS" in written(f"SELECT k FROM t WHERE {filled}", "spark")
    for open_ in (
        "NOT k IN (SELECT n.k FROM t AS n WHERE NOT n.k IS NULL)",
        "NOT k IS NULL AND NOT k IN (SELECT n.k FROM t AS n)",
        "NOT k IS NULL OR NOT k IN (SELECT n.k FROM t AS n WHERE NOT n.k IS NULL)",
    ):
        assert "EXISTS" not in written(f"SELECT k FROM t WHERE {open_}", "spark")
