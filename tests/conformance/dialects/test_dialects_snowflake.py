"""Primitives and users' SQL on Snowflake's emulator.

fakesnow writes Snowflake's SQL anew as DuckDB's, by the same sqlglot that wrote it here. So this shows that
a statement is Snowflake's as sqlglot knows it and is put together rightly; what Snowflake's own functions
do with odd values it can't show.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from sqlglot import exp
from tests.conformance.dialects import edge
from tests.conformance.dialects.answers import HERE, Answers, rows_of, same_rows, written
from tests.conformance.dialects.cases import EXPRESSIONS, SAMPLE
from tests.conformance.dialects.queries import QUERIES
from tests.conformance.dialects.test_dialects_primitives import AGGREGATES, ASKED, answers, column
from tests.conformance.dialects.test_dialects_primitives import text as text_of

from sluiceway.errors import PlanError
from sluiceway.sql.primitives import PRIMITIVES, call, lower
from sluiceway.sql.safe import parse_expression, parse_select

if TYPE_CHECKING:
    from tests.conformance.dialects.engines import Duck, Snowflake

pytestmark = [pytest.mark.slow, pytest.mark.snowflake]

HELD = {n for n, (t, _) in edge.COLUMNS.items() if not t.endswith("[]") and t not in ("UUID", "FLOAT")}
NAMES = sorted(n for n, p in PRIMITIVES.items() if "snowflake" in p.emitters and n in ASKED)
GAPS = {
    "floor(big)": "the emulator's NUMBER(38,0) has 64 bits",
    "ceil(big)": "the emulator's NUMBER(38,0) has 64 bits",
    "(SELECT k FROM edge WHERE k < 3) UNION ALL (SELECT k FROM edge WHERE k > 117) ORDER BY k":
        "the emulator can't describe such a UNION",
    "SELECT sum(n) / count(*), sum(i) * 1.5 FROM edge":
        "the emulator's DuckDB makes another float of a decimal of 18 digits",
}  # fmt: skip
"""What the emulator does otherwise than Snowflake's manual says; a line that is no longer true fails."""
EVERY = tuple(dict.fromkeys([*SAMPLE, *(text for texts in EXPRESSIONS.values() for text in texts)]))


def _said(name: str) -> list[exp.Expr]:
    out = []
    for tree in ASKED[name]:
        if not {c.name for c in tree.find_all(exp.Column)} <= HELD:
            continue
        try:
            lower(tree, "snowflake")
        except PlanError:
            continue
        out.append(tree)
    return out


@pytest.mark.parametrize("name", NAMES)
def test_a_primitive_gives_what_it_gives_on_duckdb(
    snowflake_engine: Snowflake, duck: Duck, name: str
) -> None:
    trees = _said(name)
    if name == "row_json":
        trees = [
            call(
                "row_json",
                'a"\\\x01\x1f',
                column("s"),
                "n",
                text_of("n"),
                "ts",
                text_of("ts"),
                "b",
                text_of("b"),
            )
        ]
    assert trees
    mine, theirs = answers(duck, trees), answers(snowflake_engine, trees)
    wrong = [
        (tree.sql("duckdb"), [p for p in zip(left, right, strict=True) if p[0] != p[1]][:2])
        for tree, left, right in zip(trees, mine, theirs, strict=True)
        if _unsigned(left) != _unsigned(right)
    ]
    assert wrong == []


def test_counts_are_the_same(snowflake_engine: Snowflake, duck: Duck) -> None:
    query = exp.select(AGGREGATES["count_if"].copy(), AGGREGATES["count_distinct_dense"].copy()).from_("edge")
    query = query.where("i BETWEEN -1 AND 100")
    mine, theirs = (e.rows(lower(query, e.dialect).sql(e.dialect)) for e in (duck, snowflake_engine))
    assert [tuple(map(int, row)) for row in theirs] == [tuple(map(int, row)) for row in mine]


def _written(text: str, *, query: bool) -> bool:
    """It is let through, and reads what the table here holds."""
    tree: Any = parse_select(text, HERE) if query else parse_expression(text, HERE)
    named = {part.name for c in tree.find_all(exp.Column) for part in c.parts}
    if named & {*edge.COLUMNS, *edge.STRUCTS} - HELD or "EXCLUDE" in text or "REPLACE (" in text:
        return False
    try:
        written(tree if query else exp.select(exp.alias_(tree, "v")).from_("edge"), "snowflake")
    except PlanError:
        return False
    return True


@pytest.fixture(scope="module")
def answered(duck: Duck) -> Answers:
    return Answers(duck)


def _unsigned(values: list[Any]) -> list[Any]:
    """The table came as Parquet, whose dictionaries know one zero."""
    return [("float", "0.0") if v == ("float", "-0.0") else v for v in values]


def _cases(texts: Any, *, query: bool) -> list[Any]:
    return [
        pytest.param(t, marks=pytest.mark.xfail(reason=GAPS[t], strict=True)) if t in GAPS else t
        for t in texts
        if _written(t, query=query)
    ]


@pytest.mark.parametrize("text", _cases(EVERY, query=False))
def test_an_expression_means_the_same(snowflake_engine: Snowflake, answered: Answers, text: str) -> None:
    mine, theirs = answered.of(snowflake_engine, text, (text,))
    assert _unsigned(theirs) == _unsigned(mine)


@pytest.mark.parametrize("text", _cases(QUERIES, query=True))
def test_a_query_gives_the_same_rows(snowflake_engine: Snowflake, duck: Duck, text: str) -> None:
    mine, theirs = (
        [tuple(_unsigned(list(row))) for row in rows_of(e, text)] for e in (duck, snowflake_engine)
    )
    ordered = bool(parse_select(text, HERE).args.get("order"))
    assert same_rows(theirs, mine, ordered=ordered)


def test_what_is_not_sure_is_refused() -> None:
    with pytest.raises(PlanError, match="a cast of VARCHAR to INTEGER can't be made the same on Snowflake"):
        lower(call("try_cast", column("s"), "INTEGER"), "snowflake")
    assert sum(_written(text, query=False) for text in EVERY) > 100
