"""Tables and queries of PostgreSQL and MySQL that executors read over JDBC: one moment, the same values."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from tests.integration.killing import ROOT
from tests.integration.spark_parity import SETTINGS, located, table

from sluiceway.duck import open_duckdb
from sluiceway.run.runner import run

if TYPE_CHECKING:
    from pathlib import Path

    from scripts.servers import Server
    from tests.integration.jdbc_child import Child

pytest.importorskip("pyspark", reason="no Spark: pyspark is not installed")
pytestmark = [pytest.mark.postgres, pytest.mark.spark]

PIPELINE = """\
pipeline: a
sources: {a: {type: postgres, connection: db, table: t}}
destination: {table: mart.a, mode: replace}
"""
CONNECTION = 'connections:\n  db: {type: postgres, url: "${DB_URL}"}\n'
ROWS = 40_000
TABLE = f"""\
CREATE TABLE t (
  id bigint, small smallint, "a b" integer, r real, d double precision, t text, v varchar(80),
  n numeric(20,5), b boolean, day date, at timestamp, tz timestamptz, bytes bytea);
INSERT INTO t
  SELECT i, i % 100, -i, (i / 3.0)::real, i / 7.0::float8, repeat('x', 60) || i, 'é' || i, i * 1.00001,
    i % 2 = 0, DATE '1500-01-01' + i, TIMESTAMP '1582-10-01 00:00:00.000001' + i * INTERVAL '1 hour',
    TIMESTAMPTZ '1900-01-01 00:00:00+00' + i * INTERVAL '1 day', decode(lpad(to_hex(i), 8, '0'), 'hex')
  FROM generate_series(1, {ROWS}) AS i;
INSERT INTO t VALUES (NULL);
INSERT INTO t (id, r, d, t, n, day, at, tz) VALUES
  (0, 'NaN', 'Infinity', '', -0.00001, '0001-01-01', '9999-12-31 23:59:59.999999', '0001-01-01 00:00+00'),
  (-1, '-0', 5e-324, E'\\n', 999999999999999.99999, '9999-12-31', '2026-03-29 02:30', '2026-03-29 02:30+01')
"""
CHILD = """\
import json, sys
from pathlib import Path
from datetime import UTC, datetime
import psycopg
from sluiceway.connectors.base import Read
from sluiceway.run.resolve import engine_settings, open_engine, open_source
from sluiceway.run.runner import run
from sluiceway.spec.pipeline import PipelineConfig
from sluiceway.spec.project import find_pipeline, load_project
from sluiceway.spec.resolve import resolve

folder, url = Path(sys.argv[1]), sys.argv[2]
project = load_project(folder)
pipeline = resolve(PipelineConfig.load(find_pipeline(project, "a")), project, "spark")
engine = open_engine(engine_settings(pipeline), folder / ".sluiceway/staging/by-hand")
source = open_source(pipeline, "a", datetime.now(UTC))
native = engine.adopt(source.locate(Read()))
with psycopg.connect(url, autocommit=True) as con:  # rows that change while they are read
    con.execute("INSERT INTO t (id) VALUES (-5)")
    con.execute("UPDATE t SET id = id + 1000000 WHERE id <= 5000")
    con.execute("DELETE FROM t WHERE id BETWEEN 20000 AND 20100")
found = engine.query(f"SELECT count(*), count(DISTINCT id), min(id), max(id) FROM ({native}) AS _a")
parts = engine.connection.sql(native).rdd.getNumPartitions()
source.close()
result = run(pipeline)
engine.close()
print(json.dumps({"found": found, "parts": parts, "error": str(result.error or "")}))
"""


@pytest.fixture
def driver(drivers: list[Path]) -> Path:
    return next(jar for jar in drivers if jar.name.startswith("postgresql"))


def _project(make_project: Any, more: str = "") -> Any:
    settings = SETTINGS.replace('master: "local[2]"', f'master: "local[2]"{more}') + CONNECTION
    return make_project({"pipelines/a.yml": PIPELINE}, settings=settings)


def _alone(*words: str) -> subprocess.CompletedProcess[str]:
    """In a process of its own: the tests' Spark has no driver."""
    return subprocess.run(
        [sys.executable, "-c", *words],
        capture_output=True, text=True, check=False, cwd=ROOT, env=dict(os.environ),
    )  # fmt: skip


@pytest.mark.slow
def test_every_row_once_as_of_one_moment_and_the_same_values(
    postgres: Server, pg: str, make_project: Any, driver: Path
) -> None:
    postgres.execute(*TABLE.split(";\n"), database=pg)
    project = _project(make_project, f", conf: {{spark.jars: {driver}}}")
    done = _alone(CHILD, str(project.folder), postgres.url_of(pg))
    assert done.returncode == 0, done.stderr[-3000:]
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["parts"] > 1
    # as it was before the rows changed: 1..ROWS, 0, -1 and NULL
    assert told["found"] == [[ROWS + 3, ROWS + 2, -1, ROWS]]
    assert told["error"] == ""
    assert run(project.resolve("a", "embedded")).error is None
    shape, rows = table(project.folder / "spark.duckdb")
    wanted_shape, wanted = table(project.folder / "embedded.duckdb")
    assert shape == wanted_shape
    assert len(rows) == ROWS + 3 + 1 - 101
    assert rows == wanted


