"""A sample of what is the same on Spark and PostgreSQL; every trap that cost somebody a day is in it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.conformance.dialects.answers import Answers, rows_of, same_rows
from tests.conformance.dialects.cases import SAMPLE
from tests.conformance.dialects.queries import SAMPLE_QUERIES

if TYPE_CHECKING:
    from tests.conformance.dialects.engines import Duck, Engine

pytestmark = [pytest.mark.spark, pytest.mark.postgres]


@pytest.fixture(scope="module")
def answers(duck: Duck) -> Answers:
    return Answers(duck)


@pytest.mark.parametrize("text", SAMPLE)
def test_an_expression_means_the_same(engine: Engine, answers: Answers, text: str) -> None:
    mine, theirs = answers.of(engine, text, SAMPLE)
    assert theirs == mine


@pytest.mark.parametrize("text", SAMPLE_QUERIES)
def test_a_query_gives_the_same_rows(engine: Engine, duck: Duck, text: str) -> None:
    mine, theirs = rows_of(duck, text), rows_of(engine, text)
    assert mine
    assert same_rows(theirs, mine), [pair for pair in zip(theirs, mine, strict=False) if pair[0] != pair[1]][
        :3
    ]
