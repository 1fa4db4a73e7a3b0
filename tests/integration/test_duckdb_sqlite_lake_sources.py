"""Reading from DuckDB files, SQLite files and lakes, in place and as a stream."""

from __future__ import annotations

import sqlite3
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from tests.conformance.harness import Warehouse

from sluiceway import plugins
from sluiceway.connectors.base import ConnectorContext, Read, Source
from sluiceway.engines.base import EngineSettings
from sluiceway.engines.duckdb import DuckDBEngine
from sluiceway.errors import PlanError, SluicewayError, SourceError
from sluiceway.exchange import Cursor

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ROWS = (
    "SELECT range::BIGINT AS id, 'n' || range AS name, "
    "CASE WHEN range < 9 THEN TIMESTAMP '2026-01-01' + INTERVAL (range) HOUR END AS seen FROM range(10)"
)
CONFIGS = {
    "duckdb": {"type": "duckdb", "path": "shop.duckdb"},
    "sqlite": {"type": "sqlite", "path": "shop.db"},
    "ducklake": {"type": "ducklake", "path": "lake"},
}
NAMES = {"duckdb": "mart.orders", "sqlite": "mart.orders", "ducklake": "mart.orders"}


def source(tmp_path: Path, system: str, **keys: Any) -> Source:
    connector = plugins.load("connectors", system)
    config = connector.source_config.model_validate({**CONFIGS[system], **keys})
    made: Source = connector.source(config, ConnectorContext(tmp_path, name="orders", lock_timeout=0.2))
    return made


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[DuckDBEngine]:
    engine = DuckDBEngine()
    engine.connect(EngineSettings(threads=1), tmp_path / "staging")
    yield engine
    engine.close()


