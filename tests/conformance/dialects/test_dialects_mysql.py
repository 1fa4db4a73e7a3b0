"""Primitives on MariaDB, which stands for MySQL; those of warehouses that no test can reach, read back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import sqlglot
from sqlglot import exp
from tests.conformance.dialects import edge
from tests.conformance.dialects.test_dialects_primitives import AGGREGATES, ASKED, answers, column, text

from sluiceway.errors import PlanError
from sluiceway.sql.docs import EMULATED, EXECUTED
from sluiceway.sql.primitives import PRIMITIVES, call, lower

if TYPE_CHECKING:
    from tests.conformance.dialects.engines import Duck, MariaDB

TYPES = {name: type_ for name, (type_, _) in edge.COLUMNS.items()}
HELD = {name for name, type_ in TYPES.items() if not type_.endswith("[]") and name != "tm"}
FLOATS = {"d", "e", "x", "f"}
"""It has neither NaN nor infinity, and stores a float's text: their NULLs are not DuckDB's."""
NAMES = sorted(
    n
    for n, p in PRIMITIVES.items()
    if "mysql" in p.emitters and n in ASKED and n not in ("is_nan", "is_finite")
)


def _said(name: str) -> list[exp.Expr]:
    out = []
    for tree in ASKED[name]:
        columns = {c.name for c in tree.find_all(exp.Column)}
        if not columns <= HELD - FLOATS:
            continue
        try:
            lower(tree, "mysql")
        except PlanError:
            continue
        out.append(tree)
    return out


@pytest.mark.slow
@pytest.mark.mysql
@pytest.mark.parametrize("name", NAMES)
def test_a_primitive_gives_what_it_gives_on_duckdb(mariadb_engine: MariaDB, duck: Duck, name: str) -> None:
    trees = _said(name)
    if name == "row_json":
        trees = [
            call("row_json", 'a"\\\x01\x1f', column("s"), "n", text("n"), "ts", text("ts"), "b", text("b"))
        ]
    assert trees
    mine, theirs = answers(duck, trees), answers(mariadb_engine, trees)
    wrong = [
        (
            tree.sql("duckdb"),
            [p for p in zip(left, right, strict=True) if p[0] != p[1] and not _truth(*p)][:2],
        )
        for tree, left, right in zip(trees, mine, theirs, strict=True)
        if any(a != b and not _truth(a, b) for a, b in zip(left, right, strict=True))
    ]
    assert wrong == []


def _truth(mine: object, theirs: object) -> bool:
    """MySQL's booleans are numbers, and its zero has no sign."""
    if mine == ("float", "-0.0"):
        return theirs == ("float", "0.0")
    return isinstance(mine, bool) and theirs == ("number", str(int(mine)))


@pytest.mark.slow
@pytest.mark.mysql
def test_counts_are_the_same(mariadb_engine: MariaDB, duck: Duck) -> None:
    query = exp.select(AGGREGATES["count_if"].copy(), AGGREGATES["count_distinct_dense"].copy()).from_("edge")
    query = query.where("i BETWEEN -1 AND 100")
    mine, theirs = (e.rows(lower(query, e.dialect).sql(e.dialect)) for e in (duck, mariadb_engine))
    assert [tuple(map(int, row)) for row in theirs] == [tuple(map(int, row)) for row in mine]


@pytest.mark.parametrize("dialect", ["snowflake", "bigquery", "mysql"])
def test_what_is_not_sure_is_refused(dialect: str) -> None:
    sure = {"try_cast"} if dialect == "snowflake" else set()
    for name in {"try_cast", "is_json", "least_rows", "mod97"} - sure:
        with pytest.raises(PlanError, match=f"{name} can't be written for {dialect}"):
            lower(call(name, exp.column("a"), exp.Literal.string("b")), dialect)
    for more in [("exact",)] if dialect == "bigquery" else [(), ("exact",)]:
        with pytest.raises(PlanError, match="the text of a value of type DOUBLE"):
            lower(call("string_of", column("d"), "DOUBLE", *more), dialect)


@pytest.mark.parametrize("dialect", ["snowflake", "bigquery", "mysql"])
def test_what_is_written_reads_back(dialect: str) -> None:
    """Not proof that it means the same, which only the warehouse could give: that it is its SQL at all."""
    written = 0
    for name, primitive in PRIMITIVES.items():
        for tree in ASKED.get(name, []) if dialect in primitive.emitters else []:
            try:
                sql = lower(exp.select(tree.copy()).from_("edge"), dialect).sql(dialect)
            except PlanError:
                continue
            if "_json" not in name:  # thirty replaces in one another are too deep for the parser
                assert sqlglot.parse_one(sql, read=dialect).sql(dialect)
            assert "SW_" not in sql
            written += 1
    assert written > 20


def test_what_no_test_executes_is_said_on_the_page() -> None:
    assert set(EXECUTED) == {"duckdb", "spark", "postgres", "mysql"}
    assert EMULATED == ("snowflake", "bigquery")
