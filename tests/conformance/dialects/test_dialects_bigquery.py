"""BigQuery's primitives and translations on an emulator that itself translates them to DuckDB.

What comes out equal shows that the SQL is understood and put together right. That BigQuery's own functions
give these values it does not show where the emulator hands the call to DuckDB's function of that name:
casts, texts of numbers and times, patterns, hashes. docs/bigquery.md lists them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from sqlglot import exp
from tests.conformance.dialects import edge
from tests.conformance.dialects.answers import HERE, SCHEMAS
from tests.conformance.dialects.engines import plain
from tests.conformance.dialects.test_dialects_primitives import (
    AGGREGATES,
    ASKED,
    TYPES,
    answers,
    column,
    text,
)

from sluiceway.errors import PlanError
from sluiceway.schema import family
from sluiceway.sql.primitives import PRIMITIVES, call, lower
from sluiceway.sql.safe import parse_expression, parse_select
from sluiceway.sql.translate import translate

if TYPE_CHECKING:
    from tests.conformance.dialects.engines import BigQuery, Duck

pytestmark = [pytest.mark.bigquery, pytest.mark.slow]

HELD = {name for name, (type_, _) in edge.COLUMNS.items() if name != "big" and not type_.endswith("[]")}
NAMES = sorted(n for n, p in PRIMITIVES.items() if "bigquery" in p.emitters and n in ASKED)


def _zeros(value: object) -> object:
    """DuckDB's Parquet writer makes one value of 0.0 and -0.0."""
    return ("float", "0.0") if value == ("float", "-0.0") else value


def _said(name: str) -> list[exp.Expr]:
    out = []
    asked = ASKED[name]
    if name == "row_json":
        asked = [call("row_json", 'a"b', column("s"), "t", column("t"), "ts", text("ts"))]
    for tree in asked:
        columns = {c.name for c in tree.find_all(exp.Column)}
        texts = name in ("string_of", "sha256")  # of floats: see below
        if not columns <= HELD or (texts and any(family(TYPES[c]) == "float" for c in columns)):
            continue
        try:
            lower(tree, "bigquery")
        except PlanError:
            continue
        out.append(tree)
    return out


_EMULATOR = {
    "hmac_sha256": "the emulator casts a text that is not ASCII to no BYTES; BigQuery takes its UTF-8",
}


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(n, marks=pytest.mark.xfail(strict=True, reason=_EMULATOR[n])) if n in _EMULATOR else n
        for n in NAMES
    ],
)
def test_a_primitive_gives_what_it_gives_on_duckdb(bigquery_engine: BigQuery, duck: Duck, name: str) -> None:
    trees = _said(name)
    assert trees
    mine, theirs = answers(duck, trees), answers(bigquery_engine, trees)
    wrong = [
        (tree.sql("duckdb"), [p for p in zip(left, right, strict=True) if p[0] != p[1]][:2])
        for tree, left, right in zip(trees, mine, theirs, strict=True)
        if left != right
    ]
    assert wrong == []


@pytest.mark.parametrize("name", ["d", "e", "x", "f"])
def test_the_text_of_a_float_reads_back_as_the_same_number(
    bigquery_engine: BigQuery, duck: Duck, name: str
) -> None:
    (mine,), (theirs,) = answers(duck, [column(name)]), answers(bigquery_engine, [text(name)])
    back = duck.con.execute("SELECT unnest(?::VARCHAR[])::DOUBLE", [theirs]).fetchall()
    assert [_zeros(plain(value)) for (value,) in back] == [_zeros(value) for value in mine]


def test_counts_are_the_same(bigquery_engine: BigQuery, duck: Duck) -> None:
    query = exp.select(AGGREGATES["count_if"].copy(), AGGREGATES["count_distinct_dense"].copy()).from_("edge")
    query = query.where("i BETWEEN -1 AND 100")
    mine, theirs = (e.rows(lower(query, e.dialect).sql(e.dialect)) for e in (duck, bigquery_engine))
    assert theirs == mine


def test_hash64_tells_keys_apart_and_equal_ones_not(bigquery_engine: BigQuery, duck: Duck) -> None:
    """0.0 and -0.0 are one key, as NULL-free keys of DuckDB's are."""
    hashed = exp.alias_(call("hash64", *[exp.column(n, quoted=True) for n in ("d", "s", "n")]), "h")
    inner = translate(exp.select(hashed).from_("edge"), "bigquery", schemas=SCHEMAS)
    (found,) = bigquery_engine.rows(f"SELECT count(DISTINCT h) FROM ({inner.sql('bigquery')}) AS q")
    (keys,) = duck.rows("SELECT count(*) FROM (SELECT DISTINCT d + 0.0, s, n FROM edge) AS q")
    assert found == keys


