"""What users write every day is let through, and means the same after it was written anew."""

from __future__ import annotations

from typing import Any

import duckdb
import pytest

from sluiceway.duck import open_duckdb
from sluiceway.errors import PlanError, Where
from sluiceway.sql import support
from sluiceway.sql.safe import (
    bind_tables,
    check_supported,
    parse_expression,
    parse_select,
    tables_of,
    variables_of,
    with_clock,
)

HERE = Where("p.yml", 3, "sql")

EXPRESSIONS = [
    "a + 1", "-a * 2 - -1", "a / 2", "a // 2", "a % 2", "a ** 2", "-a ^ 2", "2 - (3 - a)", "a - 1 - 1",
    "a > 1 AND NOT b", "a BETWEEN 1 AND 3", "a IN (1, 2, NULL)", "a NOT IN (1, 2)", "s IS NULL",
    "s IS NOT NULL", "b IS TRUE", "b IS NOT TRUE", "s IS DISTINCT FROM 'x'",
    "s IS NOT DISTINCT FROM NULL", "s LIKE 'a%'", "s NOT LIKE 'a%'", "s ILIKE 'A%'",
    "s LIKE 'a$%' ESCAPE '$'", "s SIMILAR TO 'a.*'", "s GLOB 'a*'", "s ~ 'b'", "s ~ 'a.*'", "s !~ 'b'",
    "s ~~ 'a%'", "s !~~ 'a%'", "regexp_matches(s, 'b')", "regexp_matches(s, 'B', 'i')",
    "regexp_full_match(s, 'abc')", "regexp_replace(s, 'b', 'X')", "regexp_replace(s, '[a-c]', 'X', 'g')",
    "regexp_extract(s, '(b)(c)', 2)", "CASE WHEN a > 1 THEN 'x' ELSE 'y' END",
    "CASE a WHEN 1 THEN 'x' END", "if(a > 1, 'x', 'y')", "coalesce(s, 'x')", "ifnull(s, 'x')",
    "nullif(a, 1)", "greatest(a, 2)", "least(a, 2)", "a::VARCHAR", "CAST(f AS INTEGER)",
    "TRY_CAST(s AS INTEGER)", "f::DECIMAL(10, 2)", "l::VARCHAR[]", "lower(s) || upper(s)",
    "concat(s, NULL, 'x')", "concat_ws('|', s, a)", "substring(s, 2)", "substring(s, 0, 2)",
    "substring(s FROM 2 FOR 1)", "left(s, 2)", "right(s, -1)", "trim(s)", "trim(BOTH 'a' FROM s)",
    "position('b' IN s)", "strpos(s, 'b')", "instr(s, 'c')", "replace(s, 'a', 'b')", "lpad(s, 5, '*')",
    "split_part(s, 'b', 1)", "string_split(s, 'b')", "length(s)", "len(l)", "len(s)", "s[1]", "s[1:2]",
    "s[-1]", "l[1]", "l[2:]", "l[:1]", "[x * 2 FOR x IN l]", "[x FOR x IN l IF x > 1]",
    "list_transform(l, x -> x + a)", "list_filter(l, lambda x: x > 1)", "list_sum(l)",
    "list_sort(l, 'DESC')", "list_append(l, 9)", "array_append(l, 9)", "list_contains(l, 1)", "l && [1]",
    "l @> [1]", "list_reduce([1, 2], (x, y) -> x + y)", "list_aggregate(l, 'max')", "unnest([1])",
    "1 = ANY(l)", "{'x': a, 'y': s}", "struct_pack(x := a)", "st.x", "st['y']", "st.y || s",
    "map {'k': a}", "m['k']", "map_keys(m)", "element_at(m, 'k')", "row(a, s)", "(a, s)",
    "struct_extract(st, 'x')", "j -> 'k'", "j ->> 'k'", "j ->> '$.n.m'", "(j ->> 'k') = 'v'",
    "json_extract_string(j, '$.n.m')", "json_extract(j, 'k')", "j -> 'l' -> 0",
    "json_array_length(j -> 'l')", "to_json(st)", "json_extract_string(j, 'a.b')", "d + INTERVAL 1 DAY",
    "d + INTERVAL '2' MONTH", "d - d", "d + 3", "date_diff('day', d, DATE '2026-03-01')",
    "datediff('month', d, DATE '2026-03-01')", "date_trunc('month', t)", "date_part('dow', d)",
    "extract(year FROM d)", "extract(dow FROM d)", "dayname(d)", "isodow(d)", "strftime(t, '%Y-%m')",
    "strptime('2026-01-02', '%Y-%m-%d')", "epoch(t)", "to_timestamp(0)", "t AT TIME ZONE 'UTC'",
    "last_day(d)", "make_date(2026, 1, 2)", "d + to_days(3)", "time_bucket(INTERVAL '1' DAY, t)",
    "age(t, TIMESTAMP '2020-01-01')", "date_sub('day', d, DATE '2026-03-01')", "DATE '2026-01-01' < d",
    "week(d)", "d::TIMESTAMP", "round(f, 1)", "floor(f)", "ceil(f)", "abs(-a)", "sqrt(f)", "ln(f)",
    "log(f)", "log2(f)", "log10(f)", "power(a, 2)", "sign(f)", "trunc(f)", "mod(a, 2)", "isnan(f)",
    "pi()", "md5(s)", "sha256(s)", "hash(s)", "hex('a')", "unhex('61')", "encode(s)", "base64(encode(s))",
    "typeof(a)", "format('{}-{}', a, s)", "printf('%03d', a)", "s.upper()",
    "s.replace('a', 'b').length()", "ascii(s)", "chr(65)", "bit_count(3)", "xor(a, 1)", "1 << a", "a & 1",
    "a | 2", "~a", "starts_with(s, 'a')", "s ^@ 'a'", "contains(s, 'b')", "levenshtein(s, 'abd')",
    "strip_accents('é')", "s COLLATE NOCASE = 'ABC'", "e'a\\nb'", "'it''s'", "$$x$$", "$$a\\b'c$$",
    "1_000", "1e3", "0.5", "[1] <@ l", "json_keys(j -> 'n')", "coalesce(j -> 'k', j)", "TRY(s::INTEGER)",
    "a IN (SELECT max(a) FROM t)", "EXISTS (SELECT 1 FROM t WHERE t.a = 1)", "(SELECT count(*) FROM t)",
    "translate(s, 'a', 'z')", "reverse(s)", "repeat(s, 2)", "url_encode('a b')", "list_distinct([1, 1])",
    "range(3)", "generate_series(1, 3)", "flatten([[1], [2]])", "array_to_string(l, ',')",
    "list_value(1, 2)", "list_zip([1], [2])", "bool_and(b) OVER ()", "to_base(10, 2)",
    "date_add(d, INTERVAL 1 DAY)", "instr(s, 'b') + position('c' IN s)", "a <> 1", "a != 1", "a == 1",
]  # fmt: skip

