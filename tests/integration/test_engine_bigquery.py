"""BigQuery on its emulator in whole runs: by the embedded engine, and worked out inside it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from tests.integration.databases import MODES, into
from tests.integration.test_run_databases import loads

from sluiceway.connectors.bqclient import BigQueryKeys, BqServer
from sluiceway.errors import PlanError

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = [pytest.mark.bigquery, pytest.mark.slow]

TABLES = """\
CREATE SCHEMA shop;
CREATE TABLE shop.orders
  (id INT64, customer INT64, status STRING, amount NUMERIC(12,2), at DATETIME, f FLOAT64);
INSERT INTO shop.orders VALUES
  (1, 10, 'paid', 10.50, '2026-01-01 10:00:00', 1.5), (1, 10, 'paid', 11.50, '2026-01-01 11:00:00', 1.5),
  (2, 20, 'paid', 20.00, '2026-01-01 12:00:00', CAST('NaN' AS FLOAT64)), (3, 99, 'paid', 30.00, NULL, 2),
  (4, 10, 'it''s "lost"', 40.00, '2026-01-01 14:00:00', 3), (5, 20, NULL, NULL, '2026-01-01 15:00:00', NULL);
CREATE TABLE shop.customers (id INT64, segment STRING);
INSERT INTO shop.customers VALUES (10, 'gold'), (20, 'silver')
""".replace("it''s", "it\\'s")
PIPELINE = """\
pipeline: orders
sources:
  orders: {type: bigquery, connection: db, table: shop.orders, filters: id < 5, rules: [{not_null: id}]}
  customers: {type: bigquery, connection: db, table: shop.customers}
transform:
  - deduplicate: {key: id, keep: latest, by: at}
  - join: {with: customers, on: {customer: id}, columns: [segment]}
  - derive: {cents: CAST(amount * 100 AS BIGINT), big: f > 2}
rules:
  - unique: id
  - accepted_values: {column: status, values: [paid]}
    on_fail: quarantine
  - relationships: {column: customer, to: customers.id}
    on_fail: quarantine
  - row_count: {min: 1}
  - aggregate: {measure: avg(amount), min: 1}
destination: {table: mart.orders}
"""


@pytest.fixture
def settings(bigquery_keys: dict[str, str]) -> Callable[[bool], str]:
    """The text of sluiceway.yml."""

    def text(inside: bool) -> str:
        keys = ", ".join(f'{name}: "{value}"' for name, value in bigquery_keys.items())
        engine = "    engine: warehouse\n" if inside else ""
        return (
            f"project: test\nenvironments:\n  dev:\n{engine}"
            "    warehouse: {type: bigquery, connection: db}\n"
            f"connections:\n  db: {{type: bigquery, {keys}}}\n"
        )

    return text


@pytest.fixture
def server(bigquery_keys: dict[str, str]) -> BqServer:
    return BqServer(BigQueryKeys(**bigquery_keys))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("inside", [True, False])
def test_parquet_by_the_bulk_path_into_each_mode(
    settings: Any, make_project: Any, mode: str, inside: bool
) -> None:
    loads(make_project({"pipelines/a.yml": into(mode)}, settings=settings(inside)), mode)


@pytest.mark.parametrize("inside", [True, False])
def test_tables_of_bigquery_joined_deduplicated_and_judged(
    server: BqServer, settings: Any, make_project: Any, inside: bool
) -> None:
    """Inside no row leaves: no job loads any, and none selects them as they travel."""
    server.run(TABLES)
    project = make_project({"pipelines/orders.yml": PIPELINE}, settings=settings(inside))
    start = datetime.now(UTC)
    result = project.run("orders")
    assert result.error is None
    if inside:
        assert moved(server, start) == []
    else:
        assert len(moved(server, start)) > 1, "else the check above sees nothing"
    records = result.records
    assert (records.staged, records.published, records.quarantined) == (4, 2, 2)
    assert project.rows("mart.orders", "id, amount, segment, cents, big") == [
        (1, Decimal("11.50"), "gold", 1150, False),
        (2, Decimal("20.00"), "silver", 2000, True),  # NaN is greater than 2, as in DuckDB
    ]
    turned = project.query('SELECT "row", reasons FROM {q}')
    reasons = {json.loads(row)["id"]: json.loads(why) for row, why in turned}
    assert reasons == {"3": ["relationships:customer"], "4": ["accepted_values:status"]}
    row = next(json.loads(row) for row, _ in turned if json.loads(row)["id"] == "4")
    assert row["status"] == 'it\'s "lost"'
    assert left_over(server) == []


def moved(server: BqServer, since: datetime) -> list[str]:
    """The jobs that brought rows in or out."""
    return [
        getattr(job, "query", job.job_type)
        for job in server.client.list_jobs(min_creation_time=since)
        if job.job_type != "query" or " AS c0" in job.query
    ]


def left_over(server: BqServer) -> list[str]:
    return [t.table_id for t in server.client.list_tables(f"{server.project}._sluiceway_work")]


@pytest.mark.parametrize("inside", [True, False])
def test_only_new_rows_are_read(server: BqServer, settings: Any, make_project: Any, inside: bool) -> None:
    server.run(TABLES)
    pipeline = """\
        pipeline: a
        sources:
          a:
            {type: bigquery, connection: db, table: shop.orders,
             incremental: {cursor: at, on_cursor_value_missing: exclude}}
        destination: {table: mart.a}
        """
    project = make_project({"pipelines/a.yml": pipeline}, settings=settings(inside))
    assert project.run("a").records.published == 6
    assert project.run("a").records.published == 0
    server.run("INSERT INTO shop.orders (id, at) VALUES (9, '2026-02-01 00:00:00')")
    assert project.run("a").records.published == 1
    assert project.rows("mart.a", "count(*), max(id)") == [(7, 9)]


def test_a_blocked_run_leaves_the_destination_as_it_was(
    server: BqServer, settings: Any, make_project: Any
) -> None:
    server.run(TABLES)
    files = {"pipelines/orders.yml": PIPELINE.replace("    on_fail: quarantine\n", "")}
    project = make_project(files, settings=settings(True))
    result = project.run("orders")
    assert result.status == "blocked"
    assert not project.exists("mart.orders")
    assert project.query("SELECT 1") == [(1,)]
    sink = project.sink()
    sink.open(None)
    assert (sink.receipts(), sink.state("orders")) == ((), ())
    sink.close()


def test_what_is_not_known_to_be_the_same_is_refused_before_anything_is_read(
    server: BqServer, settings: Any, make_project: Any
) -> None:
    server.run(TABLES)
    files = {"pipelines/orders.yml": PIPELINE.replace("big: f > 2", "big: 'CAST(status AS INTEGER)'")}
    project = make_project(files, settings=settings(True))
    with pytest.raises(
        PlanError, match="a cast from VARCHAR to INTEGER is not known to be the same on BigQuery"
    ):
        project.run("orders")
    assert not project.exists("mart.orders")