EXPRESSIONS = [
    "ti + j", "bi // 7", "si % j", "m * m", "m + m", "x / k", "x / n", "-n", "d > 1.5", "d < e", "d >= e",
    "d <= e", "d = e", "d <> e", "e IS NOT DISTINCT FROM d", "i IN (1, 7, 100)", "n BETWEEN 0 AND 2",
    "s LIKE 'a%c'", "s || t", "CASE WHEN b THEN 'yes' WHEN c THEN s ELSE 'no' END", "coalesce(n, 0)",
    "nullif(s, 'a')",
    "CAST(i AS BIGINT)", "CAST(ti AS DECIMAL(9,2))", "CAST(m AS INTEGER)", "CAST(b AS INTEGER)",
    "CAST(m AS DECIMAL(9,1))", "CAST(dt AS TIMESTAMP)", "CAST(tu AS DATE)", "CAST(dt AS VARCHAR)",
    "CAST(i AS VARCHAR)", "CAST(n AS DOUBLE)", "length(s)", "substring(s, 2, 3)", "replace(s, 'a', 'b')",
    "trim(s)", "starts_with(s, 'a')", "contains(s, 'b')", "strpos(s, 'c')", "regexp_matches(s, '^[a-z]+$')",
    "md5(s)", "sha256(s)", "round(m, 1)", "abs(n)", "year(dt)", "month(ts)", "date_part('hour', tu)",
    "date_trunc('month', tu)", "date_trunc('month', du)", "date_diff('day', du, dt)", "dt - du",
    "tu + INTERVAL 1 MONTH", "tu - INTERVAL 36 HOUR", "du + 3", "isnan(d)", "b AND NOT c", "b IS TRUE",
    "i & 6", "if(b, 1, 2)",
]  # fmt: skip


@pytest.mark.parametrize("text", EXPRESSIONS)
def test_an_expression_gives_what_it_gives_on_duckdb(
    bigquery_engine: BigQuery, duck: Duck, text: str
) -> None:
    query = exp.select("k", exp.alias_(parse_expression(text, HERE), "v")).from_("edge")
    mine = sorted((plain(k), plain(v)) for k, v in duck.rows(query.sql("duckdb")))
    sql = translate(query, "bigquery", schemas=SCHEMAS, where=HERE).sql("bigquery")
    theirs = sorted(((plain(k), plain(v)) for k, v in bigquery_engine.rows(sql)), key=repr)
    assert [p for p in zip(sorted(mine, key=repr), theirs, strict=True) if p[0] != p[1]] == []


QUERIES = [
    "SELECT s, count(*) AS c, sum(n) AS x, min(dt) AS a, max(tu) AS z, avg(x) AS m FROM edge GROUP BY s",
    "SELECT max(d) AS x, min(e) AS y, count(DISTINCT s) AS c, max(b) AS b FROM edge",
    "SELECT count(*) FILTER (WHERE i > 0) AS c, sum(n) FILTER (WHERE b) AS s FROM edge",
    "SELECT k, i, n FROM edge QUALIFY row_number() OVER (PARTITION BY i ORDER BY n DESC, k) = 1",
    "SELECT DISTINCT ON (i) i, k FROM edge ORDER BY i, k",
    "SELECT a.k FROM edge AS a LEFT JOIN edge AS b ON a.k = b.i WHERE b.k IS NULL",
    "SELECT k FROM edge AS a WHERE EXISTS (SELECT 1 FROM edge AS b WHERE b.i = a.k)",
    (
        "SELECT k FROM edge WHERE i IS NOT NULL AND s IS NOT NULL AND "
        "(i, s) IN (SELECT i, s FROM edge WHERE b AND i IS NOT NULL AND s IS NOT NULL)"
    ),
    "SELECT k FROM edge AS a SEMI JOIN edge AS b ON a.k = b.i",
    "SELECT k, lag(i) OVER (ORDER BY k) AS p FROM edge",
    "SELECT k, row_number() OVER (ORDER BY d DESC, x, k) AS p FROM edge",
    "SELECT i AS v FROM edge WHERE k < 9 UNION ALL SELECT n FROM edge WHERE k < 9",
    "WITH q AS (SELECT i, count(*) AS c FROM edge GROUP BY ALL) SELECT i, c FROM q WHERE c > 3",
]


@pytest.mark.parametrize("text", QUERIES)
def test_a_query_gives_what_it_gives_on_duckdb(bigquery_engine: BigQuery, duck: Duck, text: str) -> None:
    tree = parse_select(text, HERE)
    mine = sorted(([plain(v) for v in row] for row in duck.rows(tree.sql("duckdb"))), key=repr)
    sql = translate(tree, "bigquery", schemas=SCHEMAS, where=HERE).sql("bigquery")
    assert sorted(([plain(v) for v in row] for row in bigquery_engine.rows(sql)), key=repr) == mine


@pytest.mark.parametrize(
    "text",
    [
        "CAST(s AS INTEGER)", "TRY_CAST(s AS DATE)", "CAST(d AS INTEGER)", "CAST(d AS VARCHAR)",
        "CAST(x AS DECIMAL(9,2))", "list_sum(li)", "strftime(dt, '%Y')", "greatest(i, j)", "li[1]",
        "regexp_replace(s, 'a', 'b')", "ts - tu", "tz + INTERVAL 1 MONTH", "x % 2",
        "sum(i) OVER (ORDER BY k)", "hash(s)",
    ],
)  # fmt: skip
def test_what_is_not_known_to_be_the_same_is_refused(text: str) -> None:
    query = exp.select(exp.alias_(parse_expression(text, HERE), "v")).from_("edge")
    with pytest.raises(PlanError, match="BigQuery"):
        translate(query, "bigquery", schemas=SCHEMAS, where=HERE)


def test_the_edge_table_is_the_same(bigquery_engine: BigQuery, duck: Duck) -> None:
    names = ", ".join(f"`{n}`" for n in TYPES if n in HELD and n != "u")
    theirs = bigquery_engine.rows(f"SELECT {names} FROM edge")
    mine = duck.rows(f"SELECT {names.replace('`', chr(34))} FROM edge")
    left, right = (
        sorted(([_zeros(plain(v)) for v in row] for row in rows), key=repr) for rows in (mine, theirs)
    )
    assert left == right
