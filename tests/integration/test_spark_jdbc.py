"""A table of PostgreSQL that executors read in parts over JDBC: one snapshot, the same values."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.integration.killing import ROOT
from tests.integration.spark_parity import SETTINGS, located, table

from sluiceway.run.runner import run

if TYPE_CHECKING:
    from scripts.servers import Server

pytest.importorskip("pyspark", reason="no Spark: pyspark is not installed")
pytestmark = [pytest.mark.postgres, pytest.mark.spark]

DRIVER = "org.postgresql:postgresql:42.7.8"
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


@pytest.fixture(scope="session")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The driver's jar, by Maven's own client."""
    if os.environ.get("SLUICEWAY_SERVERS") == "off" or not shutil.which("mvn"):
        pytest.skip("no JDBC driver: there is no mvn to fetch it")
    folder = tmp_path_factory.mktemp("jars")
    done = subprocess.run(
        ["mvn", "-q", "-B", "dependency:copy", f"-Dartifact={DRIVER}", f"-DoutputDirectory={folder}"],
        capture_output=True, text=True, check=False, cwd=folder,
    )  # fmt: skip
    jars = list(folder.glob("*.jar"))
    if not jars:
        pytest.skip(f"no JDBC driver: {done.stdout[-300:]}")
    return jars[0]


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