SELECTS = [
    "FROM t",
    "FROM t SELECT a WHERE a > 0",
    "SELECT * FROM t",
    "SELECT t.* EXCLUDE (m, j, st), a AS again FROM t",
    "SELECT * EXCLUDE (m, j) REPLACE (a + 1 AS a) FROM t",
    "SELECT * RENAME (a AS b2) FROM t",
    "SELECT COLUMNS('^a') FROM t",
    "SELECT DISTINCT s FROM t",
    "SELECT DISTINCT ON (s) s, a FROM t ORDER BY s, a DESC",
    "SELECT s, count(*) AS n, sum(a) FILTER (WHERE b) AS m FROM t GROUP BY s HAVING count(*) > 0",
    "SELECT s, avg(f) FROM t GROUP BY ALL",
    "SELECT s, b, count(*) FROM t GROUP BY ROLLUP (s, b)",
    "SELECT s, b, grouping(s) FROM t GROUP BY GROUPING SETS ((s), (b), ())",
    "SELECT count(DISTINCT s), max(a), min(a), median(a), quantile_cont(f, 0.5), mode(s) FROM t",
    "SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY f), quantile_disc(f, 0.5) FROM t",
    "SELECT string_agg(s, ',' ORDER BY a), list(a ORDER BY a), array_agg(DISTINCT b ORDER BY b) FROM t",
    "SELECT arg_max(s, a), max_by(s, a), first(s ORDER BY a), any_value(b ORDER BY b), bool_or(b) FROM t",
    "SELECT stddev(f), variance(f), corr(a, f), skewness(f), histogram(a), approx_count_distinct(a) FROM t",
    "SELECT count() FROM t",
    "SELECT a, row_number() OVER (PARTITION BY s ORDER BY a DESC NULLS LAST) FROM t",
    "SELECT a, sum(a) OVER (ORDER BY a ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) FROM t",
    "SELECT a, lag(a, 1, 0) OVER w, first_value(a IGNORE NULLS) OVER w FROM t WINDOW w AS (ORDER BY a)",
    "SELECT a, rank() OVER (ORDER BY s), ntile(2) OVER (ORDER BY a), percent_rank() OVER (ORDER BY a) FROM t",
    "SELECT a FROM t QUALIFY row_number() OVER (PARTITION BY s ORDER BY a) = 1",
    "SELECT x.a, y.f FROM t AS x JOIN t AS y ON x.a = y.a",
    "SELECT a, x.f FROM t AS x LEFT JOIN t AS y USING (a)",
    "SELECT x.a FROM t x SEMI JOIN t y ON x.a = y.a",
    "SELECT x.a FROM t x ANTI JOIN t y ON x.a = y.a",
    "SELECT x.a FROM t x CROSS JOIN t y",
    "SELECT x.a FROM t x ASOF JOIN t y ON x.a >= y.a",
    "SELECT t.a, u.x FROM t, unnest(t.l) AS u(x)",
    "SELECT t.a, l.z FROM t, LATERAL (SELECT t.a * 2 AS z) AS l",
    "SELECT a FROM t UNION SELECT 9",
    "SELECT a FROM t UNION ALL BY NAME SELECT 9 AS a",
    "SELECT a FROM t EXCEPT SELECT 1",
    "SELECT a FROM t INTERSECT SELECT 1",
    "(SELECT a FROM t) UNION ALL (SELECT 2) ORDER BY 1 LIMIT 3",
    "WITH c AS (SELECT a FROM t), d AS MATERIALIZED (SELECT a + 1 AS a FROM c) SELECT * FROM d",
    "WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r WHERE n < 5) SELECT * FROM r",
    "SELECT * FROM (VALUES (1, 'a'), (2, 'b')) AS v(x, y)",
    "SELECT a FROM t ORDER BY a DESC NULLS FIRST LIMIT 1 OFFSET 1",
    "SELECT a FROM t ORDER BY ALL",
    "SELECT a AS x, x + 1 AS y FROM t",
    "SELECT unnest(l) AS x FROM t",
    "SELECT unnest(st, recursive := true) FROM t",
    "SELECT a -- a comment; with a semicolon */\n FROM t /* and 'this' */",
    "SELECT 1 AS \"or der\", 2 AS \"quo\"\"te\", 3 AS \"ünï\";",
    "SELECT t FROM t",
    "SELECT (SELECT max(a) FROM t AS i WHERE i.s = t.s) FROM t",
]  # fmt: skip


