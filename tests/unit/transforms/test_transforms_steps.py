"""Every step, executed on DuckDB over small tables."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError
from step_bench import CLOCK, Bench, parse

from sluiceway import plugins
from sluiceway.errors import PlanError
from sluiceway.sql.safe import tables_of


def rows_of(result: Any) -> set[Any]:
    return set(result[1])


def refused(bench: Bench, kind: str, value: Any, **options: Any) -> str:
    with pytest.raises(PlanError) as caught:
        bench.run(kind, value, **options)
    assert caught.value.where is not None
    assert caught.value.where.file == "pipelines/p.yml"
    return str(caught.value)


def test_filter(bench: Bench) -> None:
    names, rows = bench.run("filter", "amount > 2")
    assert names == ("id", "kind", "amount", "at")
    assert {r[2] for r in rows} == {2.5, 4.0, 5.0}, "a NULL amount does not pass"
    assert len(bench.run("filter", ["amount > 2", "kind = 'a'"])[1]) == 1
    assert len(bench.run("filter", "id IN (SELECT id FROM o)")[1]) == 2
    assert len(bench.run("filter", "_.amount > 2 OR t.kind = 'b'")[1]) == 3


def test_filter_binds_variables_beside_the_sql(bench: Bench) -> None:
    query = parse("filter", "kind = :k").compile(bench.context(variables={"k": "a'; DROP TABLE t; --"}))
    assert "DROP" not in query.sql("duckdb")
    assert bench.rows(query) == []
    assert len(bench.run("filter", "kind = :k", variables={"k": "a"})[1]) == 3
    said = refused(bench, "filter", "kind = :kk", variables={"k": "a"})
    assert "the variable :kk has no value" in said
    assert "--vars kk=VALUE" in said


def test_a_missing_column_lists_what_there_is(bench: Bench) -> None:
    for kind, value in [
        ("filter", "amont > 1"),
        ("select", ["amont"]),
        ("rename", {"amont": "x"}),
        ("cast", {"amont": "INTEGER"}),
        ("derive", {"x": "amont + 1"}),
        ("deduplicate", "amont"),
        ("deduplicate", {"key": "id", "by": "amont"}),
        ("aggregate", {"group_by": "amont"}),
        ("aggregate", {"measures": {"n": "sum(amont)"}}),
        ("pivot", {"on": "amont", "values": [1], "using": "count(*)"}),
        ("unpivot", {"columns": ["amont"]}),
        ("flatten", "amont"),
        ("mask", {"amont": "redact"}),
        ("join", {"with": "o", "on": "amont"}),
        ("sql", "SELECT amont FROM _"),
        ("select", {"exclude": "amont"}),
    ]:
        said = refused(bench, kind, value)
        assert "'amont' does not exist" in said, kind
        assert "id, kind, amount, at" in said, kind
        assert "did you mean 'amount'?" in said, kind


def test_an_unknown_relation_has_a_suggestion(bench: Bench) -> None:
    for kind, value in [
        ("join", {"with": "oo", "on": "id"}),
        ("sql", "SELECT * FROM oo"),
        ("filter", "id IN (SELECT id FROM oo)"),
    ]:
        said = refused(bench, kind, value)
        assert "'oo'" in said
        assert "did you mean 'o'?" in said


def test_select(bench: Bench) -> None:
    names, rows = bench.run("select", ["kind", {"twice": "amount * 2", "d": "today()"}])
    assert names == ("kind", "twice", "d")
    assert ("b", 5.0) in {r[:2] for r in rows}
    assert {str(r[2]) for r in rows} == {CLOCK[:10]}
    assert bench.run("select", {"exclude": ["at"]})[0] == ("id", "kind", "amount")
    assert bench.run("select", "KIND")[0] == ("kind",)
    assert "two columns would be named 'Kind'" in refused(bench, "select", ["kind", {"Kind": "id"}])
    assert "leaves no column" in refused(bench, "select", {"exclude": ["id", "kind", "amount", "at"]})
    with pytest.raises(ValidationError):
        parse("select", [])


def test_rename(bench: Bench) -> None:
    names, rows = bench.run("rename", {"id": "kind", "kind": "id"})
    assert names == ("kind", "id", "amount", "at"), "two columns may swap names"
    assert (1, "b") in {r[:2] for r in rows}
    assert "two columns would be named 'amount'" in refused(bench, "rename", {"id": "amount"})
    assert "needs a name" in refused(bench, "rename", {"id": ""})


def test_cast(bench: Bench) -> None:
    _, rows = bench.run("cast", {"amount": "DECIMAL(10,2)", "id": "VARCHAR"})
    assert ("1", "b", "2.50") in {(r[0], r[1], str(r[2])) for r in rows}
    _, rows = bench.run("cast", {"kind": "INTEGER"}, on_error=None)
    assert {r[1] for r in rows} == {None}
    _, same = bench.run("cast", {"columns": {"kind": "INTEGER"}, "on_error": "null"})
    assert same == rows
    query = parse("cast", {"kind": "INTEGER"}).compile(bench.context())
    with pytest.raises(Exception, match="Could not convert string 'a'"):
        bench.rows(query)
    assert "is not a type" in refused(bench, "cast", {"kind": "INTEGER; DROP"})
    assert "nosuchtype" in refused(bench, "cast", {"kind": "nosuchtype"})


def test_derive_later_ones_see_earlier_ones(bench: Bench) -> None:
    names, rows = bench.run(
        "derive", {"x": "amount + 1", "y": "x * 2", "amount": "amount * 10", "z": "amount"}
    )
    assert names == ("id", "kind", "amount", "at", "x", "y", "z")
    assert (25.0, 3.5, 7.0, 25.0) in {(r[2], *r[4:]) for r in rows}
    _, rows = bench.run("derive", {"n": "row_number() OVER (ORDER BY amount)"})
    assert {r[4] for r in rows} == {1, 2, 3, 4, 5}


def test_derive_sees_no_column_that_comes_later(bench: Bench) -> None:
    assert "'y' does not exist" in refused(bench, "derive", {"x": "y + 1", "y": "amount"})


def test_deduplicate(bench: Bench) -> None:
    _, latest = bench.run("deduplicate", {"key": "id", "by": "at"})
    assert {(r[0], r[1]) for r in latest} == {(1, "b"), (2, "a"), (None, "a"), (None, None)}
    _, earliest = bench.run("deduplicate", {"key": ["id"], "keep": "earliest", "by": ["at"]})
    assert {(r[0], r[1]) for r in earliest} == {(1, "a"), (2, "a"), (None, "a"), (None, None)}
    assert len(latest) == 4, "rows with NULL in the key are not compared, all stay"
    assert bench.run("deduplicate", "id")[1]


@pytest.mark.parametrize(
    ("join_type", "expected"),
    [
        ("left", {(1, "a", "one"), (1, "b", "one"), (2, "a", None), (None, "a", None), (None, None, None)}),
        ("inner", {(1, "a", "one"), (1, "b", "one")}),
        ("semi", {(1, "a"), (1, "b")}),
        ("anti", {(2, "a"), (None, "a"), (None, None)}),
    ],
)
def test_join(bench: Bench, join_type: str, expected: set[Any]) -> None:
    names, rows = bench.run("join", {"with": "O", "on": "id", "type": join_type})
    picked = [0, 1, *([4] if "label" in names else [])]
    assert {tuple(r[i] for i in picked) for r in rows} == expected
    assert len(rows) == len(expected)


def test_join_on_other_names_and_renames(bench: Bench) -> None:
    bench.table("p", {"code": "INTEGER", "kind": "VARCHAR", "k2": "VARCHAR"}, [(1, "x", "b")])
    names, rows = bench.run("join", {"with": "p", "on": {"id": "code"}, "columns": {"kind": "p_kind"}})
    assert names == ("id", "kind", "amount", "at", "p_kind")
    assert (1, "a", "x") in {(r[0], r[1], r[4]) for r in rows}
    _, rows = bench.run(
        "join", {"with": "p", "on": {"id": "code", "kind": "k2"}, "columns": [], "type": "inner"}
    )
    assert [(r[0], r[1]) for r in rows] == [(1, "b")]
    said = refused(bench, "join", {"with": "p", "on": {"id": "code"}, "columns": ["kind"]})
    assert "clashes" in said
    assert "columns: {kind: p_kind}" in said
    with pytest.raises(ValidationError, match="adds no columns"):
        parse("join", {"with": "p", "on": "id", "type": "semi", "columns": ["kind"]})
    assert bench.run("join", {"with": "t", "on": "id", "columns": {"kind": "other"}})[0][-1] == "other"


def test_aggregate(bench: Bench) -> None:
    names, rows = bench.run(
        "aggregate",
        {"group_by": "kind", "measures": {"n": "count(*)", "amount": "sum(amount)", "a": "avg(amount)"}},
    )
    assert names == ("kind", "n", "amount", "a")
    assert set(rows) == {("a", 3, 5.5, 2.75), ("b", 1, 2.5, 2.5), (None, 1, 5.0, 5.0)}
    assert bench.run("aggregate", {"measures": {"n": "count(*)"}})[1] == [(5,)]
    assert rows_of(bench.run("aggregate", {"group_by": ["kind"]})) == {("a",), ("b",), (None,)}
    assert "must appear in the GROUP BY" in refused(
        bench, "aggregate", {"group_by": "kind", "measures": {"x": "id"}}
    )
    assert "two columns" in refused(
        bench, "aggregate", {"group_by": "kind", "measures": {"KIND": "count(*)"}}
    )


def test_pivot(bench: Bench) -> None:
    value = {"on": "kind", "values": ["a", "b", None], "using": "sum(amount)", "group_by": "id"}
    names, rows = bench.run("pivot", value)
    assert names == ("id", "a", "b", "null")
    assert set(rows) == {(1, 1.5, 2.5, None), (2, None, None, None), (None, 4.0, None, 5.0)}
    names, rows = bench.run("pivot", {"on": "kind", "values": {"a": "as"}, "using": "sum(amount) / count(*)"})
    assert (names, rows) == (("as",), [(5.5 / 3,)])
    names, rows = bench.run(
        "pivot", {"on": "kind", "values": ["a", "it's"], "using": "count(*) FILTER (WHERE amount > 2)"}
    )
    assert (names, rows) == (("a", "it's"), [(1, 0)])
    assert "is not an aggregate" in refused(bench, "pivot", {**value, "using": "amount"})
    with pytest.raises(ValidationError, match="values"):
        parse("pivot", {"on": "kind", "values": [], "using": "count(*)"})


def test_unpivot(bench: Bench) -> None:
    bench.table("q", {"id": "INTEGER", "q1": "INTEGER", "q2": "DOUBLE"}, [(1, 10, 20.5), (2, None, 1.0)])
    names, rows = bench.run("unpivot", {"columns": ["q1", "q2"], "name": "quarter", "value": "v"}, "q")
    assert names == ("id", "quarter", "v")
    assert set(rows) == {(1, "q1", 10.0), (1, "q2", 20.5), (2, "q1", None), (2, "q2", 1.0)}
    value = {"columns": ["q1", "q2"], "include_nulls": False}
    assert rows_of(bench.run("unpivot", value, "q")) == {(1, "q1", 10.0), (1, "q2", 20.5), (2, "q2", 1.0)}
    assert "no type in common" in refused(bench, "unpivot", {"columns": ["kind", "amount"]})
    assert "two columns" in refused(bench, "unpivot", {"columns": ["amount"], "value": "kind"})


def test_flatten_struct(bench: Bench) -> None:
    bench.table(
        "n",
        {"id": "INTEGER", "s": 'STRUCT(a INTEGER, "b c" VARCHAR, "in" STRUCT(z INTEGER))'},
        [(1, {"a": 1, "b c": "x", "in": {"z": 5}}), (2, None)],
    )
    names, rows = bench.run("flatten", "s", "n")
    assert names == ("id", "s_a", "s_b c", "s_in")
    assert rows == [(1, 1, "x", {"z": 5}), (2, None, None, None)]
    assert bench.run("flatten", {"column": "s", "prefix": "", "keep": True}, "n")[0] == (
        "id",
        "s",
        "a",
        "b c",
        "in",
    )
    assert "two columns" in refused_on(bench, "n", {"column": "s", "prefix": "", "keep": True}, {"a": "id"})


def refused_on(bench: Bench, table: str, value: Any, rename: dict[str, str]) -> str:
    """A struct whose field has the name of a column beside it."""
    bench.con.execute(f"CREATE TABLE clash AS SELECT 1 AS a, s FROM {table}")
    bench.schemas["clash"] = type(bench.schemas[table]).of(
        {"a": "INTEGER", "s": bench.schemas[table]["s"].type}
    )
    with pytest.raises(PlanError) as caught:
        bench.run("flatten", value, "clash")
    return str(caught.value)


def test_flatten_list(bench: Bench) -> None:
    bench.table(
        "n",
        {"id": "INTEGER", "l": "VARCHAR[]", "f": "INTEGER[2]"},
        [(1, ["x", "y"], [1, 2]), (2, [], [3, 4]), (3, None, None)],
    )
    names, rows = bench.run("flatten", {"column": "l", "position": "n"}, "n")
    assert names == ("id", "l", "f", "n")
    assert [(r[0], r[1], r[3]) for r in rows] == [(1, "x", 1), (1, "y", 2), (2, None, None), (3, None, None)]
    _, rows = bench.run("flatten", {"column": "l", "keep_empty": False, "to": "tag"}, "n")
    assert [r[:2] for r in rows] == [(1, "x"), (1, "y")]
    _, rows = bench.run("flatten", {"column": "f"}, "n")
    assert sorted(r[2] for r in rows if r[2]) == [1, 2, 3, 4]
    assert "keep needs another name" in refused(bench, "flatten", {"column": "l", "keep": True}, current="n")


def test_flatten_says_what_to_do_with_other_types(bench: Bench) -> None:
    bench.table("n", {"j": "JSON", "m": "MAP(VARCHAR, INTEGER)", "i": "INTEGER"}, [])
    assert "cast: {j: 'STRUCT" in refused(bench, "flatten", "j", current="n")
    assert "map_entries(m)" in refused(bench, "flatten", "m", current="n")
    assert "not a struct or list" in refused(bench, "flatten", "i", current="n")


def test_sql(bench: Bench) -> None:
    names, rows = bench.run(
        "sql",
        "WITH o AS (SELECT * FROM o WHERE id > 0) "
        "SELECT _.id, o.label FROM _ JOIN o USING (id) WHERE now() > DATE '2026-11-22'",
    )
    assert names == ("id", "label")
    assert rows == [(1, "one"), (1, "one")]
    step = parse("sql", "SELECT * FROM _ JOIN mart.rates USING (id) JOIN o USING (id)")
    assert step.reads() == ("mart.rates", "o")
    assert "two columns are named 'ID'" in refused(bench, "sql", "SELECT id, amount AS ID FROM _")
    assert "table function read_csv()" in refused(bench, "sql", "SELECT * FROM read_csv('x')")


def test_sql_reads_a_dataset_by_its_dotted_name(bench: Bench) -> None:
    bench.table("mart.rates", {"id": "INTEGER", "rate": "DOUBLE"}, [(1, 1.5)])
    names, rows = bench.run(
        "sql", "SELECT mart.rates.rate, rates.id FROM _ JOIN mart.rates ON _.id = rates.id"
    )
    assert (names, set(rows)) == (("rate", "id"), {(1.5, 1)})


def test_names_that_need_quoting(bench: Bench) -> None:
    evil = 'a"; DROP TABLE t; --'
    names = ("order", "my col", 'quo"te', "Ünïcode", "x'); DROP")
    assert bench.run("filter", '"order" = 1', "odd")[0] == names
    assert bench.run("select", list(names), "odd") == (names, [(1, "m", "q", "u", 9)])
    assert bench.run("rename", dict.fromkeys(["order"], evil), "odd")[0] == (evil, *names[1:])
    assert bench.run("derive", {evil: '"order" + 1'}, "odd")[0] == (*names, evil)
    assert bench.run("cast", {"x'); DROP": "VARCHAR"}, "odd")[1][0][4] == "9"
    assert bench.run("deduplicate", {"key": ['quo"te', "my col"], "by": "Ünïcode"}, "odd")[0] == names
    assert bench.run("aggregate", {"group_by": ["my col"], "measures": {evil: "count(*)"}}, "odd")[0] == (
        "my col",
        evil,
    )
    assert bench.run("mask", {'quo"te': "redact"}, "odd")[1][0][2] == "***"
    assert bench.run("unpivot", {"columns": ["my col", 'quo"te'], "name": evil}, "odd")[1][0][3] == "my col"
    assert bench.run("pivot", {"on": "my col", "values": [evil, "m"], "using": "count(*)"}, "odd") == (
        (evil, "m"),
        [(0, 1)],
    )
    bench.table(evil, {"order": "INTEGER", "x": "VARCHAR"}, [(1, "joined")])
    assert bench.run("join", {"with": evil, "on": "order"}, "odd")[1][0][5] == "joined"
    assert bench.run("filter", "TRUE", evil)[1] == [(1, "joined")]
    assert bench.con.execute("SELECT count(*) FROM t").fetchall() == [(5,)], "nothing was dropped"


def test_row_wise_is_told_truthfully() -> None:
    wise = {kind: plugins.load("transforms", kind).row_wise for kind in plugins.names("transforms")}
    assert {kind for kind, yes in wise.items() if not yes} == {
        "aggregate",
        "deduplicate",
        "pivot",
        "python",
        "sql",
    }
    assert parse("filter", "a > 1").is_row_wise()
    assert not parse("filter", "a > (SELECT avg(b) FROM _)").is_row_wise()
    assert not parse("derive", {"n": "row_number() OVER (ORDER BY a)"}).is_row_wise()
    assert parse("derive", {"n": "lower(a)"}).is_row_wise()
    assert not parse("select", [{"n": "sum(a) OVER ()"}]).is_row_wise()
    assert parse("sql", "SELECT a, lower(b) AS b FROM _ WHERE a > 1 ORDER BY a").is_row_wise()
    for text in [
        "SELECT DISTINCT a FROM _",
        "SELECT max(a) FROM _",
        "SELECT a FROM o",
        "SELECT a FROM _ UNION SELECT 1",
        "SELECT a FROM _ JOIN o USING (id)",
        "SELECT a, rank() OVER (ORDER BY a) FROM _",
        "SELECT a FROM _ QUALIFY 1 = 1",
        "SELECT string_agg(a, ',') FROM _",
    ]:
        assert not parse("sql", text).is_row_wise(), text


def test_reads_name_what_subqueries_name() -> None:
    assert parse("filter", "a IN (SELECT a FROM mart.x) AND b IN (SELECT b FROM _)").reads() == ("mart.x",)
    assert parse("derive", {"n": "(SELECT max(a) FROM o)"}).reads() == ("o",)
    assert parse("join", {"with": "mart.x", "on": "id"}).reads() == ("mart.x",)


def test_bad_sql_is_told_with_its_place_and_not_before(bench: Bench) -> None:
    for kind, value in [("sql", "SELEC 1"), ("filter", "a >"), ("derive", {"x": "random()"})]:
        assert parse(kind, value).reads() == ()
        assert refused(bench, kind, value).startswith("pipelines/p.yml:7: transform[0]: ")


def test_every_step_reads_only_what_it_says(bench: Bench) -> None:
    query = parse("deduplicate", "id").compile_antijoin(bench.context())  # type: ignore[attr-defined]
    assert tables_of(query) == ("t",)