LEFT = [
    "id int",  # small
    "id int, j json",
    "id int, e mood",
    "id int, c char(10)",
    "id int, a int[]",
    "id int, u uuid",
    "id int, h time",
    "id int, v interval",
]


@pytest.mark.parametrize("columns", LEFT)
def test_what_is_not_known_to_be_right_is_left_to_the_embedded_engine(
    postgres: Server, pg: str, make_project: Any, columns: str
) -> None:
    postgres.execute("CREATE TYPE mood AS ENUM ('x')", f"CREATE TABLE t ({columns})", database=pg)
    if columns != "id int":
        postgres.execute("INSERT INTO t SELECT i FROM generate_series(1, 150000) AS i", database=pg)
    assert located(_project(make_project)) is None
    busy = "SELECT count(*) FROM pg_stat_activity WHERE state = 'idle in transaction'"
    assert postgres.execute(busy, database=pg) == [(0,)], "a snapshot is still held"


@pytest.mark.slow
def test_nan_is_refused_by_name(postgres: Server, pg: str, make_project: Any, driver: Path) -> None:
    postgres.execute(
        "CREATE TABLE t (id int, amount numeric(12,2))",
        "INSERT INTO t SELECT i, 1 FROM generate_series(1, 200000) AS i",
        "UPDATE t SET amount = 'NaN' WHERE id = 77",
        database=pg,
    )
    project = _project(make_project, f", conf: {{spark.jars: {driver}}}")
    assert located(project) is not None
    code = "import sys; from sluiceway.cli.app import invoke; sys.exit(invoke(sys.argv[1:]))"
    done = _alone(code, "run", "a", "--project", str(project.folder), "--env", "spark", "--json")
    assert done.returncode == 1, done.stderr[-2000:]
    error = json.loads(done.stdout)["error"]
    assert "NaN can't be read as DECIMAL(12,2)" in error["message"]
    assert "Traceback" not in done.stderr
    assert os.environ["DB_URL"].split(":")[2].split("@")[0] not in done.stdout + done.stderr


# queries, and MySQL --------------------------------------------------------------------------------------

READING = "executors read over JDBC, in 1 parts"
TO_BOTH = """\
project: test
environments:
  embedded:
    warehouse: {type: duckdb, path: embedded.duckdb}
  spark:
    engine: {type: spark}
    warehouse: {type: duckdb, path: spark.duckdb}
connections:
  pg: {type: postgres, url: "${DB_URL}"}
  my: {type: mysql, url: "${DB_URL}"}
"""
IN_MYSQL = [
    """CREATE TABLE t (
  id bigint, yes tinyint(1), ti tinyint, tu tinyint unsigned, su smallint unsigned, mi mediumint,
  iu int unsigned, bu bigint unsigned, wide decimal(38,10), n decimal(10,2), f float, d double,
  v varchar(20), l varchar(9) character set latin1, c char(5), lt longtext, vb varbinary(4), bb blob,
  da date, dt datetime(6), whole datetime, ts timestamp(6) NULL, ye year, en enum('x','y'),
  se set('p','q'), `a.b"` int)""",
    """INSERT INTO t SELECT seq, seq % 2, -(seq % 100), seq % 256, seq * 60, -seq, seq * 100000,
  seq * 1000000000000000, seq / 7, seq / 3, seq / 3, seq / 7e0, concat('é', seq), 'ü', 'a ', repeat('x', seq),
  x'00ff', x'27', DATE_ADD('1500-01-01', INTERVAL seq * 17 DAY),
  DATE_ADD('1582-10-01 00:00:00.000001', INTERVAL seq * 37 HOUR), '2026-03-29 02:30:00',
  FROM_UNIXTIME(seq * 3600000.5), 2000 + seq % 50, 'x', 'p,q', seq FROM seq_1_to_300""",
    "INSERT INTO t (id) VALUES (NULL)",
    """INSERT INTO t VALUES (-9223372036854775808, 1, -128, 255, 65535, -8388608, 4294967295,
  18446744073709551615, -1234567890123456789012345678.0123456789, -0.01, -0.0, 5e-324, '\\n', '', '', '😀',
  '', '', '0001-01-01', '9999-12-31 23:59:59.999999', '1000-01-01', '2038-01-19 03:14:07.999999', 1901, 'y',
  '', NULL)""",
    """INSERT INTO t (id, f, d, da, dt) VALUES
  (5, 3.4028234e38, 1.7976931348623157e308, '9999-12-31', '0001-01-01 00:00:00'),
  (6, 1.1754944e-38, -0.0, '0000-01-15', '2026-01-01'), (7, 0.1, 0.1, '1582-10-10', '1582-10-10 10:10:10')""",
]
OF_MYSQL = (
    "SELECT id, yes, ti, tu, bu, wide, n, f, d, v, c, lt, da, dt, ts, ye, en, 'lit' AS l, 1.5 AS half, "
    "1/3 AS q, f * 2 AS ff, avg(d) OVER () AS av FROM t"
)
IN_POSTGRES = [
    (
        "CREATE TABLE t (id bigint, n numeric(20,5), day date, at timestamp, tz timestamptz, t text, "
        "b bytea, r real)"
    ),
    (
        "INSERT INTO t SELECT i, i / 3.0, DATE '1500-01-01' + i, TIMESTAMP '1582-10-01 00:00:00.000001' + "
        "i * INTERVAL '1 hour', TIMESTAMPTZ '1900-01-01' + i * INTERVAL '1 day', 'é' || i, '\\x00', i / 3.0 "
        "FROM generate_series(1, 300) AS i"
    ),
    "INSERT INTO t VALUES (NULL)",
    (
        "INSERT INTO t (id, day, at, tz) VALUES (-1, 'infinity', '-infinity', 'infinity'), "
        "(-2, '-infinity', 'infinity', '-infinity')"
    ),
]
SOURCES = [
    pytest.param("mariadb", IN_MYSQL, "type: mysql, connection: my, table: t", id="mysql-table"),
    pytest.param("mariadb", IN_MYSQL, f'type: mysql, connection: my, query: "{OF_MYSQL}"', id="mysql-query"),
    pytest.param(
        "postgres", IN_POSTGRES,
        "type: postgres, connection: pg, query: \"SELECT *, 'x' AS l FROM t WHERE id IS NULL OR id <> 7\"",
        id="postgres-query",
    ),
]  # fmt: skip