@pytest.fixture(scope="module")
def con() -> duckdb.DuckDBPyConnection:
    con = open_duckdb(threads=1)
    con.execute(
        """CREATE TABLE t AS SELECT * FROM (VALUES
        (1, true, 'abc', 1.5, DATE '2026-01-31', TIMESTAMP '2026-01-31 13:14:15', [1, 2],
         {'x': 1, 'y': 'q'}, map {'k': 7}, '{"k": "v", "n": {"m": 1}, "l": [3], "a.b": "dot"}'::JSON),
        (2, false, 'a%b', 2.5, DATE '2024-02-29', TIMESTAMP '2024-02-29 00:00:00', [], {'x': NULL, 'y': 'r'},
         map {'z': 8}, '{}'::JSON),
        (NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL))
        AS v(a, b, s, f, d, t, l, st, m, j)"""
    )
    return con


def rows(con: duckdb.DuckDBPyConnection, sql: str) -> tuple[Any, Any]:
    """Columns' types and rows, or the engine's refusal."""
    try:
        found = con.execute(sql)
        types = [str(d[1]) for d in found.description or []]
        return types, sorted(map(repr, found.fetchall()))
    except duckdb.Error as error:
        return type(error).__name__, None


@pytest.mark.parametrize("text", EXPRESSIONS)
def test_an_expression_means_the_same(text: str, con: duckdb.DuckDBPyConnection) -> None:
    tree = parse_expression(text, HERE)
    check_supported(tree, "duckdb", HERE)
    wanted = rows(con, f"SELECT {text} AS v FROM t")
    assert wanted[1] is not None, f"the test's own SQL fails: {wanted}"
    assert rows(con, f"SELECT {tree.sql('duckdb')} AS v FROM t") == wanted


@pytest.mark.parametrize("text", SELECTS)
def test_a_select_means_the_same(text: str, con: duckdb.DuckDBPyConnection) -> None:
    tree = parse_select(text, HERE)
    check_supported(tree, "duckdb", HERE)
    wanted = rows(con, text)
    assert wanted[1] is not None, f"the test's own SQL fails: {wanted}"
    assert rows(con, tree.sql("duckdb")) == wanted


