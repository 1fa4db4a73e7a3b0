"""Every primitive and every cast, executed on every engine that declares it, over awkward values."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from sqlglot import exp
from tests.conformance.dialects import edge
from tests.conformance.dialects.answers import rows_of
from tests.conformance.dialects.engines import plain
from tests.conformance.dialects.texts import ODD_TEXTS, PATTERNS, TEXTS

from sluiceway.errors import PlanError
from sluiceway.rules.pattern import _REGEX
from sluiceway.rules.type import _SHAPES
from sluiceway.schema import family
from sluiceway.sql.primitives import PRIMITIVES, call, lower

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.conformance.dialects.engines import Duck, Engine

pytestmark = [pytest.mark.slow, pytest.mark.spark, pytest.mark.postgres]

TYPES = {name: type_ for name, (type_, _) in {**edge.COLUMNS, **edge.STRUCTS}.items()}
HELD = {"spark": set(TYPES) - {"tm"}, "postgres": set(TYPES) - set(edge.STRUCTS)}


def column(name: str) -> exp.Expr:
    return exp.column(name, quoted=True)


def text(name: str) -> exp.Expr:
    return call("string_of", column(name), TYPES[name])


BIT = exp.NEQ(
    this=exp.paren(exp.BitwiseAnd(this=column("bi"), expression=exp.cast(exp.Literal.number(1), "BIGINT"))),
    expression=exp.Literal.number(0),
)
ASKED: dict[str, list[exp.Expr]] = {
    "among": [
        call("among", column("i"), '["1", "-7", "100"]', "INTEGER"),
        call("among", column("n"), '["1.5", "-0.05"]', "DECIMAL(18,2)"),
        call("among", column("s"), json.dumps(["", "it's", "back\\slash", "é", "😀"]), "VARCHAR"),
        call("among", column("tz"), '["2024-03-31 01:00:00+00"]', "TIMESTAMP WITH TIME ZONE"),
        call("among", column("dt"), '["1582-10-15"]', "DATE"),
        call("among", column("d"), '["0.1", "nan"]', "DOUBLE"),
        call("among", column("b"), '["true"]', "BOOLEAN"),
    ],
    "concat": [call("concat", column("s"), column("t"))],
    "divide": [
        call("divide", column("i"), column("j")),
        call("divide", column("n"), column("m")),
        call("divide", column("x"), column("k")),
    ],
    "mapped": [call("mapped", column("s"), json.dumps({"": "none", "a": "é", "é": "a'b", "a b": '"q"'}))],
    "title": [call("title", column("s"))],
    "hide": [call("hide", column("s"), 2), call("hide", column("s"), 0)],
    "hmac_sha256": [call("hmac_sha256", column("s"), "6" * 64, "Z" * 64)],
    "is_finite": [call("is_finite", column("d")), call("is_finite", column("f"))],
    "is_json": [call("is_json", column("js")), call("is_json", column("num")), call("is_json", column("s"))],
    "is_nan": [call("is_nan", column("d")), call("is_nan", column("f"))],
    "length": [call("length", column("s"))],
    "list_json": [call("list_json", column("s"), call("concat", "unreadable: ", column("t")))],
    "matches": [call("matches", column("s"), pattern) for pattern in PATTERNS],
    "reasons_json": [
        call("reasons_json", BIT, "not_null:a'\"\\x", column("b"), "z", column("i") > 0, "range:é")
    ],
    "row_json": [
        call("row_json", 'a"\\\x01\x1f', column("s"), "t", column("t"), "d", text("d"), "ts", text("ts")),
    ],
    "sha256": [call("sha256", column("s")), call("sha256", text("d"))],
    "string_of": [call("string_of", column(name), type_) for name, type_ in TYPES.items()],
    "substring": [call("substring", column("s"), 2, 3), call("substring", column("s"), 1, 1)],
    "try_cast": [
        call("try_cast", column(name), to, type_)
        for name, type_ in TYPES.items()
        for to in ("BOOLEAN", "TINYINT", "INTEGER", "BIGINT", "DOUBLE", "FLOAT", "DECIMAL(9,2)",
        "DECIMAL(38,10)",
                   "DATE", "TIMESTAMP", "TIMESTAMP WITH TIME ZONE", "VARCHAR")
        if family(type_) not in ("text", "json", "nested") and to != type_
    ],
}  # fmt: skip
AGGREGATES = {
    "count_distinct_dense": call("count_distinct_dense", column("i"), -1, 100),
    "count_if": call("count_if", column("b")),
    "least_rows": call("least_rows", 6, column("s"), column("t")),
}
NOT_EVERYWHERE = {"edit_distance": {"duckdb", "spark"}, "nfc": {"duckdb", "postgres"}}
"""What an engine has no way to say; a plan that needs it there is refused."""
APART = {"hash64", "mod97", "row_id", "unnest_item", "unnest_number", *NOT_EVERYWHERE}
"""They have a test of their own below."""


def answers(engine: Engine | Duck, trees: list[exp.Expr], table: str = "edge") -> list[list[Any]]:
    query = exp.select("k", *[exp.alias_(tree.copy(), f"v{i}") for i, tree in enumerate(trees)]).from_(table)
    rows = sorted(engine.rows(lower(query, engine.dialect).sql(engine.dialect)), key=lambda row: row[0])
    return [[plain(row[i]) for row in rows] for i in range(1, len(trees) + 1)]


def said(trees: list[exp.Expr], engine: Engine) -> list[exp.Expr]:
    """Those that the engine has, over columns that it holds."""
    out = []
    for tree in trees:
        if not {c.name for c in tree.find_all(exp.Column)} <= HELD[engine.dialect]:
            continue
        try:
            lower(tree, engine.dialect)
        except PlanError:
            continue
        out.append(tree)
    return out


def test_no_primitive_is_left_out() -> None:
    assert set(PRIMITIVES) == {*ASKED, *AGGREGATES, *APART}
    everywhere = {"duckdb", "spark", "postgres"}
    lacking = {n: set(p.emitters) for n, p in PRIMITIVES.items() if not everywhere <= set(p.emitters)}
    assert lacking == NOT_EVERYWHERE


@pytest.mark.parametrize("name", sorted(NOT_EVERYWHERE))
def test_a_primitive_that_an_engine_lacks_is_refused_there(engine: Engine, duck: Duck, name: str) -> None:
    ascii_ = exp.cast(column("k"), "VARCHAR", dialect="duckdb")
    tree = call(name, column("s")) if name == "nfc" else call(name, ascii_, "12")
    if engine.dialect not in NOT_EVERYWHERE[name]:
        with pytest.raises(PlanError, match=f"{name} can't be written for {engine.dialect}"):
            lower(tree, engine.dialect)
        return
    if name == "edit_distance":
        tree = call(name, call("string_of", column("k"), TYPES["k"]), "12")
    assert answers(engine, [tree]) == answers(duck, [tree])


@pytest.mark.parametrize("name", sorted(ASKED))
def test_a_primitive_gives_what_it_gives_on_duckdb(engine: Engine, duck: Duck, name: str) -> None:
    trees = said(ASKED[name], engine)
    assert trees
    if name == "try_cast":  # what DuckDB has no cast for is not asked
        trees = [t for t in trees if _runs(duck, t)]
    mine, theirs = answers(duck, trees), answers(engine, trees)
    wrong = [
        (tree.sql("duckdb"), [p for p in zip(left, right, strict=True) if p[0] != p[1]][:2])
        for tree, left, right in zip(trees, mine, theirs, strict=True)
        if left != right
    ]
    assert wrong == []


def _runs(duck: Duck, tree: exp.Expr) -> bool:
    import duckdb

    try:
        answers(duck, [tree])
    except duckdb.Error:
        return False
    return True


@pytest.mark.parametrize("name", sorted(AGGREGATES))
def test_an_aggregate_gives_what_it_gives_on_duckdb(engine: Engine, duck: Duck, name: str) -> None:
    for condition in ("i BETWEEN -1 AND 100", "k < 0"):
        query = exp.select(AGGREGATES[name].copy()).from_("edge").where(condition)
        mine, theirs = (
            [[plain(v) for v in row] for row in e.rows(lower(query, e.dialect).sql(e.dialect))]
            for e in (duck, engine)
        )
        assert theirs == mine


def test_hash64_tells_keys_apart(engine: Engine) -> None:
    hashed = call("hash64", column("d"), column("s"), column("n"))
    inner = exp.select(exp.alias_(hashed, "h")).from_("edge").distinct()
    query = exp.select("count(*)").from_(inner.subquery("q"))
    (found,) = engine.rows(lower(query, engine.dialect).sql(engine.dialect))
    (keys,) = engine.rows("SELECT count(*) FROM (SELECT DISTINCT d, s, n FROM edge) AS q")
    assert found == keys


def test_row_id_is_another_in_every_row(engine: Engine) -> None:
    query = exp.select(exp.alias_(call("row_id"), "r")).from_("edge")
    rows = engine.rows(lower(query, engine.dialect).sql(engine.dialect))
    assert len({row[0] for row in rows}) == len(rows) == edge.ROWS


@pytest.fixture(scope="module")
def texts(duck: Duck, spark_engine: Any, postgres_engine: Any) -> Iterator[list[str | None]]:
    """A table of texts on every engine: ``texts(k, x)``."""
    rows = list(enumerate([*TEXTS, None]))
    duck.con.execute("CREATE TABLE texts (k INTEGER, x VARCHAR)")
    duck.con.executemany("INSERT INTO texts VALUES (?, ?)", rows)
    frame = spark_engine.session.createDataFrame(rows, "k INT, x STRING")
    frame.coalesce(1).createOrReplaceTempView("texts")
    postgres_engine.connection.execute("CREATE TEMP TABLE texts (k INT, x TEXT)")
    with postgres_engine.connection.cursor() as cursor:
        cursor.executemany("INSERT INTO texts VALUES (%s, %s)", rows)
    yield [x for _, x in rows]
    duck.con.execute("DROP TABLE texts")


READ = ["TINYINT", "INTEGER", "BIGINT", "HUGEINT", "DOUBLE", "FLOAT", "DECIMAL(9,2)", "DECIMAL(38,10)",
        "BOOLEAN", "DATE", "TIMESTAMP", "TIMESTAMP WITH TIME ZONE", "UUID"]  # fmt: skip


@pytest.mark.parametrize("to", READ)
def test_a_text_is_read_as_duckdb_reads_it(
    engine: Engine, duck: Duck, texts: list[str | None], to: str
) -> None:
    tree = call("try_cast", column("x"), to)
    (mine,), (theirs,) = answers(duck, [tree], "texts"), answers(engine, [tree], "texts")
    assert [t for t in zip(texts, theirs, mine, strict=True) if t[1] != t[2]] == []
    assert any(value is not None for value in mine)


@pytest.mark.parametrize(("odd", "to"), ODD_TEXTS)
def test_what_only_duckdb_reads_stops_the_run(engine: Engine, odd: str, to: str) -> None:
    tree = call("try_cast", exp.Literal.string(odd), to)
    with pytest.raises(Exception, match="only DuckDB reads this text"):
        engine.rows(lower(exp.select(tree), engine.dialect).sql(engine.dialect))


@pytest.mark.parametrize(
    "shape", [*_REGEX.items(), *((n, p) for n, (p, _) in _SHAPES.items()), ("json", None)]
)
def test_formats_judge_alike(
    engine: Engine, duck: Duck, texts: list[str | None], shape: tuple[str, str | None]
) -> None:
    name, pattern = shape
    tree = call("is_json", column("x")) if pattern is None else call("matches", column("x"), pattern)
    (mine,), (theirs,) = answers(duck, [tree], "texts"), answers(engine, [tree], "texts")
    assert [t for t in zip(texts, theirs, mine, strict=True) if t[1] != t[2]] == []
    assert {True, False} <= set(mine), name


def test_an_iban_s_remainder(engine: Engine) -> None:
    query = exp.select(*[call("mod97", t) for t in ("97", "WEST12345698765432GB82", "9" * 34, "Z" * 34)])
    (row,) = engine.rows(lower(query, engine.dialect).sql(engine.dialect))
    assert [int(v) for v in row] == [0, 1, int("9" * 34) % 97, int("35" * 34) % 97]


def test_the_edge_table_is_the_same_everywhere(engine: Engine, duck: Duck) -> None:
    names = ", ".join(f'"{n}"' for n in TYPES if n in HELD["spark"] & HELD["postgres"])
    assert sorted(rows_of(engine, f"SELECT {names} FROM edge"), key=repr) == sorted(
        rows_of(duck, f"SELECT {names} FROM edge"), key=repr
    )
