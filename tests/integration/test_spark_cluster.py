"""A standalone cluster: a worker that dies takes no row with it, and none comes twice."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from tests.integration.killing import ROOT
from tests.integration.spark_cluster import Cluster, cluster, until

from sluiceway.duck import open_duckdb
from sluiceway.engines.base import EngineSettings
from sluiceway.engines.spark_session import open_session
from sluiceway.errors import PlanError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [pytest.mark.spark, pytest.mark.slow]

ROWS = 2_000_000
FILES = 8
SETTINGS = """\
project: test
environments:
  dev:
    engine: {engine}
    warehouse: {{type: ducklake, path: lake}}
"""
PIPELINE = """\
pipeline: a
sources: {a: {type: parquet, path: data}}
rules:
  - not_null: id
  - unique: id
  - range: {column: v, min: 3}
    on_fail: quarantine
destination: {table: mart.a, mode: MODE}
"""


@pytest.fixture(scope="module")
def spark_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with cluster(tmp_path_factory.mktemp("cluster")) as made:
        yield made


def _data(folder: Path, rows: int = ROWS) -> None:
    folder.mkdir()
    with open_duckdb() as con:
        for n in range(FILES):
            con.execute(
                f"COPY (SELECT range AS id, range % 100 AS v, sha256(range::VARCHAR) AS text FROM range({n}, "
                f"{rows}, {FILES})) TO '{folder}/{n}.parquet'"
            )


def _begin(folder: Path) -> subprocess.Popen[str]:
    """A run in a process of its own: the tests' has a Spark already."""
    code = "import sys; from sluiceway.cli.app import invoke; sys.exit(invoke(sys.argv[1:]))"
    return subprocess.Popen(
        [sys.executable, "-c", code, "run", "a", "--project", str(folder), "--json"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT,
        env={**os.environ, "SPARK_LOCAL_IP": "127.0.0.1"},
    )  # fmt: skip


def _ended(process: subprocess.Popen[str]) -> dict[str, Any]:
    out, err = process.communicate(timeout=300)
    assert "Traceback" not in err, err
    document: dict[str, Any] = json.loads(out)
    return document


def _staged(folder: Path) -> list[Path]:
    """What Spark writes of the result: attempts at first, then the files themselves."""
    return list(folder.glob(".sluiceway/staging/*/result/**/*.parquet"))


def test_a_worker_killed_in_the_middle_of_staging_loses_and_doubles_nothing(
    spark_cluster: Cluster, make_project: Any
) -> None:
    project = make_project(
        {"pipelines/a.yml": PIPELINE.replace("MODE", "append")},
        settings=SETTINGS.format(engine=spark_cluster.settings),
    )
    _data(project.folder / "data")
    running = _begin(project.folder)
    until(lambda: bool(_staged(project.folder)) or running.poll() is not None, "Spark to stage", seconds=120)
    assert not list(project.folder.glob(".sluiceway/staging/*/result/_SUCCESS")), "it was over already"
    spark_cluster.kill(0)
    document = _ended(running)
    assert document["error"] is None
    log = (project.folder / ".sluiceway/staging/spark.log").read_text(errors="replace")
    assert "Lost executor" in log, "the kill hit no executor of this run"
    records = document["records"]
    assert (records["staged"], records["published"], records["quarantined"]) == (
        ROWS, ROWS * 97 // 100, ROWS * 3 // 100,
    )  # fmt: skip
    assert project.query("SELECT count(*), count(DISTINCT id), sum(id), min(v) FROM {t}", "mart.a") == [
        (ROWS * 97 // 100, ROWS * 97 // 100, sum(i for i in range(ROWS) if i % 100 >= 3), 3)
    ]
    turned = "SELECT count(*), count(DISTINCT json_extract_string(row, '$.id')) FROM {q}"
    assert project.query(turned) == [(ROWS * 3 // 100, ROWS * 3 // 100)]
    assert list((project.folder / ".sluiceway/staging").glob("*/")) == []


def test_executors_that_do_not_share_the_staging_folder_stop_the_run(
    tmp_path: Path, make_project: Any
) -> None:
    """Spark itself calls that a success, with no row to show for it."""
    if os.geteuid() != 0 or not shutil.which("unshare"):
        pytest.skip("needs root and unshare, to give a worker a file system of its own")
    project = make_project({"pipelines/a.yml": PIPELINE.replace("MODE", "append")})
    _data(project.folder / "data", 1000)
    staging = project.folder / "elsewhere"
    staging.mkdir()
    apart = ["unshare", "--mount", "sh", "-c", f'mount -t tmpfs none "{staging}" && exec "$@"', "sh"]
    with cluster(tmp_path / "cluster", workers=0) as alone:
        alone.worker(before=apart)
        engine = alone.settings.replace("{type: spark", f"{{type: spark, staging: {staging}")
        project.write("sluiceway.yml", SETTINGS.format(engine=engine))
        document = _ended(_begin(project.folder))
    assert document["success"] is False
    assert document["error"]["type"] == "EngineError"
    assert "Spark staged 1,000 rows, and 0 of them are in" in document["error"]["message"]
    assert "engine.staging" in document["error"]["hint"]
    assert not project.exists("mart.a")


TEXT = """\
pipeline: a
sources: {a: {type: csv, path: data}}
destination: {table: mart.a}
"""


@pytest.mark.parametrize("there", ["other rows", "nothing"])
def test_text_files_are_read_by_executors_that_see_them(
    tmp_path: Path, make_project: Any, there: str
) -> None:
    """A worker has other files of the same names and sizes: then whose rows come says who read them.
    Where it has none, this machine reads."""
    if os.geteuid() != 0 or not shutil.which("unshare"):
        pytest.skip("needs root and unshare, to give a worker a file system of its own")
    files = {f"data/{n}.csv": f"k,t\n{n},here\n" for n in range(2)}
    project = make_project({"pipelines/a.yml": TEXT, **files})
    data, other = project.folder / "data", tmp_path / "other"
    other.mkdir()
    if there == "other rows":
        for n in range(2):
            (other / f"{n}.csv").write_text(f"k,t\n{n},away\n")
    apart = ["unshare", "--mount", "sh", "-c", f'mount --bind "{other}" "{data}" && exec "$@"', "sh"]
    with cluster(tmp_path / "cluster", workers=0) as alone:
        alone.worker(before=apart)
        project.write("sluiceway.yml", SETTINGS.format(engine=alone.settings))
        document = _ended(_begin(project.folder))
    assert document["error"] is None
    who = "away" if there == "other rows" else "here"
    assert project.rows("mart.a") == [(0, who), (1, who)]


@pytest.mark.usefixtures("spark")
def test_a_spark_of_another_master_is_not_joined(spark_cluster: Cluster, tmp_path: Path) -> None:
    settings = EngineSettings("spark", options={"master": spark_cluster.master})
    with pytest.raises(PlanError, match=r"has a Spark of local.* already, and engine.master says spark://"):
        open_session(settings, tmp_path / "spark.log")