@pytest.fixture(params=list(CONFIGS))
def system(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    name: str = request.param
    with Warehouse(name, CONFIGS[name], tmp_path).session() as s:
        s.publish(ROWS, "r1")
    return name


def rows(engine: DuckDBEngine, made: Source, read: Read, *, native: bool) -> list[tuple[Any, ...]]:
    """By the engine after its sandbox closed, or streamed."""
    try:
        made.schema()
        if not native:
            table = made.read(read).read_all()
            return [tuple(row.values()) for row in table.to_pylist()]
        sql = made.native_scan(engine, read)
        assert sql is not None
        engine.seal(made.folders())
        return engine.query(f"SELECT * FROM ({sql}) AS s")
    finally:
        made.close()


TYPED = {"columns": {"id": "BIGINT", "name": "VARCHAR", "seen": "TIMESTAMP"}}


@pytest.mark.parametrize("native", [True, False])
class TestEverySystem:
    def test_a_table_with_projection_filter_and_mark(
        self, tmp_path: Path, system: str, engine: DuckDBEngine, native: bool
    ) -> None:
        mark = Cursor("orders", "seen", "TIMESTAMP", "2026-01-01 05:00:00")
        made = source(tmp_path, system, table=NAMES[system], **TYPED)
        read = Read(columns=("id",), filters=("id <> 7",), since=mark, strict=True)
        assert sorted(rows(engine, made, read, native=native)) == [(6,), (8,)]

    def test_lag_reads_the_mark_again_and_rows_without_one_where_asked(
        self, tmp_path: Path, system: str, engine: DuckDBEngine, native: bool
    ) -> None:
        mark = Cursor("orders", "seen", "TIMESTAMP", "2026-01-01 07:00:00")
        made = source(tmp_path, system, table=NAMES[system], **TYPED)
        read = Read(columns=("id",), since=mark, strict=False, include_null_cursor=True)
        assert sorted(rows(engine, made, read, native=native)) == [(7,), (8,), (9,)]

    def test_a_query(self, tmp_path: Path, system: str, engine: DuckDBEngine, native: bool) -> None:
        name = '"mart.orders"' if system == "sqlite" else "mart.orders"
        made = source(
            tmp_path, system, columns={"n": "BIGINT"},
            query=f"WITH a AS (SELECT id FROM {name} WHERE id > 2) SELECT count(*) AS n FROM a",
        )  # fmt: skip
        assert rows(engine, made, Read(), native=native) == [(7,)]

    def test_naive_timestamps_are_in_the_sources_zone(
        self, tmp_path: Path, system: str, engine: DuckDBEngine, native: bool
    ) -> None:
        made = source(tmp_path, system, table=NAMES[system], timezone="Europe/Amsterdam", **TYPED)
        found = rows(engine, made, Read(columns=("seen",), filters=("id = 1",)), native=native)
        assert found == [(datetime(2026, 1, 1, tzinfo=UTC),)]


def test_a_table_that_is_not_there_names_those_that_are(tmp_path: Path, system: str) -> None:
    made = source(tmp_path, system, table="mart.ordrs")
    with pytest.raises(SourceError, match="ordrs") as caught:
        made.schema()
    made.close()
    assert "mart.orders" in (caught.value.hint or "")


def test_a_column_that_is_not_there_lists_those_that_are(tmp_path: Path, system: str) -> None:
    made = source(tmp_path, system, table=NAMES[system], columns=["id", "nam"])
    with pytest.raises(SluicewayError, match="nam") as caught:
        made.schema()
    made.close()
    assert "seen" in str(caught.value)


def test_a_place_where_nothing_is(tmp_path: Path) -> None:
    for name in CONFIGS:
        with pytest.raises(SourceError, match="there is no"):
            source(tmp_path, name, table="t").schema()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("keys", [{}, {"table": "t", "query": "SELECT 1"}])
def test_either_a_table_or_a_query(tmp_path: Path, keys: dict[str, str]) -> None:
    for name in CONFIGS:
        with pytest.raises(PlanError, match="either table or query"):
            source(tmp_path, name, **keys)


@pytest.mark.parametrize(
    "query", ["DELETE FROM mart.orders", "SELECT 1; SELECT 2", "PRAGMA user_version = 1"]
)
def test_a_query_is_one_select(tmp_path: Path, system: str, query: str) -> None:
    with pytest.raises(PlanError):
        source(tmp_path, system, query=query).schema()
    with Warehouse(system, CONFIGS[system], tmp_path).session() as s:
        assert sum(s.rows().values()) == 10


@pytest.mark.parametrize("name", ["duckdb", "ducklake"])
def test_a_query_reads_no_other_file(tmp_path: Path, name: str) -> None:
    with Warehouse(name, CONFIGS[name], tmp_path).session() as s:
        s.publish(ROWS, "r1")
    with pytest.raises(PlanError):
        source(tmp_path, name, query="SELECT * FROM read_csv('/etc/passwd')").schema()


def test_batches_are_bounded(tmp_path: Path, system: str) -> None:
    made = source(tmp_path, system, table=NAMES[system], batch_size=4)
    made.schema()
    sizes = [batch.num_rows for batch in made.read(Read())]
    made.close()
    assert sum(sizes) == 10
    assert max(sizes) <= 2048, "DuckDB's smallest vector"


def test_a_lake_is_read_as_of_one_snapshot(tmp_path: Path, engine: DuckDBEngine) -> None:
    lake = Warehouse("ducklake", CONFIGS["ducklake"], tmp_path)
    with lake.session() as s:
        first = s.publish(ROWS, "r1")
        s.publish(ROWS, "r2")
    old = source(tmp_path, "ducklake", table="mart.orders", version=int(first.snapshot or 0))
    now = source(tmp_path, "ducklake", table="mart.orders")
    assert old.read(Read()).read_all().num_rows == 10
    assert now.read(Read()).read_all().num_rows == 20
    with lake.session() as s:
        s.publish(ROWS, "r3")
    assert now.read(Read()).read_all().num_rows == 20, "the run began before"
    old.close()
    now.close()


def test_source_and_warehouse_may_be_one_duckdb_file(tmp_path: Path) -> None:
    house = Warehouse("duckdb", CONFIGS["duckdb"], tmp_path)
    with house.session() as s:
        s.publish(ROWS, "r1")
    with house.session(seal=False) as s:
        made = source(tmp_path, "duckdb", table="mart.orders")
        sql = made.native_scan(s.engine, Read())
        assert sql is not None
        s.engine.seal([*s.sink.folders(), *made.folders()])
        staged = s.stage(f"SELECT * FROM ({sql}) AS s WHERE id < 3")
        s.publish_staged(staged, "r2")
        assert sum(s.rows().values()) == 13
        made.close()


def test_a_duckdb_file_that_another_holds_is_waited_for_and_named(tmp_path: Path) -> None:
    import subprocess
    import sys

    Warehouse("duckdb", CONFIGS["duckdb"], tmp_path)
    path = tmp_path / "shop.duckdb"
    code = (
        "import duckdb, sys\n"
        f"con = duckdb.connect({str(path)!r})\n"
        "con.execute('CREATE TABLE t AS SELECT 1 AS a')\n"
        "print('held', flush=True)\n"
        "sys.stdin.read()\n"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(SourceError, match=f"PID {holder.pid}"):
            source(tmp_path, "duckdb", table="t").schema()
        house = Warehouse("duckdb", CONFIGS["duckdb"], tmp_path, lock_timeout=0.2)
        with house.session() as s, pytest.raises(SluicewayError, match=f"PID {holder.pid}"):
            s.publish(ROWS)
    finally:
        holder.kill()
        holder.communicate()
    made = source(tmp_path, "duckdb", table="t")
    assert made.read(Read()).read_all().to_pylist() == [{"a": 1}]
    made.close()


class TestSqliteTypes:
    @pytest.fixture
    def shop(self, tmp_path: Path) -> Path:
        con = sqlite3.connect(tmp_path / "shop.db")
        con.executescript(
            """
            CREATE TABLE o (id INTEGER PRIMARY KEY, amount DECIMAL(10,2), day DATE, note, flag BOOLEAN);
            INSERT INTO o VALUES (1, '12.50', '2026-01-02', 'x', 1), (2, NULL, NULL, NULL, 0);
            CREATE TABLE loose (n INTEGER, day DATE);
            INSERT INTO loose VALUES ('many', 'never'), (3, '2026-01-02');
            CREATE VIEW counted AS SELECT count(*) AS n FROM o;
            """
        )
        con.close()
        return tmp_path

    def test_declared_types_cast_exactly(self, shop: Path, engine: DuckDBEngine) -> None:
        columns = {"id": "INTEGER", "amount": "DECIMAL(10,2)", "day": "DATE", "flag": "BOOLEAN"}
        made = source(shop, "sqlite", table="o", columns=columns)
        assert rows(engine, made, Read(), native=True) == [
            (1, Decimal("12.50"), date(2026, 1, 2), True),
            (2, None, None, False),
        ]

    def test_a_value_that_its_column_does_not_fit_fails_and_can_be_read_as_text(
        self, shop: Path, engine: DuckDBEngine
    ) -> None:
        made = source(shop, "sqlite", table="loose")
        with pytest.raises(SourceError, match="many"):
            made.read(Read()).read_all()
        made.close()
        text = source(shop, "sqlite", table="loose", columns={"n": "VARCHAR", "day": "VARCHAR"})
        assert rows(engine, text, Read(), native=True) == [("many", "never"), ("3", "2026-01-02")]

    def test_a_view_is_read_by_a_query(self, shop: Path, engine: DuckDBEngine) -> None:
        made = source(shop, "sqlite", query="SELECT n FROM counted", columns={"n": "INTEGER"})
        assert rows(engine, made, Read(), native=True) == [(2,)]


@pytest.mark.parametrize("name", ["duckdb", "sqlite"])
def test_no_snapshots_no_rollback(tmp_path: Path, name: str) -> None:
    with Warehouse(name, CONFIGS[name], tmp_path).session() as s:
        s.publish(ROWS, "r1")
        before = s.rows()
        with pytest.raises(SluicewayError, match="keeps no snapshots"):
            s.sink.rollback("r1", new_run_id="u", force=True, keep_cursor=False)
        assert s.rows() == before
        assert not s.sink.capabilities.snapshots


def test_a_sqlite_warehouse_reads_in_sqlite(tmp_path: Path) -> None:
    with Warehouse("sqlite", CONFIGS["sqlite"], tmp_path).session() as s:
        s.publish("SELECT 1 AS id, 1.50::DECIMAL(5,2) AS paid, TIMESTAMP '2026-01-02 03:04:05' AS seen", "r1")
    con = sqlite3.connect(tmp_path / "shop.db")
    assert con.execute('SELECT * FROM "mart.orders"').fetchall() == [(1, "1.50", "2026-01-02 03:04:05")]
    con.close()
