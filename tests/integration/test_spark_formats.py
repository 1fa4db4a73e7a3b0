"""Delta Lake and Iceberg: refused where they can't be, and their tests on a Spark that has jars for them."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from tests.integration.databases import into, write_parquet

from sluiceway.engines.spark_errors import _told
from sluiceway.errors import EngineError, PlanError

ROOT = Path(__file__).resolve().parents[2]
ROWS = [(1, "a", 10, "2026-01-01")]


@pytest.mark.slow
@pytest.mark.spark
@pytest.mark.parametrize("which", ["not chaos", pytest.param("chaos", marks=pytest.mark.chaos)])
def test_delta_and_iceberg_on_a_spark_that_they_have_jars_for(which: str) -> None:
    """tests/formats, in an environment with pyspark 4.1."""
    if os.environ.get("SLUICEWAY_SERVERS") == "off":
        pytest.skip("no Spark 4.1: SLUICEWAY_SERVERS=off")
    from scripts import servers, spark41

    try:
        servers.install("java")
        python = spark41.install()
    except servers.ServerUnavailableError as error:
        pytest.skip(f"no Spark 4.1: {error}")
    # pyspark 4.1 leaves sockets to the garbage collector, so warnings are no errors
    done = subprocess.run(
        [python, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "default", "-m", which,
         "tests/formats"],
        cwd=ROOT, capture_output=True, text=True, check=False,
        env={k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "PYTHONWARNINGS")},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
    summary = done.stdout.splitlines()[-1]
    assert "passed" in summary, done.stdout
    assert "skipped" not in summary, done.stdout


@pytest.mark.parametrize("kind", ["delta", "iceberg"])
def test_another_engine_is_told_what_to_write(make_project: Any, kind: str) -> None:
    settings = f"project: test\nenvironments:\n  dev: {{warehouse: {{type: {kind}, path: lake}}}}\n"
    project = make_project({"pipelines/a.yml": into("append")}, settings=settings)
    write_parquet(project.folder / "data/a.parquet", ROWS)
    with pytest.raises(PlanError, match=f"a {kind} warehouse is written by spark") as caught:
        project.run("a")
    assert "engine: {type: spark" in str(caught.value.hint)
    assert not (project.folder / "lake").exists()
    where = {"delta": "path: lake/mart/a", "iceberg": "path: lake, table: mart.a"}[kind]
    source = into("append", f"type: {kind}, {where}")
    project = make_project({"pipelines/a.yml": source})
    with pytest.raises(PlanError, match=f"a {kind} table is read and written by Spark"):
        project.run("a")


@pytest.mark.slow
@pytest.mark.spark
@pytest.mark.usefixtures("spark")
@pytest.mark.parametrize("kind", ["delta", "iceberg"])
def test_a_spark_without_the_format_is_told_what_to_write(make_project: Any, kind: str) -> None:
    settings = (
        'project: test\nenvironments:\n  dev:\n    engine: {type: spark, master: "local[2]"}\n'
        f"    warehouse: {{type: {kind}, path: lake}}\n"
    )
    project = make_project({"pipelines/a.yml": into("append")}, settings=settings)
    write_parquet(project.folder / "data/a.parquet", ROWS)
    with pytest.raises(PlanError, match=f"this Spark has no {kind}") as caught:
        project.run("a")
    assert {"delta": "delta-spark_", "iceberg": "iceberg-spark-runtime-"}[kind] in str(caught.value.hint)
    assert not (project.folder / "lake/mart").exists()


def test_a_jar_for_another_spark_is_named() -> None:
    pytest.importorskip("pyspark", reason="no Spark: pyspark is not installed")
    text = (
        "An error occurred while calling o43.sql.\n: java.lang.NoSuchMethodError: 'void org.apache.spark.sql."
        "execution.LogicalRDD.<init>(scala.collection.immutable.Seq)'\n\tat org.apache.spark.sql.delta.util"
    )
    told = _told(text)
    assert isinstance(told, EngineError)
    assert "made for another version than" in told.message
    assert "\tat" not in told.message
