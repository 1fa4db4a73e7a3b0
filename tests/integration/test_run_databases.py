"""Whole runs with real database servers: read from one, publish into one, state and quarantine there."""

from __future__ import annotations

import asyncio
import json
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from tests.integration.databases import BEFORE, MODES, TO_MARIADB, TO_POSTGRES, into, write_parquet

from sluiceway import DataPipeline, PipelineConfig
from sluiceway.errors import DataQualityError, SourceError
from sluiceway.spec.project import load_project
from sluiceway.store.store import Store

if TYPE_CHECKING:
    from scripts.servers import Server
    from tests.integration.conftest import ProjectOnDisk

FROM_POSTGRES = """\
project: test
connections:
  db: {type: postgres, url: "${DB_URL}"}
"""
ORDERS = """\
CREATE TABLE orders (id bigint, customer int, status text, amount numeric(12,2), updated_at timestamp);
INSERT INTO orders VALUES
  (1, 10, 'paid', 10.50, '2026-01-01 10:00'), (1, 10, 'paid', 11.50, '2026-01-01 11:00'),
  (2, 20, 'paid', 20.00, '2026-01-01 12:00'), (3, 99, 'paid', 30.00, '2026-01-01 13:00'),
  (4, 10, 'lost', 40.00, '2026-01-01 14:00'), (5, 20, NULL, NULL, '2026-01-01 15:00')
"""


def statements(text: str) -> list[str]:
    return [part for part in text.split(";\n") if part.strip()]


def everything(server: Server, database: str) -> list[tuple[Any, ...]]:
    """Every table of a PostgreSQL with its columns and its rows, place by place."""
    tables = server.execute(
        "SELECT table_schema, table_name FROM information_schema.tables "
        "WHERE table_schema NOT IN ('pg_catalog', 'information_schema') ORDER BY 1, 2",
        database=database,
    )
    found: list[tuple[Any, ...]] = []
    for schema, table in tables:
        name = f'"{schema}"."{table}"'
        columns = server.execute(
            "SELECT column_name, data_type, is_nullable FROM information_schema.columns "
            f"WHERE table_schema = '{schema}' AND table_name = '{table}' ORDER BY ordinal_position",
            database=database,
        )
        rows = server.execute(f"SELECT ctid::text, t::text FROM {name} t ORDER BY ctid", database=database)
        found.append((name, columns, rows))
    return found


# from a database -------------------------------------------------------------------------------------


@pytest.mark.postgres
def test_a_table_of_postgres_joined_deduplicated_and_judged_into_the_lake(
    postgres: Server, pg: str, make_project: Any
) -> None:
    postgres.execute(
        *statements(ORDERS),
        "CREATE TABLE customers (id int PRIMARY KEY, segment text)",
        "INSERT INTO customers VALUES (10, 'gold'), (20, 'silver')",
        database=pg,
    )
    project: ProjectOnDisk = make_project(
        {
            "pipelines/orders.yml": """\
                pipeline: orders
                sources:
                  orders:
                    type: postgres
                    connection: db
                    table: public.orders
                    filters: id < 5
                    rules: [{not_null: id}]
                  customers: {type: postgres, connection: db, table: customers}
                transform:
                  - deduplicate: {key: id, keep: latest, by: updated_at}
                  - join: {with: customers, on: {customer: id}, columns: [segment]}
                  - derive: {cents: CAST(amount * 100 AS BIGINT)}
                rules:
                  - unique: id
                  - accepted_values: {column: status, values: [paid]}
                    on_fail: quarantine
                  - relationships: {column: customer, to: customers.id}
                    on_fail: quarantine
                destination: {table: mart.orders}
                """
        },
        settings=FROM_POSTGRES,
    )
    result = project.run("orders")
    assert result.error is None
    assert project.rows("mart.orders", "id, amount, segment, cents") == [
        (1, Decimal("11.50"), "gold", 1150),
        (2, Decimal("20.00"), "silver", 2000),
    ]
    records = result.records
    assert (records.staged, records.published, records.quarantined) == (4, 2, 2)
    assert records.read == 5 + 2 or records.read is None  # only what a rule made it spool is counted
    turned = project.query('SELECT "row", reasons FROM {q}')
    reasons = {json.loads(row)["id"]: json.loads(why) for row, why in turned}
    assert set(reasons) == {"3", "4"}
    assert reasons["3"] == ["relationships:customer"]


