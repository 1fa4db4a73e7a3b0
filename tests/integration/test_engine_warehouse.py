"""``engine: warehouse``: the same pipelines worked out inside PostgreSQL."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from tests.integration.databases import MODES, TO_POSTGRES, into
from tests.integration.test_run_databases import loads

if TYPE_CHECKING:
    from scripts.servers import Server

pytestmark = pytest.mark.postgres

INSIDE = TO_POSTGRES.replace("    warehouse:", "    engine: warehouse\n    warehouse:")


@pytest.mark.parametrize("mode", MODES)
def test_parquet_by_the_bulk_path_into_each_mode(pg: str, make_project: Any, mode: str) -> None:
    loads(make_project({"pipelines/a.yml": into(mode)}, settings=INSIDE), mode)


def test_lines_that_can_t_be_read_lie_in_its_quarantine(pg: str, make_project: Any) -> None:
    source = "{type: csv, path: data/a.csv, columns: {id: BIGINT, v: BIGINT}, on_bad_row: quarantine}"
    files = {
        "pipelines/a.yml": f"pipeline: a\nsources: {{a: {source}}}\ndestination: {{table: mart.a}}\n",
        "data/a.csv": "id,v\n1,2\n3,four\n",
    }
    project = make_project(files, settings=INSIDE)
    result = project.run("a")
    assert result.error is None
    assert (result.records.read, result.records.rejected, result.records.published) == (2, 1, 1)
    ((row, phase),) = project.query('SELECT "row", phase FROM {q}')
    assert (json.loads(row)["text"], phase) == ("3,four", "source")


def left_over(server: Server, database: str) -> list[tuple[Any, ...]]:
    return server.execute(
        "SELECT relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
        "WHERE nspname = '_sluiceway_work' AND relkind = 'r'",
        database=database,
    )
