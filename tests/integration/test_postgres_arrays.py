"""Lists go into PostgreSQL's arrays: texts as well, whose elements DuckDB writes as varchar."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.integration.databases import TO_POSTGRES

from sluiceway.duck import open_duckdb

if TYPE_CHECKING:
    from scripts.servers import Server

pytestmark = pytest.mark.postgres

INSIDE = TO_POSTGRES.replace("    warehouse:", "    engine: warehouse\n    warehouse:")
PIPELINE = """\
pipeline: a
sources: {a: {type: parquet, path: a.parquet}}
destination: {table: mart.a, mode: MODE}
"""
VALUES = "['it''s', NULL, '', 'é😀', 'a,b', '{}']"


def _project(make_project: Any, settings: str, columns: str, mode: str = "append") -> Any:
    project = make_project({"pipelines/a.yml": PIPELINE.replace("MODE", mode)}, settings=settings)
    with open_duckdb() as con:
        con.execute(
            f"COPY (SELECT * FROM (VALUES {columns}) AS t) TO '{project.folder}/a.parquet' (FORMAT parquet)"
        )
    return project


@pytest.mark.parametrize("settings", [TO_POSTGRES, INSIDE])
@pytest.mark.parametrize("mode", ["append", "merge, primary_key: col0"])
def test_a_new_table_takes_lists_of_texts(
    postgres: Server, pg: str, make_project: Any, settings: str, mode: str
) -> None:
    project = _project(make_project, settings, f"(1, {VALUES}), (2, []::VARCHAR[]), (3, NULL)", mode)
    result = project.run("a")
    assert result.error is None
    found = postgres.execute("SELECT col0, col1 FROM mart.a ORDER BY 1", database=pg)
    assert found == [(1, ["it's", None, "", "é😀", "a,b", "{}"]), (2, []), (3, None)]
    types = postgres.execute("SELECT DISTINCT pg_typeof(col1)::text FROM mart.a", database=pg)
    assert types == [("text[]",)]


@pytest.mark.parametrize("settings", [TO_POSTGRES, INSIDE])
def test_a_table_that_is_there_takes_them_in_its_own_types(
    postgres: Server, pg: str, make_project: Any, settings: str
) -> None:
    postgres.execute(
        "CREATE SCHEMA mart",
        "CREATE TYPE mood AS ENUM ('sad', 'ok')",
        "CREATE TABLE mart.a (col0 varchar(9)[], col1 mood[], col2 jsonb[], col3 character(3)[], col4 text)",
        database=pg,
    )
    rows = "(['a', NULL], ['ok', NULL], ['{\"a\": 1}'], ['x'], 'beside')"
    project = _project(make_project, settings, rows)
    result = project.run("a")
    assert result.error is None
    found = postgres.execute("SELECT col0, col1::text[], col2::text[], col3, col4 FROM mart.a", database=pg)
    assert found == [(["a", None], ["ok", None], ['{"a": 1}'], ["x  "], "beside")]