def _both(make_project: Any, source: str, more: str = "") -> Any:
    pipeline = (
        f"pipeline: a\nsources: {{a: {{{source}}}}}\n{more}destination: {{table: mart.a, mode: replace}}\n"
    )
    return make_project({"pipelines/a.yml": pipeline}, settings=TO_BOTH)


@pytest.mark.slow
@pytest.mark.mysql
@pytest.mark.parametrize(("server", "statements", "source"), SOURCES)
def test_what_one_task_reads_is_cell_for_cell_the_same(
    request: pytest.FixtureRequest,
    jdbc_child: Child,
    make_project: Any,
    server: str,
    statements: list[str],
    source: str,
) -> None:
    there: Server = request.getfixturevalue(server)
    name = there.create_database()
    there.execute(*statements, database=name)
    project = _both(make_project, source)
    for environment in ("embedded", "spark"):
        told = jdbc_child.ask(
            "run", folder=str(project.folder), name="a", environment=environment, url=there.url_of(name)
        )
        assert told["error"] == ""
        assert (READING in told["said"]) == (environment == "spark")
    shape, rows = table(project.folder / "spark.duckdb")
    assert (shape, rows) == table(project.folder / "embedded.duckdb")
    assert len(rows) > 300


@pytest.mark.slow
@pytest.mark.mysql
@pytest.mark.parametrize(
    ("server", "source"),
    [
        ("postgres", ('type: postgres, connection: pg, query: "SELECT i AS id, random() AS r '
                     'FROM generate_series(1, 200) AS i"')),
        ("mariadb", 'type: mysql, connection: my, query: "SELECT seq AS id, rand() AS r FROM seq_1_to_200"'),
    ],
)  # fmt: skip
def test_a_query_is_asked_once_however_often_its_rows_are_looked_at(
    request: pytest.FixtureRequest, jdbc_child: Child, make_project: Any, server: str, source: str
) -> None:
    there: Server = request.getfixturevalue(server)
    url = there.url_of(there.create_database())
    step = "SELECT x.id, x.r, y.r AS again FROM a AS x JOIN a AS y ON x.id = y.id"
    project = _both(make_project, source, f"transform:\n  - sql: {step}\n")
    told = jdbc_child.ask("run", folder=str(project.folder), name="a", environment="spark", url=url)
    assert told["error"] == ""
    assert READING in told["said"]
    with open_duckdb() as con:
        con.execute(f"ATTACH '{project.folder}/spark.duckdb' AS w (READ_ONLY)")
        counted = con.execute(
            "SELECT count(*), count(DISTINCT r), count(*) FILTER (r <> again) FROM w.mart.a"
        )
        assert counted.fetchall() == [(200, 200, 0)]


@pytest.mark.mysql
@pytest.mark.parametrize(
    ("columns", "more"),
    [
        ("id int, h time", ""),
        ("id int, b bit(9)", ""),
        ("id int, g geometry", ""),
        ("id int, u uuid", ""),
        ("id int, day date", ", zero_dates: as_null"),
        ("id int", ", columns: {id: VARCHAR}"),
    ],
)
def test_what_is_not_known_to_be_right_of_mysql_is_left_to_the_embedded_engine(
    mariadb: Server, maria: str, make_project: Any, columns: str, more: str
) -> None:
    mariadb.execute(f"CREATE TABLE t ({columns})", database=maria)
    project = _both(make_project, f"type: mysql, connection: my, table: t{more}")
    assert located(project) is None
