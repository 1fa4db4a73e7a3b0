"""DuckDB's conveniences said plainly mean the same on DuckDB itself."""

from __future__ import annotations

import pytest

from sluiceway.duck import open_duckdb
from sluiceway.errors import PlanError, Where
from sluiceway.schema import Schema
from sluiceway.sql.plain_select import plain_select
from sluiceway.sql.safe import parse_select

HERE = Where("p.yml", 2)
SCHEMAS = {
    "t": Schema.of({"k": "INTEGER", "g": "VARCHAR", "v": "DOUBLE", "w": "INTEGER"}),
    "o": Schema.of({"k": "INTEGER", "z": "VARCHAR"}),
}
ROWS = "(1, 'a', 1.5, NULL), (2, 'a', 2.5, 3), (3, 'b', NULL, 4), (4, NULL, 0, 5), (5, 'b', 1, 5)"
QUERIES = [
    "SELECT * EXCLUDE (v) REPLACE (k + 1 AS k) FROM t",
    "SELECT t.k, o.* EXCLUDE (k) FROM t JOIN o USING (k)",
    "SELECT * FROM o JOIN t USING (k)",
    "SELECT k, k + 1 AS a, a * 2 AS b FROM t WHERE a > 3",
    "SELECT g, count(*) AS n, sum(w) FROM t GROUP BY ALL HAVING n > 1 ORDER BY ALL",
    "SELECT g AS h, count(*) AS n FROM t GROUP BY h",
    "SELECT DISTINCT ON (g) g, k FROM t ORDER BY g, k DESC",
    "SELECT k, g FROM t QUALIFY row_number() OVER (PARTITION BY g ORDER BY k) = 1 ORDER BY g, k",
    "SELECT * FROM t QUALIFY sum(w) OVER (PARTITION BY g ORDER BY k) > 3 AND k < 5",
    "SELECT k FROM t QUALIFY count(*) OVER (PARTITION BY g) > 1 ORDER BY upper(g), k",
    "SELECT k, g FROM t UNION ALL BY NAME SELECT z, k FROM o",
    "WITH q AS (SELECT k, w + 1 FROM t) SELECT * FROM q ORDER BY k",
    "SELECT x.k FROM (SELECT k, v * 2 FROM t) AS x",
]


@pytest.mark.parametrize("text", QUERIES)
def test_plain_words_mean_the_same(text: str) -> None:
    con = open_duckdb(threads=1)
    con.execute(f"CREATE TABLE t AS SELECT * FROM (VALUES {ROWS}) AS r(k, g, v, w)")
    con.execute("CREATE TABLE o AS SELECT * FROM (VALUES (1, 'x'), (3, 'y'), (9, 'z')) AS r(k, z)")
    tree = parse_select(text, HERE)
    before = con.execute(tree.sql("duckdb"))
    wanted = ([c[0] for c in before.description or ()], sorted(before.fetchall(), key=repr))
    plain = plain_select(tree.copy(), SCHEMAS, HERE).sql("duckdb")
    after = con.execute(plain)
    assert ([c[0] for c in after.description or ()], sorted(after.fetchall(), key=repr)) == wanted
    for convenience in ("EXCLUDE", "REPLACE (", "QUALIFY", "BY ALL", "DISTINCT ON", "BY NAME"):
        assert convenience not in plain


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("SELECT DISTINCT ON (g) g, k FROM t", "DISTINCT ON without ORDER BY"),
        ("SELECT * FROM t FULL JOIN o USING (k)", "can't be listed"),
        ("SELECT * RENAME (k AS q) FROM t", "can't be listed"),
    ],
)
def test_what_has_no_plain_form(text: str, error: str) -> None:
    with pytest.raises(PlanError, match=error) as caught:
        plain_select(parse_select(text, HERE), SCHEMAS, HERE)
    assert caught.value.where is HERE
    assert caught.value.hint
