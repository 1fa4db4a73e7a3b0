"""``engine: {type: spark}``: the same pipelines on a real Spark, into the lake and into databases."""

from __future__ import annotations

from typing import Any

import pytest
from tests.integration.databases import MODES, TO_POSTGRES, into
from tests.integration.test_run_databases import loads

pytestmark = [pytest.mark.spark, pytest.mark.usefixtures("spark")]

TO_LAKE = """\
project: test
environments:
  dev:
    engine: {type: spark, master: "local[2]"}
    warehouse: {type: ducklake, path: lake}
"""


@pytest.mark.parametrize("mode", MODES)
def test_parquet_into_the_lake_in_each_mode(make_project: Any, mode: str) -> None:
    loads(make_project({"pipelines/a.yml": into(mode)}, settings=TO_LAKE), mode)


@pytest.mark.postgres
def test_parquet_into_postgres(pg: str, make_project: Any) -> None:
    settings = TO_POSTGRES.replace(
        "    warehouse:", '    engine: {type: spark, master: "local[2]"}\n    warehouse:'
    )
    loads(make_project({"pipelines/a.yml": into("merge")}, settings=settings), "merge")