@pytest.mark.postgres
@pytest.mark.parametrize("more", ["", "rules: [{not_null: id}]", "incremental: {cursor: id}"])
@pytest.mark.parametrize("settings", [FROM_POSTGRES, TO_POSTGRES])
def test_nan_is_never_published_as_a_number(
    postgres: Server, pg: str, make_project: Any, settings: str, more: str
) -> None:
    """Read in place, audited and spooled, spooled for its cursor: the scanner reads NaN as 0."""
    postgres.execute(
        "CREATE TABLE t (id bigint, amount numeric(12,2), other numeric(4,1))",
        "INSERT INTO t VALUES (1, 0, 1), (2, 'NaN', 2), (3, 30, 3)",
        database=pg,
    )
    source = f"type: postgres, connection: db, table: t{', ' + more if more else ''}"
    pipeline = into("append", source).replace("column: v", "column: amount")
    project: ProjectOnDisk = make_project({"pipelines/a.yml": pipeline}, settings=settings)
    result = project.run("a")
    assert result.status == "failed"
    assert isinstance(result.error, SourceError)
    assert "NaN" in result.error.message
    assert not project.exists("mart.a")
    assert project.run("a", dry_run=True).status == "failed"
    postgres.execute("UPDATE t SET amount = 20 WHERE id = 2", database=pg)
    assert project.run("a").records.published == 3
    assert project.rows("mart.a", "id, amount") == [(1, Decimal(0)), (2, Decimal(20)), (3, Decimal(30))]


@pytest.mark.postgres
def test_nan_is_no_number_in_python_either(postgres: Server, pg: str, make_project: Any) -> None:
    postgres.execute("CREATE TABLE t (amount numeric(9,2))", "INSERT INTO t VALUES ('NaN')", database=pg)
    pipeline = into("append", "type: postgres, connection: db, table: t").replace(
        "column: v", "column: amount"
    )
    project: ProjectOnDisk = make_project({"pipelines/a.yml": pipeline}, settings=FROM_POSTGRES)
    with pytest.raises(SourceError, match="NaN"):
        asyncio.run(DataPipeline(PipelineConfig.load(project.folder / "pipelines/a.yml")).extract_data())


@pytest.mark.postgres
@pytest.mark.parametrize("destination", ["lake", "postgres"])
def test_a_cursor_with_lag_and_merge_takes_ties_that_come_late(
    postgres: Server, pg: str, make_project: Any, destination: str
) -> None:
    postgres.execute(*statements(ORDERS), "DELETE FROM orders WHERE amount = 10.50", database=pg)
    project: ProjectOnDisk = make_project(
        {
            "pipelines/orders.yml": """\
                pipeline: orders
                sources:
                  orders:
                    type: postgres
                    connection: db
                    table: orders
                    incremental: {cursor: updated_at, lag: 1h}
                destination: {table: mart.orders, mode: merge, primary_key: id, version: updated_at}
                """
        },
        settings=FROM_POSTGRES if destination == "lake" else TO_POSTGRES,
    )
    first = project.run("orders")
    assert (first.error, first.records.read, first.records.published) == (None, 5, 5)
    postgres.execute(
        "INSERT INTO orders VALUES (6, 10, 'paid', 1, '2026-01-01 15:00')",  # the same instant as the mark
        "INSERT INTO orders VALUES (7, 10, 'paid', 1, '2026-01-01 14:30')",  # within the lag
        "INSERT INTO orders VALUES (8, 10, 'paid', 1, '2026-01-01 10:00')",  # too late for it
        "UPDATE orders SET amount = 99, updated_at = '2026-01-01 16:00' WHERE id = 2",
        database=pg,
    )
    second = project.run("orders")
    assert second.error is None
    assert second.records.read == 5  # 2, 4, 5, 6, 7: no more than the lag asks for
    assert [row[0] for row in project.rows("mart.orders", "id")] == [1, 2, 3, 4, 5, 6, 7]
    assert project.query("SELECT amount FROM {t} WHERE id = 2", "mart.orders") == [(Decimal("99.00"),)]
    again = project.run("orders")
    assert (again.error, again.records.late) == (None, 0)
    assert len(project.rows("mart.orders")) == 7


# into a database -------------------------------------------------------------------------------------

AFTER = [(1, "old", 1, "2025-12-31"), (2, "bb", 22, "2026-01-05"), (4, "d", -4, "2026-01-05")]


