"""Every fix gives on every engine that has it what DuckDB gives; the others refuse it when planning."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from sqlglot import exp
from tests.conformance.dialects.engines import plain
from tests.unit.rules.fixing import CASES, Case, planned

from sluiceway.errors import PlanError
from sluiceway.plan.fixing import fixed_value
from sluiceway.rules.base import BATCH, column
from sluiceway.schema import Schema
from sluiceway.sql.translate import translate
from sluiceway.sql.types import to_engine

if TYPE_CHECKING:
    from tests.conformance.dialects.engines import Engine

pytestmark = [pytest.mark.slow, pytest.mark.spark, pytest.mark.postgres]


def asked(case: Case, dialect: str) -> str:
    (check,) = planned(case.rule, case.type)
    made = exp.alias_(exp.cast(fixed_value(check, column("s")), "VARCHAR", dialect="duckdb"), "made")
    query = exp.select(column("k"), made).from_(exp.table_(BATCH, quoted=True))
    schemas = {BATCH: Schema.of({"k": "INTEGER", "s": case.type})}
    return str(translate(query, dialect, schemas=schemas, where=check.where).sql(dialect))


def given(case: Case, dialect: str) -> str:
    """The values of a case as a relation: literals, so that no engine needs a table of its own."""
    type_ = to_engine(case.type, dialect)
    rows = []
    for k, value in enumerate(case.values):
        text = exp.null() if value is None else exp.Literal.string(value)
        rows.append(f"SELECT {k} AS k, CAST({text.sql(dialect)} AS {type_}) AS s")
    return " UNION ALL ".join(rows)


@pytest.mark.parametrize("case", [c for c in CASES if c.type == "VARCHAR" or c.only], ids=str)
def test_a_fix_gives_what_it_gives_on_duckdb(engine: Engine, case: Case) -> None:
    if engine.dialect not in case.only:
        with pytest.raises(PlanError) as raised:
            asked(case, engine.dialect)
        assert raised.value.message
        return
    quoted = "`_batch`" if engine.dialect == "spark" else '"_batch"'
    sql = f"WITH {quoted} AS ({given(case, engine.dialect)}) {asked(case, engine.dialect)}"
    found = {row[0]: plain(row[1]) for row in engine.rows(sql)}
    wrong: list[tuple[Any, Any, Any]] = [
        (before, found[k], after)
        for k, (before, after) in enumerate(case.values.items())
        if found[k] != after
    ]
    assert wrong == []
