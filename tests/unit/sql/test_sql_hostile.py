"""SQL that reaches outside, writes, or gives other rows on every run is refused with a reason."""

from __future__ import annotations

import pytest

from sluiceway.errors import PlanError, Where
from sluiceway.sql.safe import parse_expression, parse_select

HERE = Where("pipelines/p.yml", 12, "transform[0].sql")

SELECTS = [
    "SELECT * FROM 'file.csv'",
    'SELECT * FROM "data/file.parquet"',
    "SELECT * FROM 's3://bucket/x.parquet'",
    "SELECT * FROM 'https://example.org/x.json'",
    "SELECT * FROM read_csv('x.csv')",
    "SELECT * FROM read_csv_auto('x.csv')",
    "SELECT * FROM read_parquet(['x', 'y'])",
    "SELECT * FROM read_json('x')",
    "SELECT * FROM read_text('/etc/passwd')",
    "SELECT * FROM read_blob('/etc/passwd')",
    "SELECT * FROM parquet_scan('x')",
    "SELECT * FROM sqlite_scan('x.db', 't')",
    "SELECT * FROM postgres_query('db', 'DROP TABLE x')",
    "SELECT * FROM glob('*')",
    "SELECT * FROM query('SELECT 1')",
    "SELECT * FROM query_table('t')",
    "SELECT * FROM range(10)",
    "SELECT * FROM generate_series(1, 10)",
    "SELECT * FROM duckdb_secrets()",
    "SELECT * FROM duckdb_settings()",
    "SELECT * FROM pragma_table_info('t')",
    "SELECT * FROM json_execute_serialized_sql('x')",
    "SELECT * FROM which_secret('x', 's3')",
    "SELECT * FROM t, LATERAL read_csv('x')",
    "SELECT * FROM \"read_csv\"('x')",
    "SELECT * FROM information_schema.tables",
    "SELECT * FROM duckdb_tables",
    "SELECT * FROM pg_catalog.pg_class",
    "SELECT * FROM sqlite_master",
    "SELECT * FROM lake.mart.orders",
    "SELECT * FROM _sluiceway.receipts",
    "ATTACH 'x.db' AS x",
    "DETACH x",
    "COPY t TO 'x.csv'",
    "COPY (SELECT 1) TO 'x'",
    "SET threads = 1",
    "RESET threads",
    "PRAGMA database_list",
    "INSTALL httpfs",
    "LOAD httpfs",
    "CALL pragma_version()",
    "EXPORT DATABASE 'x'",
    "CHECKPOINT",
    "VACUUM",
    "USE x",
    "CREATE TABLE x AS SELECT 1",
    "CREATE SECRET s (TYPE s3)",
    "INSERT INTO t VALUES (1)",
    "UPDATE t SET a = 1",
    "DELETE FROM t",
    "MERGE INTO t USING u ON true WHEN MATCHED THEN DELETE",
    "DROP TABLE t",
    "ALTER TABLE t ADD COLUMN x INT",
    "TRUNCATE t",
    "WITH x AS (DELETE FROM t RETURNING *) SELECT * FROM x",
    "WITH x AS (INSERT INTO t VALUES (1) RETURNING *) SELECT * FROM x",
    "SELECT 1; DROP TABLE t",
    "SELECT 1; SELECT 2",
    "SELECT 1 INTO x",
    "SELECT * FROM t FOR UPDATE",
    "EXPLAIN SELECT 1",
    "DESCRIBE t",
    "SUMMARIZE t",
    "SHOW TABLES",
    "SELECT * FROM (DESCRIBE t)",
    "PIVOT t ON a USING sum(b)",
    "SELECT * FROM t PIVOT (sum(b) FOR a IN ('x'))",
    "SELECT * FROM t TABLESAMPLE 10%",
    "SELECT * FROM t USING SAMPLE 3 ROWS",
    "SELECT * FROM t AT (VERSION => 3)",
    "SELECT * FROM t POSITIONAL JOIN u",
    "SELECT #1 FROM t",
    "SELECT * FROM t LIMIT 10",
    "SELECT * FROM t OFFSET 10",
    "SELECT ? FROM t",
    "SELECT $1 FROM t",
    "SELECT a FROM t ORDER BY random()",
    "BEGIN",
    "",
    "   -- nothing\n",
    "SELECT 'open",
    "SELECT /* open",
    "SELECT (1",
    "SELECT 1 +",
    "hello world",
    "SELECT " + "(" * 4000 + "1" + ")" * 4000,
]

EXPRESSIONS = [
    "read_text('/etc/passwd')",
    "'/etc/passwd'.read_text()",
    "main.read_text('x')",
    "\"read_text\"('x')",
    "getenv('HOME')",
    "current_setting('threads')",
    "getvariable('x')",
    "current_user",
    "current_database()",
    "current_schema()",
    "current_query()",
    "version()",
    "random()",
    "uuid()",
    "gen_random_uuid()",
    "nextval('s')",
    "setseed(0.5)",
    "txid_current()",
    "sleep_ms(1000)",
    "pg_sleep(1)",
    "error('x')",
    "write_log('x')",
    "json_serialize_sql('SELECT 1')",
    "json_serialize_plan('SELECT 1')",
    "duckdb_secrets()",
    "icu_sort_key('a', 'b')",
    "sw_matches(a, 'x')",
    "SW_TRY_CAST(a, 'INTEGER')",
    "a) FROM t --",
    "a, b",
    "a AS b",
    "a; DROP TABLE t",
    "SELECT 1",
    "*",
    "a IN (SELECT x FROM read_csv('y'))",
    "EXISTS (SELECT 1 FROM 'x.csv')",
    "(SELECT 1 FROM t LIMIT 1)",
    "",
    "a ->> 'x.y'",
    "a -> '/x'",
    "x :: ",
]


@pytest.mark.parametrize("text", SELECTS, ids=[s[:40] for s in SELECTS])
def test_refused_selects(text: str, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(PlanError) as caught:
        parse_select(text, HERE)
    assert caught.value.where is HERE
    assert caught.value.hint
    assert "sw__" not in str(caught.value)
    assert not caplog.records  # sqlglot's own warnings never reach the user


@pytest.mark.parametrize("text", EXPRESSIONS, ids=[s[:40] for s in EXPRESSIONS])
def test_refused_expressions(text: str) -> None:
    with pytest.raises(PlanError) as caught:
        parse_expression(text, HERE)
    assert caught.value.where is HERE
    assert caught.value.hint
    assert "sw__" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("SELECT * FROM read_csv('x')", "table function read_csv()"),
        ("SELECT lst_sum(a) FROM t", "did you mean 'list_sum'?"),
        ("SELECT * FROM 'a.csv'", "'a.csv' looks like a file"),
        ("SELECT a FROM t TABLESAMPLE 10%", "other rows on every run"),
        ("DELETE FROM t", "only a SELECT is allowed here, not DELETE"),
        ("SELECT a,\n  b +\nFROM t", "in line 3"),
        ("SELECT random()", "md5("),
    ],
)
def test_the_reason_is_said(text: str, said: str) -> None:
    with pytest.raises(PlanError) as caught:
        parse_select(text, HERE)
    assert said in str(caught.value)
    assert str(caught.value).startswith("pipelines/p.yml:12: transform[0].sql: ")


def test_text_without_end_is_refused() -> None:
    with pytest.raises(PlanError, match="longer than"):
        parse_select("SELECT " + "a, " * 100_000 + "a", HERE)
