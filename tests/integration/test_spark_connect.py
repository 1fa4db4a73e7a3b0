"""Spark Connect: the same runs on a server that another process owns, beside a Spark of one's own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.integration.databases import MODES, into
from tests.integration.spark_cluster import connect_server, free_port
from tests.integration.spark_parity import SETTINGS, on_both
from tests.integration.test_run_databases import loads
from tests.integration.test_spark_faults import STEPS
from tests.integration.test_spark_values import TYPES, _parquet

from sluiceway.errors import PlanError
from sluiceway.run.runner import run

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytest.importorskip("grpc", reason="no Spark Connect: pip install 'sluiceway[spark-connect]'")
pytestmark = [pytest.mark.spark, pytest.mark.slow]


@pytest.fixture(scope="module")
def remote(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    port = free_port()
    with connect_server(tmp_path_factory.mktemp("connect"), port):
        yield f"sc://127.0.0.1:{port}"


def _settings(remote: str, more: str = "") -> str:
    return SETTINGS.replace('master: "local[2]"', f'remote: "{remote}"{more}')


@pytest.mark.parametrize("mode", MODES)
def test_each_mode_into_the_lake(remote: str, make_project: Any, mode: str) -> None:
    settings = f"""\
project: test
environments:
  dev:
    engine: {{type: spark, remote: "{remote}"}}
    warehouse: {{type: ducklake, path: lake}}
"""
    loads(make_project({"pipelines/a.yml": into(mode)}, settings=settings), mode)


PIPELINE = """\
pipeline: a
sources: {a: SOURCE}
rules:
  - not_null: k
  - unique: k
  - range: {column: k, min: 2}
    on_fail: quarantine
destination: {table: mart.a, mode: replace}
"""


def test_values_of_all_types(remote: str, make_project: Any) -> None:
    text = PIPELINE.replace("SOURCE", "{type: parquet, path: a.parquet}")
    project = make_project({"pipelines/a.yml": text}, settings=_settings(remote))
    columns = ", ".join(f"{value} AS {name}" for name, value in TYPES.items())
    _parquet(project.folder, f"SELECT row_number() OVER () AS k, * FROM (SELECT {columns})")
    both = on_both(project)
    assert len(both.same()) == 6
    assert both.spark.records.quarantined == 1


def test_text_files_and_a_python_step_on_the_server(remote: str, make_project: Any) -> None:
    text = PIPELINE.replace("SOURCE", "{type: csv, path: data/*.csv}")
    steps = "transform:\n  - python: {function: 'steps:FUNCTION'}\nrules:"
    project = make_project(
        {
            "pipelines/a.yml": text.replace("rules:", steps.replace("FUNCTION", "keep"), 1),
            "steps.py": STEPS.replace('"id"', '"k"'),
            "data/1.csv": "k,t\n1,a\n2,b\n",
            "data/2.csv": "k,t\n7,\n",
        },
        settings=_settings(remote),
    )
    assert len(on_both(project).same()) == 2
    project.write("pipelines/a.yml", text.replace("rules:", steps.replace("FUNCTION", "add"), 1))
    outcome = run(project.resolve("a", "spark"))
    assert outcome.error is not None
    assert outcome.error.message == "the python step steps:add failed: ValueError: seven is not wanted"
    assert outcome.error.hint == "look at steps.py:7"


def test_it_goes_beside_a_spark_of_the_process(remote: str, spark: Any, make_project: Any) -> None:
    """pyspark's own builder would turn the whole process to Connect."""
    test_values_of_all_types(remote, make_project)
    assert spark.sql("SELECT 1").collect()[0][0] == 1
    assert spark.newSession().range(3).count() == 3


def test_what_only_a_driver_can_set_is_refused(remote: str, make_project: Any, tmp_path: Path) -> None:
    text = PIPELINE.replace("SOURCE", "{type: parquet, path: a.parquet}")
    settings = _settings(remote, ", conf: {spark.executor.memory: 2g}")
    project = make_project({"pipelines/a.yml": text}, settings=settings)
    _parquet(project.folder, "SELECT 1 AS k")
    with pytest.raises(PlanError, match=r"spark\.executor\.memory"):
        run(project.resolve("a", "spark"))


def test_a_server_of_a_local_spark_publishes_by_this_machine(remote: str, tmp_path: Path) -> None:
    """What counts is the server's master, not the door."""
    from sluiceway.engines.base import EngineSettings
    from sluiceway.engines.spark import SparkEngine

    engine = SparkEngine()
    engine.connect(EngineSettings("spark", options={"remote": remote}), tmp_path / "staging" / "run")
    try:
        assert engine.delivery(engine.stage("result", "SELECT id FROM range(3)")) is None
    finally:
        engine.close()
