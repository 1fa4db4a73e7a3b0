"""Delta and Iceberg tables as sources."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from tests.integration.databases import into, write_parquet

from sluiceway.connectors.base import Read
from sluiceway.engines.base import EngineSettings
from sluiceway.engines.spark import SparkEngine
from sluiceway.errors import PlanError
from sluiceway.run.resolve import open_source

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.spark, pytest.mark.slow]

ROWS = [(i, "x", i, f"2026-01-0{i}") for i in range(1, 6)]


def _source(kind: str, more: str = "") -> str:
    where = {"delta": "path: lake/mart/a", "iceberg": "path: lake, table: mart.a"}[kind]
    return f"type: {kind}, {where}{more}"


def _loaded(tables: Any, more: str = "") -> Any:
    project = tables({"pipelines/a.yml": into("append")})
    copy = into("append", _source(project.kind, more)).replace("pipeline: a", "pipeline: b")
    project.write(
        "pipelines/b.yml",
        copy.replace("table: mart.a,", "table: mart.a,").replace("{table: mart.a}", "{table: mart.b}"),
    )
    write_parquet(project.folder / "data/a.parquet", ROWS[:3])
    assert project.run("a").error is None
    return project


def test_rows_that_came_since(tables: Any) -> None:
    project = _loaded(tables, ", incremental: {cursor: seen}, filters: v <> 2")
    first = project.run("b")
    assert (first.error, first.records.published) == (None, 2)
    write_parquet(project.folder / "data/a.parquet", ROWS[3:])
    assert project.run("a").error is None
    second = project.run("b")
    assert (second.error, second.records.published) == (None, 2)
    assert project.rows("mart.b", "id") == [(1,), (3,), (4,), (5,)]


def test_a_version_and_some_columns(tables: Any) -> None:
    project = _loaded(tables)
    with project.opened() as (sink, _):
        old = sink.receipts()[0].snapshot
    write_parquet(project.folder / "data/a.parquet", ROWS[3:])
    assert project.run("a").error is None
    text = into("append", _source(project.kind, f", version: {old}, columns: {{id: BIGINT, v: INTEGER}}"))
    project.write(
        "pipelines/b.yml",
        text.replace("pipeline: a", "pipeline: b").replace("{table: mart.a}", "{table: mart.b}"),
    )
    result = project.run("b")
    assert result.error is None
    assert project.rows("mart.b") == [(1, 1), (2, 2), (3, 3)]


def test_one_snapshot_for_the_whole_run(tables: Any, spark: Any, tmp_path: Path) -> None:
    """What is appended after a run looked at the schema is of the next run."""
    project = _loaded(tables)
    engine = SparkEngine()
    engine.connect(EngineSettings("spark"), tmp_path / "staging" / "run")
    try:
        source = open_source(project.resolve("b"), "a", datetime.now(UTC), engine=engine)
        assert source.schema().names == ("id", "name", "v", "seen")
        write_parquet(project.folder / "data/a.parquet", ROWS[3:])
        assert project.run("a").error is None
        sql = source.native_scan(engine, Read())
        assert engine.query(f"SELECT count(*) FROM ({sql}) AS _r") == [(3,)]
        assert len(project.rows("mart.a")) == 5
    finally:
        engine.close()


def test_a_table_that_is_not_there(tables: Any) -> None:
    project = _loaded(tables)
    project.write(
        "pipelines/b.yml", (project.folder / "pipelines/b.yml").read_text().replace("lake", "nowhere")
    )
    with pytest.raises(PlanError):
        project.run("b")
    assert not (project.folder / "nowhere/mart").exists()
