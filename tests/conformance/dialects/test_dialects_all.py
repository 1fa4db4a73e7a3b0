"""Everything that is let through to Spark and PostgreSQL, executed and compared cell by cell."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.conformance.dialects.answers import HERE, Answers, rows_of, same_rows
from tests.conformance.dialects.cases import EXPRESSIONS
from tests.conformance.dialects.queries import QUERIES
from tests.conformance.dialects.varied import varied

from sluiceway.schema import Schema
from sluiceway.sql.names import bind_tables
from sluiceway.sql.safe import parse_select
from sluiceway.sql.translate import translate

if TYPE_CHECKING:
    from tests.conformance.dialects.engines import Duck, Engine

pytestmark = [pytest.mark.slow, pytest.mark.spark, pytest.mark.postgres]
CASES = [(group, text) for group, texts in EXPRESSIONS.items() for text in texts]
STRUCTS = ("st.a",)
"""PostgreSQL holds no struct."""


@pytest.fixture(scope="module")
def answers(duck: Duck) -> Answers:
    return Answers(duck)


@pytest.mark.parametrize(("group", "text"), CASES)
def test_an_expression_means_the_same(engine: Engine, answers: Answers, group: str, text: str) -> None:
    mine, theirs = answers.of(engine, text, EXPRESSIONS[group])
    assert theirs == mine


@pytest.mark.parametrize("text", [*QUERIES, *varied(130)])
def test_a_query_gives_the_same_rows(engine: Engine, duck: Duck, text: str) -> None:
    if engine.dialect == "postgres" and any(word in text for word in STRUCTS):
        pytest.skip("PostgreSQL holds no struct")
    mine, theirs = rows_of(duck, text), rows_of(engine, text)
    ordered = bool(parse_select(text, HERE).args.get("order"))
    assert same_rows(theirs, mine, ordered=ordered), [
        pair for pair in zip(theirs, mine, strict=False) if pair[0] != pair[1]
    ][:3]


SPELLED = (
    "SELECT AMOUNT, ID FROM Mixed",
    "SELECT amount AS Total, m.id FROM mixed AS M ORDER BY TOTAL, M.ID",
    "SELECT id AS AMOUNT FROM mixed ORDER BY amount",
    "WITH Q AS (SELECT id, AMOUNT * 2 AS Twice FROM mixed) SELECT q.TWICE FROM q WHERE ID > 1",
    "SELECT a.ID, b.other FROM mixed a JOIN odd b USING (Id)",
    "SELECT a.id FROM mixed a JOIN odd b ON a.id = b.ID WHERE OTHER > 5",
    "SELECT * FROM mixed",
)


@pytest.mark.parametrize("text", SPELLED)
def test_names_are_found_whatever_their_case(engine: Engine, duck: Duck, text: str) -> None:
    schemas = {
        "mixed": Schema.of({"id": "INTEGER", "Amount": "INTEGER"}),
        "odd": Schema.of({"ID": "INTEGER", "Other": "INTEGER"}),
    }
    quote = "`" if engine.dialect == "spark" else '"'
    for run, q in ((_run(duck), '"'), (_run(engine), quote)):
        run(
            "CREATE OR REPLACE TEMP VIEW mixed AS "
            f"SELECT 1 AS {q}id{q}, 10 AS {q}Amount{q} UNION ALL SELECT 2, 20"
        )
        run(f"CREATE OR REPLACE TEMP VIEW odd AS SELECT 2 AS {q}ID{q}, 7 AS {q}Other{q}")
    tree = bind_tables(parse_select(text, HERE), schemas, HERE)
    mine = duck.con.sql(tree.sql("duckdb"))
    sql = translate(tree, engine.dialect, schemas=schemas, where=HERE).sql(engine.dialect)
    assert same_rows([tuple(map(int, row)) for row in engine.rows(sql)], mine.fetchall())
    assert _names(engine, sql) == mine.columns


def _run(engine: Any) -> Any:
    return {
        "duckdb": lambda e: e.con.execute,
        "spark": lambda e: e.session.sql,
        "postgres": lambda e: e.connection.execute,
    }[engine.dialect](engine)


def _names(engine: Any, sql: str) -> list[str]:
    if engine.dialect == "spark":
        return list(engine.session.sql(sql).columns)
    return [column.name for column in engine.connection.execute(sql.encode()).description]
