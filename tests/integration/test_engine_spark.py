"""``engine: {type: spark}``: the same pipelines on a real Spark, into the lake and into databases."""

from __future__ import annotations

from typing import Any

import pytest
from tests.integration.databases import MODES, TO_POSTGRES, into
from tests.integration.test_run_databases import loads

from sluiceway.cli.app import invoke
from sluiceway.duck import open_duckdb

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


ORPHANS = """\
pipeline: a
sources:
  orders: {type: parquet, path: orders.parquet}
  customers: {type: parquet, path: customers.parquet}
rules:
  - relationships: {column: customer, to: customers.id}
    on_fail: quarantine
  - relationships: {column: [customer, line], to: [customers.id, customers.line]}
    on_fail: warn
destination: {table: mart.orders}
"""


def test_orphans_are_found_by_hash_joins(make_project: Any, capfd: pytest.CaptureFixture[str]) -> None:
    """Spark's own NOT IN compares each row with each parent: minutes for a million rows, hours for ten."""
    project = make_project({"pipelines/a.yml": ORPHANS}, settings=TO_LAKE)
    with open_duckdb() as con:
        for name, sql in (
            (
                "orders",
                "SELECT CASE WHEN range % 7 <> 0 THEN range END AS customer, 1 AS line FROM range(100)",
            ),
            ("customers", "SELECT NULLIF(range, 5) AS id, 1 + range % 2 AS line FROM range(90)"),
        ):
            con.execute(f"COPY ({sql}) TO '{project.folder / name}.parquet'")
    assert invoke(["explain", "a", "--engine-plan", "--project", str(project.folder)]) == 0
    plan = capfd.readouterr().out
    assert "ExistenceJoin" in plan
    assert "NestedLoop" not in plan
    result = project.run("a")
    assert [check.failing for check in result.checks] == [9, 47]
