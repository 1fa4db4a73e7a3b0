"""``engine: warehouse``: the same pipelines worked out inside PostgreSQL."""

from __future__ import annotations

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


def left_over(server: Server, database: str) -> list[tuple[Any, ...]]:
    return server.execute(
        "SELECT relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
        "WHERE nspname = '_sluiceway_work' AND relkind = 'r'",
        database=database,
    )