def loads(project: ProjectOnDisk, mode: str) -> None:
    """Two loads of Parquet in a mode, and what must stand afterwards."""
    write_parquet(project.folder / "data/a.parquet", BEFORE)
    first = project.run("a")
    assert first.error is None
    assert (first.records.staged, first.records.published, first.records.quarantined) == (3, 2, 1)
    write_parquet(project.folder / "data/a.parquet", AFTER[1:] if mode == "scd2" else AFTER)
    second = project.run("a")
    assert second.error is None
    late = 1 if mode == "merge" else 0
    assert second.records.late == late
    assert second.records.quarantined == 1
    if mode == "scd2":
        rows = project.rows("mart.a", "id, name, valid_from::DATE::TEXT, valid_to::DATE::TEXT")
        assert rows == [
            (1, "a", "2026-01-01", None),
            (2, "b", "2026-01-02", "2026-01-05"),
            (2, "bb", "2026-01-05", None),
        ]
    else:
        expected = {
            "append": [(1, "a", 10), (1, "old", 1), (2, "b", 20), (2, "bb", 22)],
            "replace": [(1, "old", 1), (2, "bb", 22)],
            "merge": [(1, "a", 10), (2, "bb", 22)],
        }[mode]
        assert project.rows("mart.a", "id, name, v") == expected
    turned = project.query('SELECT "row", reasons, status FROM {q} ORDER BY "row" ->> \'id\'')
    assert [(json.loads(row)["id"], json.loads(why), status) for row, why, status in turned] == [
        ("3", ["range:v"], "waiting"),
        ("4", ["range:v"], "waiting"),
    ]
    sink = project.sink()
    sink.open(None)
    try:
        receipts = sink.receipts(pipeline="a")
    finally:
        sink.close()
    assert [(r.run_id, r.published, r.quarantined) for r in receipts] == [
        (second.run_id, second.records.published, 1),
        (first.run_id, 2, 1),
    ]


@pytest.mark.postgres
@pytest.mark.parametrize("mode", MODES)
def test_parquet_into_postgres(pg: str, make_project: Any, mode: str) -> None:
    loads(make_project({"pipelines/a.yml": into(mode)}, settings=TO_POSTGRES), mode)


@pytest.mark.mysql
@pytest.mark.parametrize("mode", MODES)
def test_parquet_into_mariadb(maria: str, make_project: Any, mode: str) -> None:
    loads(make_project({"pipelines/a.yml": into(mode)}, settings=TO_MARIADB), mode)


@pytest.mark.mysql
def test_a_table_of_mariadb_into_the_lake_and_into_mariadb(
    mariadb: Server, maria: str, make_project: Any
) -> None:
    mariadb.execute(
        "CREATE TABLE a (id bigint, name varchar(20), v int, seen datetime(6), flag tinyint(1))",
        "INSERT INTO a VALUES (1, 'é', 10, '2026-01-01 10:00:00.000001', 1), (2, 'b', -2, '2026-01-02', 0)",
        database=maria,
    )
    source = f"type: mysql, connection: db, table: {maria}.a, incremental: {{cursor: seen}}"
    lake = FROM_POSTGRES.replace("postgres", "mysql")
    for settings in (lake, TO_MARIADB):
        project = make_project({"pipelines/a.yml": into("append", source)}, settings=settings)
        result = project.run("a")
        assert (result.error, result.records.published, result.records.quarantined) == (None, 1, 1)
        assert project.rows("mart.a", "id, name, v, CAST(seen AS VARCHAR)") == [
            (1, "é", 10, "2026-01-01 10:00:00.000001")
        ]
        assert project.run("a").records.published == 0
        mariadb.execute("INSERT INTO a VALUES (3, 'c', 3, '2026-01-03', NULL)", database=maria)
        assert project.run("a").records.published == 1
        mariadb.execute("DELETE FROM a WHERE id = 3", database=maria)


def evolves(project: ProjectOnDisk) -> None:
    """A new column is added, old rows have none; a wider type is widened; a column that is gone stays."""

    def selects(columns: str) -> None:
        step = f'transform:\n          - sql: "{columns} FROM _"\n        rules:'
        text = into("append").replace("rules:", step)
        evolve = "mart.a, schema_contract: {columns: evolve, data_type: evolve}"
        project.write("pipelines/a.yml", text.replace("mart.a", evolve))

    write_parquet(project.folder / "data/a.parquet", BEFORE[:1])
    selects("SELECT id, CAST(v AS INTEGER) AS v")
    assert project.run("a").error is None
    selects("SELECT id, v + 5000000000 AS v, upper(name) AS shout")
    assert project.run("a").error is None
    selects("SELECT id, CAST(v AS INTEGER) AS v")
    result = project.run("a")
    assert result.error is None
    assert project.rows("mart.a", "id, v, shout") == [(1, 10, None), (1, 10, None), (1, 5000000010, "A")]


