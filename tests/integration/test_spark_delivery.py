"""Rows that executors write into PostgreSQL and MySQL over JDBC: the same as by this machine, each once."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest
from tests.integration.databases import BEFORE, MODES, empty_mariadb, into, write_parquet
from tests.integration.jdbc_child import Child
from tests.integration.proxy import CommitCutter

from sluiceway.duck import open_duckdb
from sluiceway.engines.base import EngineSettings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from scripts.servers import Server

pytest.importorskip("pyspark", reason="no Spark: pyspark is not installed")
pytestmark = [pytest.mark.spark, pytest.mark.slow]

SETTINGS = """\
project: test
environments:
  embedded:
    warehouse: {type: KIND, connection: db}
  spark:
    engine: {type: spark}
    warehouse: {type: KIND, connection: db}
connections:
  db: {type: KIND, url: "${DB_URL}"}
"""
KINDS = [
    pytest.param("postgres", marks=pytest.mark.postgres),
    pytest.param("mysql", marks=pytest.mark.mysql),
]
DELIVERED = "the engine's executors wrote"
AFTER = [
    (1, "a", 11, "2026-01-03"),
    (2, "old", 5, "2025-12-31"),
    (4, "", 7, "2026-01-04"),
    (5, "bad", -7, "2026-01-05"),
    (6, "é\n", 0, "2026-01-06"),
]


class Database:
    """A server with what a run left in it."""

    def __init__(self, kind: str, server: Server) -> None:
        self.kind, self.server = kind, server
        self.again()

    def again(self) -> None:
        """Begin with nothing."""
        if self.kind == "mysql":
            empty_mariadb(self.server)
        self.name = self.server.create_database()
        self.url = self.server.url_of(self.name)

    def ask(self, sql: str) -> list[tuple[Any, ...]]:
        return list(self.server.execute(sql, database=self.name))

    def left(self, table: str = "a") -> dict[str, Any]:
        """Columns, rows and quarantine, as text that tells -0.0 from 0.0."""
        where = f"table_schema = 'mart' AND table_name = '{table}'"
        type_ = (
            "column_type" if self.kind == "mysql" else "data_type || coalesce(numeric_precision::text, '')"
        )
        columns = self.ask(
            f"SELECT column_name, {type_} FROM information_schema.columns WHERE {where} "
            "ORDER BY ordinal_position"
        )
        listed = "*" if self.kind == "mysql" else "t::text"
        rows = self.ask(f"SELECT {listed} FROM mart.{table} AS t")
        words = "row" if self.kind == "postgres" else "`row`"
        turned = self.ask(f"SELECT {words}, reasons, status FROM _sluiceway.quarantine")
        return {"columns": columns, "rows": sorted(map(repr, rows)), "quarantine": sorted(map(repr, turned))}

    def working(self) -> list[tuple[Any, ...]]:
        return self.ask(
            "SELECT table_name FROM information_schema.tables WHERE table_schema = '_sluiceway_work'"
        )


@pytest.fixture
def database(request: pytest.FixtureRequest, kind: str) -> Database:
    return Database(kind, request.getfixturevalue("postgres" if kind == "postgres" else "mariadb"))


def _project(make_project: Any, kind: str, pipeline: str) -> Any:
    return make_project({"pipelines/a.yml": pipeline}, settings=SETTINGS.replace("KIND", kind))


TYPES = """\
SELECT i AS id, i % 2 = 0 AS yes, (i % 100)::TINYINT AS t, (i % 200)::UTINYINT AS ut, i::USMALLINT AS us,
  (i * 1000000)::UINTEGER AS ui, i::UBIGINT * 60000000000000000::UBIGINT AS ub, -i::BIGINT AS b,
  (i / 3)::FLOAT AS f,
  i / 7 AS d, (i * 1.01)::DECIMAL(38,10) AS wide, (i / 3)::DECIMAL(10,2) AS n, 'é\\' || i || chr(10) AS s,
  from_hex(printf('%04x', i)) AS raw, DATE '1500-01-01' + (i * 200)::INTEGER AS day,
  TIMESTAMP '1582-10-01 00:00:00.000001' + INTERVAL (i * 37) HOUR AS at,
  TIMESTAMPTZ '1970-01-02 00:00:00.5+00' + INTERVAL (i * 60) HOUR AS tz,
  CAST(printf('%08x-0000-4000-8000-000000000000', i) AS UUID) AS u,
  TIME '00:00:00.000001' + INTERVAL (i) MINUTE AS h, CAST('{"a": ' || i || '}' AS JSON) AS j
