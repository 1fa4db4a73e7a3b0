"""Every known difference does what its line says: refused with its name, told by the engine, or different.

A line that has become untrue fails here, so the list can't outlive what it tells.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.conformance.dialects.answers import HERE, rows_of, written

from sluiceway.errors import PlanError
from sluiceway.sql.differences import DIFFERENCES, Difference
from sluiceway.sql.safe import parse_select

if TYPE_CHECKING:
    from tests.conformance.dialects.engines import Duck, Engine


def _query(difference: Difference) -> str:
    sql = difference.sql
    return sql if sql.startswith("SELECT") else f"SELECT k, {sql} AS v FROM edge"


def _of(*kinds: str) -> list[Any]:
    return [
        pytest.param(d, id=f"{d.engine}-{d.sql}", marks=getattr(pytest.mark, d.engine))
        for d in DIFFERENCES
        if d.kind in kinds
    ]


@pytest.mark.parametrize("difference", _of("refused"))
def test_what_is_refused_names_the_expression_and_what_to_write(difference: Difference) -> None:
    with pytest.raises(PlanError) as caught:
        written(parse_select(_query(difference), HERE), difference.engine)
    assert difference.error in caught.value.message
    assert {"spark": "Spark", "postgres": "PostgreSQL"}[difference.engine] in caught.value.message or (
        "DISTINCT ON" in difference.sql
    )
    assert caught.value.where is HERE
    assert caught.value.hint
    assert difference.instead


@pytest.mark.slow
@pytest.mark.parametrize("difference", _of("raises"))
def test_what_an_engine_can_t_compute_is_told(
    difference: Difference, duck: Duck, request: pytest.FixtureRequest
) -> None:
    engine: Engine = request.getfixturevalue(f"{difference.engine}_engine")
    assert rows_of(duck, _query(difference))
    with pytest.raises(Exception, match=difference.error):
        rows_of(engine, _query(difference))


@pytest.mark.slow
@pytest.mark.parametrize("difference", _of("differs"))
def test_what_differs_still_does(difference: Difference, duck: Duck, request: pytest.FixtureRequest) -> None:
    engine: Engine = request.getfixturevalue(f"{difference.engine}_engine")
    assert rows_of(engine, _query(difference)) != rows_of(duck, _query(difference))


def test_a_refusal_knows_the_line_of_the_sql() -> None:
    text = "SELECT k,\n  reverse(s) AS r\nFROM edge"
    with pytest.raises(PlanError) as caught:
        written(parse_select(text, HERE), "spark")
    assert str(caught.value) == (
        "pipelines/p.yml:7: transform[0].sql: the function reverse() is not allowed on Spark, "
        "in line 2 of the SQL\n  do it in a step on DuckDB"
    )


def test_a_refusal_by_type_knows_it_too() -> None:
    with pytest.raises(PlanError) as caught:
        written(parse_select("SELECT k\n,\nts - tu AS d FROM edge", HERE), "postgres")
    assert caught.value.message.startswith("ts - tu in line 3 of the SQL: ")
    assert "date_diff('second', a, b)" in str(caught.value.hint)