@pytest.mark.postgres
def test_a_table_of_postgres_evolves(pg: str, make_project: Any) -> None:
    evolves(make_project({"pipelines/a.yml": into("append")}, settings=TO_POSTGRES))


@pytest.mark.mysql
def test_a_table_of_mariadb_evolves(maria: str, make_project: Any) -> None:
    evolves(make_project({"pipelines/a.yml": into("append")}, settings=TO_MARIADB))


# the gate --------------------------------------------------------------------------------------------


@pytest.mark.postgres
def test_a_blocked_run_leaves_postgres_byte_for_byte(postgres: Server, pg: str, make_project: Any) -> None:
    project: ProjectOnDisk = make_project({"pipelines/a.yml": into("merge")}, settings=TO_POSTGRES)
    write_parquet(project.folder / "data/a.parquet", BEFORE)
    assert project.run("a").error is None
    before = everything(postgres, pg)
    assert len(before) == 4  # mart.a and the three of _sluiceway
    for more in (
        "- expression: id <> 2",
        "- row_count: {min: 100}",
        "- unique: name",
        "- aggregate: {measure: avg(v), min: 1000}",
    ):
        project.write("pipelines/a.yml", into("merge").replace("rules:", f"rules:\n          {more}"))
        write_parquet(
            project.folder / "data/a.parquet",
            [(2, "a", 1, "2026-02-01"), (8, "a", 1, "2026-02-01"), (9, "z", -1, "2026-02-01")],
            more=", 1 AS extra",
        )
        result = project.run("a")
        assert result.status == "blocked", more
        assert isinstance(result.error, DataQualityError)
        assert everything(postgres, pg) == before, more
    with Store.open(load_project(project.folder).metadata) as store:
        assert [run["status"] for run in store.runs()] == ["blocked"] * 4 + ["succeeded"]


@pytest.mark.postgres
def test_a_blocked_first_run_makes_no_table(postgres: Server, pg: str, make_project: Any) -> None:
    project: ProjectOnDisk = make_project(
        {"pipelines/a.yml": into("append").replace("rules:", "rules:\n          - row_count: {min: 100}")},
        settings=TO_POSTGRES,
    )
    write_parquet(project.folder / "data/a.parquet", BEFORE)
    assert project.run("a").status == "blocked"
    assert everything(postgres, pg) == []


@pytest.mark.postgres
def test_parents_in_a_table_of_the_postgres_warehouse(postgres: Server, pg: str, make_project: Any) -> None:
    postgres.execute(
        "CREATE SCHEMA ref",
        "CREATE TABLE ref.names (name text)",
        "INSERT INTO ref.names VALUES ('a'), (NULL)",
        database=pg,
    )
    rule = "rules:\n          - relationships: {column: name, to: ref.names.name}"
    rule += "\n            on_fail: quarantine"
    project: ProjectOnDisk = make_project(
        {"pipelines/a.yml": into("append").replace("rules:", rule)}, settings=TO_POSTGRES
    )
    write_parquet(project.folder / "data/a.parquet", BEFORE)
    result = project.run("a")
    assert result.error is None
    assert project.rows("mart.a", "id, name") == [(1, "a")]
    assert result.records.quarantined == 2


@pytest.mark.parametrize("system", ["postgres", "mysql"])
def test_rows_that_a_source_rule_turned_away_lie_in_the_databases_quarantine(
    request: pytest.FixtureRequest, make_project: Any, system: str
) -> None:
    request.getfixturevalue("pg" if system == "postgres" else "maria")
    project: ProjectOnDisk = make_project(
        {
            "data/a.csv": "id,v\n1,1\n2,-2\n",
            "pipelines/a.yml": """\
                pipeline: a
                sources:
                  a:
                    type: csv
                    path: data/a.csv
                    rules:
                      - range: {column: v, min: 0}
                        on_fail: quarantine
                destination: {table: mart.a}
                """,
        },
        settings=TO_POSTGRES if system == "postgres" else TO_MARIADB,
    )
    result = project.run("a")
    assert (result.error, result.records.rejected, result.records.published) == (None, 1, 1)
    found = project.query('SELECT phase, source, "row" FROM {q}')
    assert [(phase, source, json.loads(row)["id"]) for phase, source, row in found] == [("source", "a", "2")]