FROM range(1, 301) AS r(i)
UNION ALL BY NAME SELECT NULL::BIGINT AS id
UNION ALL BY NAME SELECT 0 AS id, true AS yes, -128 AS t, 255 AS ut, 65535 AS us, 4294967295 AS ui,
  18446744073709551615 AS ub, (-9223372036854775808)::BIGINT AS b,
  1.1754944e-38::FLOAT AS f, -0.0::DOUBLE AS d,
  -1234567890123456789012345678.0123456789::DECIMAL(38,10) AS wide, -99999999.99 AS n,
  '' AS s, ''::BLOB AS raw,
  DATE '9999-12-31' AS day, TIMESTAMP '9999-12-31 23:59:59.999999' AS at,
  TIMESTAMPTZ '2038-01-19 03:14:07.999999+00' AS tz, TIME '23:59:59.999999' AS h
UNION ALL BY NAME SELECT -1 AS id, 3.25e38::FLOAT AS f, 5e-324::DOUBLE AS d, DATE '0001-01-01' AS day,
  TIMESTAMP '0001-01-01 00:00:00' AS at, '😀' AS s
"""
NARROW = "t::TINYINT AS t, ut::UTINYINT AS ut, us::USMALLINT AS us, ui::UINTEGER AS ui, ub::UBIGINT AS ub"
PG_TYPES = """
UNION ALL BY NAME SELECT -2 AS id, 'NaN'::FLOAT AS f, 'Infinity'::DOUBLE AS d,
  TIMESTAMPTZ '0001-01-01 00:00:00+00' AS tz
UNION ALL BY NAME SELECT -3 AS id, '-Infinity'::FLOAT AS f, 'NaN'::DOUBLE AS d
"""


@pytest.mark.parametrize("kind", KINDS)
def test_every_type_arrives_as_it_does_from_this_machine(
    make_project: Any, jdbc_child: Child, database: Database, kind: str
) -> None:
    project = _project(make_project, kind, into("append"))
    project.write(
        "pipelines/a.yml",
        "pipeline: a\nsources: {a: {type: parquet, path: a.parquet}}\ndestination: {table: mart.a}\n",
    )
    with open_duckdb() as con:
        sql = TYPES + (PG_TYPES if kind == "postgres" else "")
        con.execute(f"COPY (SELECT * REPLACE ({NARROW}) FROM ({sql})) TO '{project.folder}/a.parquet'")
    left = []
    for environment in ("embedded", "spark"):
        database.again()
        # into a new table, then into one that is there: but not of PostgreSQL, where ub is no UBIGINT then
        for _ in range(1 if kind == "postgres" else 2):
            told = jdbc_child.ask(
                "run", folder=str(project.folder), name="a", environment=environment, url=database.url
            )
            assert told["error"] == ""
            assert any(DELIVERED in said for said in told["said"]) == (environment == "spark")
        left.append(database.left())
    assert len(left[0]["rows"]) > 300
    assert left[1] == left[0]
    assert database.working() == []


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("kind", KINDS)
def test_each_mode_leaves_what_it_leaves_from_this_machine(
    make_project: Any, jdbc_child: Child, database: Database, kind: str, mode: str
) -> None:
    pipeline = into(mode).replace("effective_at: seen", "effective_at: seen, late: split")
    project = _project(make_project, kind, pipeline)
    left, counts = [], []
    for environment in ("embedded", "spark"):
        database.again()
        for batch in (BEFORE, AFTER):
            write_parquet(project.folder / "data/a.parquet", batch)
            told = jdbc_child.ask(
                "run", folder=str(project.folder), name="a", environment=environment, url=database.url
            )
            assert told["error"] == ""
            assert any(DELIVERED in said for said in told["said"]) == (environment == "spark")
            counts.append((told["counts"], told["late"]))
        left.append(database.left())
    assert left[1] == left[0]
    assert counts[2:] == counts[:2]
    assert len(left[0]["quarantine"]) == 2
    assert database.working() == []


@pytest.mark.parametrize("kind", KINDS)
def test_no_good_row_is_read_on_this_machine(
    jdbc_child: Child, database: Database, kind: str, tmp_path: Path
) -> None:
    """The embedded engine is given a file that is not there, and SQL that fails when it runs."""
    told = jdbc_child.ask("unread", folder=str(tmp_path), kind=kind, keys={"url": database.url})
    assert told["published"] == 150
    assert database.ask("SELECT count(*), min(id), max(id), count(DISTINCT name) FROM mart.t") == [
        (150, 0, 149, 150)
    ]


def test_a_local_spark_publishes_by_this_machine(spark: Any, tmp_path: Path) -> None:
    """Its executors are this very machine, which has the faster way; with them apart see the tests above."""
    from sluiceway.engines.spark import SparkEngine

    engine = SparkEngine()
    engine.connect(EngineSettings("spark", options={"master": "local[2]"}), tmp_path / "staging" / "run")
    try:
        stage = engine.stage("result", "SELECT id FROM range(3)")
        assert stage.rows == 3
        assert engine.delivery(stage) is None
    finally:
        engine.close()


@pytest.mark.parametrize("kind", KINDS)
def test_a_task_that_fails_after_its_commit_doubles_nothing(
    make_project: Any, jdbc_child: Child, database: Database, kind: str
) -> None:
    project = _project(make_project, kind, into("append"))
    write_parquet(project.folder / "data/a.parquet", [(i, "x", i, "2026-01-01") for i in range(200)])
    with CommitCutter("127.0.0.1", database.server.port, into=b"_rows") as wire:
        url = database.url.replace(f":{database.server.port}/", f":{wire.port}/")
        told = jdbc_child.ask("run", folder=str(project.folder), name="a", environment="spark", url=url)
    assert wire.cut == 1
    assert told["error"] == ""
    assert any("200 rows were written twice" in said for said in told["said"])
    assert database.ask("SELECT count(*), count(DISTINCT id) FROM mart.a") == [(200, 200)]
    assert database.working() == []


HELD = 4711
BLOCKED = f"""\
CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS
  $$ BEGIN PERFORM pg_advisory_xact_lock_shared({HELD}); RETURN NEW; END $$;;