def test_every_function_let_through_exists_and_is_repeatable(con: duckdb.DuckDBPyConnection) -> None:
    known = con.execute(
        "SELECT lower(function_name), stability, function_type FROM duckdb_functions()"
    ).fetchall()
    names = {name for name, _, kind in known if kind in ("scalar", "aggregate", "macro")}
    volatile = {name for name, stability, _ in known if stability in ("VOLATILE", "CONSISTENT_WITHIN_QUERY")}
    syntax = {
        "array", "cast", "coalesce", "columns", "exists", "extract", "grouping", "if", "ifnull", "iif",
        "overlay",
        "percentile_cont", "percentile_disc", "position", "struct_pack", "trim", "try", "try_cast", "unnest",
    }  # fmt: skip
    let_through = support.TARGETS["duckdb"].functions
    assert let_through - names - syntax - support.WINDOW_ONLY == set()
    assert let_through & volatile == set()
    assert let_through & (support.CLOCK | support.UNREPEATABLE) == set()


@pytest.mark.parametrize(
    ("text", "type_"),
    [
        ("now()", "TIMESTAMP WITH TIME ZONE"), ("current_timestamp", "TIMESTAMP WITH TIME ZONE"),
        ("get_current_timestamp()", "TIMESTAMP WITH TIME ZONE"), ("today()", "DATE"),
        ("current_date", "DATE"),
        ("transaction_timestamp()", "TIMESTAMP WITH TIME ZONE"), ("localtimestamp", "TIMESTAMP"),
        ("current_time", "TIME WITH TIME ZONE"), ("get_current_time()", "TIME WITH TIME ZONE"),
        ("localtime", "TIME"), ("ago(INTERVAL 1 DAY)", "TIMESTAMP WITH TIME ZONE"),
        ("age(TIMESTAMP '2020-01-01')", "INTERVAL"), ("current_localtimestamp()", "TIMESTAMP"),
    ],
)  # fmt: skip
def test_clocks_say_the_run_s_time(text: str, type_: str, con: duckdb.DuckDBPyConnection) -> None:
    tree = parse_expression(text, HERE)
    with pytest.raises(PlanError, match="asks the engine's clock"):
        check_supported(tree, "duckdb", HERE)
    said = with_clock(tree, "2001-02-03 04:05:06.000000")
    check_supported(said, "duckdb", HERE)
    ((value, got, original),) = con.execute(
        f"SELECT ({said.sql('duckdb')})::VARCHAR, typeof({said.sql('duckdb')}), typeof({text})"
    ).fetchall()
    assert got == type_ == original
    assert "2026" not in value
    assert tree.sql("duckdb") == parse_expression(text, HERE).sql("duckdb"), "the tree itself is not changed"


def test_variables_become_placeholders() -> None:
    tree = parse_select("SELECT :a, l[1:2], {'k': :b}, x::INT FROM _ WHERE y BETWEEN :a AND $c", HERE)
    assert variables_of(tree) == ("a", "b", "c")
    assert "$a" in tree.sql("duckdb")
    assert variables_of(parse_select("SELECT l[1:n], {'k':v} FROM _", HERE)) == ()


def test_tables_of_leaves_ctes_out_where_they_are_seen() -> None:
    tree = parse_select(
        "WITH a AS (SELECT * FROM a), c AS (SELECT * FROM a) SELECT * FROM c, mart.d, A", HERE
    )
    assert tables_of(tree) == ("a", "mart.d")
    tree = parse_select("WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n FROM r) SELECT * FROM r", HERE)
    assert tables_of(tree) == ()
    inner = parse_select("SELECT * FROM (WITH x AS (SELECT 1) SELECT * FROM x), x", HERE)
    assert tables_of(inner) == ("x",)


def test_binding_names() -> None:
    tree = parse_select(
        "WITH orders AS (SELECT * FROM Orders) SELECT _.a FROM _ JOIN orders ON mart.d.x = 1, mart.d", HERE
    )
    bound = bind_tables(tree, ["orders", "mart.d", "_step_1"], HERE, current="_step_1")
    assert set(tables_of(bound)) == {"orders", "mart.d", "_step_1"}
    assert '"_cte_orders"' in bound.sql("duckdb")
    assert "d.x = 1" in bound.sql("duckdb")
    with pytest.raises(PlanError) as caught:
        bind_tables(parse_select("SELECT * FROM ordrs", HERE), ["orders"], HERE)
    assert "did you mean 'orders'?" in str(caught.value)
    assert caught.value.where is HERE


def test_an_unknown_target_takes_no_sql() -> None:
    with pytest.raises(PlanError, match="not supported on sqlite yet"):
        check_supported(parse_select("SELECT 1", HERE), "sqlite", HERE)
