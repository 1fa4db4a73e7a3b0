"""``explain --engine-plan``: each engine's own plan of one pipeline, its scans counted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.integration.test_engine_spark import TO_LAKE
from tests.integration.test_engine_warehouse import INSIDE

from sluiceway.duck import open_duckdb
from sluiceway.run.explain import explain

if TYPE_CHECKING:
    from scripts.servers import Server

ORDERS = "{type: parquet, path: orders.parquet}"
CUSTOMERS = "{type: parquet, path: customers.parquet}"
FILE = """\
pipeline: a
sources:
  orders: ORDERS
  customers: CUSTOMERS
transform:
  - join: {with: customers, on: customer}
  - sql: SELECT * FROM _ WHERE line >= (SELECT count(DISTINCT line) - 3 FROM orders)
rules:
  - not_null: line
destination: {table: mart.a}
"""


def scans(make_project: Any, settings: str, orders: str, customers: str) -> tuple[str, int | None]:
    """Orders is read twice, customers once."""
    text = FILE.replace("ORDERS", orders).replace("CUSTOMERS", customers)
    project = make_project({"pipelines/a.yml": text}, settings=settings)
    with open_duckdb() as con:
        for name, also in (("orders", ", range % 3 AS line"), ("customers", ", 'x' AS segment")):
            file = project.folder / f"{name}.parquet"
            con.execute(f"COPY (SELECT range AS customer{also} FROM range(50)) TO '{file}'")
    document = explain(project.resolve("a"), engine_plan=True)
    assert not project.exists("mart.a")
    return document["engine_plan"], document["engine_scans"]


def test_duckdb(make_project: Any) -> None:
    text, count = scans(make_project, "project: t\n", ORDERS, CUSTOMERS)
    assert count == 3
    assert "READ_PARQUET" in text


@pytest.mark.spark
@pytest.mark.usefixtures("spark")
def test_spark(make_project: Any) -> None:
    text, count = scans(make_project, TO_LAKE, ORDERS, CUSTOMERS)
    assert count == 3
    assert "Scan parquet" in text


@pytest.mark.postgres
def test_inside_postgres(postgres: Server, pg: str, make_project: Any) -> None:
    postgres.execute("CREATE TABLE public.explained (customer bigint, line bigint)", database=pg)
    text, count = scans(
        make_project,
        INSIDE,
        "{type: postgres, connection: db, table: public.explained}",
        "{type: postgres, connection: db, query: SELECT customer FROM public.explained}",
    )
    assert count == 3
    assert "Seq Scan" in text