CREATE FUNCTION watch() RETURNS event_trigger LANGUAGE plpgsql AS $$
  DECLARE o record;
  BEGIN
    FOR o IN SELECT object_identity AS name FROM pg_event_trigger_ddl_commands()
      WHERE schema_name = '_sluiceway_work' AND object_type = 'table' AND object_identity LIKE '%rows%'
    LOOP
      EXECUTE 'CREATE TRIGGER w BEFORE INSERT ON ' || o.name ||
        ' FOR EACH ROW EXECUTE FUNCTION public.wait()';
    END LOOP;
  END $$;;
CREATE EVENT TRIGGER made ON ddl_command_end WHEN TAG IN ('CREATE TABLE') EXECUTE FUNCTION watch()
"""


@pytest.fixture
def mortal(drivers: list[Path], tmp_path: Path) -> Iterator[Child]:
    (tmp_path / "mortal").mkdir()
    child = Child(drivers, tmp_path / "mortal")
    yield child
    child.kill()


def _until(asked: Any) -> None:
    deadline = time.monotonic() + 300  # a Spark of two processes starts meanwhile
    while not asked():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.parametrize("kind", KINDS)
def test_killed_while_executors_write_nothing_is_seen_and_the_next_run_clears_up(
    make_project: Any, jdbc_child: Child, mortal: Child, database: Database, kind: str
) -> None:
    project = _project(make_project, kind, into("append"))
    write_parquet(project.folder / "data/a.parquet", [(i, "x", i, "2026-01-01") for i in range(300)])
    given = {"folder": str(project.folder), "name": "a", "environment": "spark", "url": database.url}
    if kind == "postgres":
        for statement in BLOCKED.split(";;\n"):
            database.ask(statement)
        with database.server.connect(database=database.name) as holder:
            holder.execute(f"SELECT pg_advisory_lock({HELD})")
            mortal.send("run", **given)
            waits = f"SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND objid = {HELD} AND NOT granted"
            _until(lambda: database.ask(waits))  # a task is in the middle of its rows
            mortal.process.kill()
            mortal.process.wait()
        database.ask("DROP EVENT TRIGGER made")
        _until(
            lambda: not database.ask("SELECT 1 FROM pg_stat_activity WHERE query LIKE 'INSERT INTO%_rows%'")
        )
    else:
        mortal.send("run", **given)
        _until(database.working)
        mortal.process.kill()
        mortal.process.wait()
    assert len(database.working()) == 1
    seen = database.ask("SELECT 1 FROM information_schema.tables WHERE table_schema = 'mart'")
    assert seen == [], "half a publish is seen"
    told = jdbc_child.ask("run", **given)
    assert told["error"] == ""
    assert database.ask("SELECT count(*), count(DISTINCT id) FROM mart.a") == [(300, 300)]
    assert database.working() == []
