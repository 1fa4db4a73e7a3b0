"""Everything that is let through to Spark and PostgreSQL, executed and compared cell by cell."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.conformance.dialects.answers import HERE, Answers, rows_of, same_rows
from tests.conformance.dialects.cases import EXPRESSIONS
from tests.conformance.dialects.queries import QUERIES

from sluiceway.sql.safe import parse_select

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


@pytest.mark.parametrize("text", QUERIES)
def test_a_query_gives_the_same_rows(engine: Engine, duck: Duck, text: str) -> None:
    if engine.dialect == "postgres" and any(word in text for word in STRUCTS):
        pytest.skip("PostgreSQL holds no struct")
    mine, theirs = rows_of(duck, text), rows_of(engine, text)
    ordered = bool(parse_select(text, HERE).args.get("order"))
    assert same_rows(theirs, mine, ordered=ordered), [
        pair for pair in zip(theirs, mine, strict=False) if pair[0] != pair[1]
    ][:3]
