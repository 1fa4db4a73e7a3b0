"""Tables of a warehouse that Spark reads from their files, and those that it must not read so."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from tests.integration.databases import write_parquet

from sluiceway.duck import load_extension, open_duckdb
from sluiceway.schema import TableName

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.spark

WAREHOUSES = {
    "lake": "{type: ducklake, path: lake}",
    "files": "{type: parquet, path: out}",
}
SETTINGS = """\
project: test
environments:
  dev:
    engine: {type: spark, master: "local[2]"}
    warehouse: WAREHOUSE
"""
LOAD = """\
pipeline: load
sources: {a: {type: parquet, path: data/a.parquet}}
rules:
  - unique: id
    on_fail: quarantine
destination: {table: mart.a, mode: append}
"""
CHILDREN = """\
pipeline: children
sources: {b: {type: parquet, path: data/b.parquet}}
rules:
  - relationships: {column: id, to: mart.a.id}
    on_fail: quarantine
destination: {table: mart.b, mode: replace}
"""


def _rows(*ids: int) -> list[tuple[Any, ...]]:
    return [(i, "x", 2 * i, "2026-01-01") for i in ids]


def _project(make_project: Any, warehouse: str) -> Any:
    files = {"pipelines/load.yml": LOAD, "pipelines/children.yml": CHILDREN}
    project = make_project(files, settings=SETTINGS.replace("WAREHOUSE", WAREHOUSES[warehouse]))
    write_parquet(project.folder / "data/a.parquet", _rows(*range(100)))
    assert project.run("load").error is None
    return project


def _located(project: Any) -> Any:
    with project.opened() as (sink, _):
        return sink.locate(TableName.parse("mart.a"))


@contextmanager
def _lake(project: Any) -> Iterator[Any]:
    """The lake as a stranger has it: with DuckLake's own defaults."""
    with open_duckdb() as con:
        for name in ("ducklake", "sqlite_scanner"):
            load_extension(con, name)
        folder = project.folder / "lake"
        con.execute(f"ATTACH 'ducklake:sqlite:{folder}/catalog.sqlite' AS lake (META_JOURNAL_MODE 'WAL')")
        yield con


def _published(project: Any, *ids: int) -> set[int]:
    """Which of these children have a parent, by what Spark sees of the table."""
    write_parquet(project.folder / "data/b.parquet", _rows(*ids))
    result = project.run("children")
    assert result.error is None
    return {row[0] for row in project.rows("mart.b", "id")}


@pytest.mark.usefixtures("spark")
@pytest.mark.parametrize("warehouse", WAREHOUSES)
def test_plain_files_are_read_as_they_are(make_project: Any, warehouse: str) -> None:
    project = _project(make_project, warehouse)
    write_parquet(project.folder / "data/a.parquet", _rows(99, 100))
    again = project.run("load")  # unique over target and batch: Spark looks into the table
    assert (again.error, again.records.published, again.records.quarantined) == (None, 1, 1)
    location = _located(project)
    assert location is not None
    assert len(location.paths) == 2
    assert _published(project, 1, 99, 100, 101) == {1, 99, 100}


_ALTER = "ALTER TABLE lake.mart.a"
_REWRITE = "CALL ducklake_rewrite_data_files('lake', 'a', schema => 'mart', delete_threshold => 0)"
CHANGES = {
    "deleted": ("DELETE FROM lake.mart.a WHERE id < 50", {60}),
    "one deleted, in the catalog alone": ("DELETE FROM lake.mart.a WHERE id = 7", {1, 60}),
    "inserted into the catalog alone": ("INSERT INTO lake.mart.a SELECT 500, 'x', 5, NULL", {1, 7, 60, 500}),
    "both, so that the number of rows is right": (
        "DELETE FROM lake.mart.a WHERE id = 7; INSERT INTO lake.mart.a SELECT 500, 'x', 5, NULL",
        {1, 60, 500},
    ),
    "updated": ("UPDATE lake.mart.a SET id = id + 1000 WHERE id = 7", {1, 60}),
    "another column of that name": (
        f"{_ALTER} RENAME COLUMN id TO old; {_ALTER} ADD COLUMN id INTEGER DEFAULT 7",
        {7},
    ),
    "two columns that changed their names": (
        f"{_ALTER} RENAME COLUMN v TO w; {_ALTER} RENAME COLUMN id TO v; {_ALTER} RENAME COLUMN w TO id",
        {60},
    ),
    "deleted, and the files written anew": (
        f"DELETE FROM lake.mart.a WHERE id = 7; CALL ducklake_flush_inlined_data('lake'); {_REWRITE}",
        {1, 60},
    ),
}


@pytest.mark.usefixtures("spark")
@pytest.mark.parametrize("change", CHANGES)
def test_rows_that_are_no_longer_there_do_not_come_back(make_project: Any, change: str) -> None:
    project = _project(make_project, "lake")
    statements, there = CHANGES[change]
    with _lake(project) as con:
        for statement in statements.split("; "):
            con.execute(statement)
        seen = {row[0] for row in con.execute("SELECT id FROM lake.mart.a").fetchall()}
    assert seen & {1, 7, 60, 500} == there
    assert _published(project, 1, 7, 60, 500) == there


def test_a_column_that_came_later_is_not_looked_for_in_older_files(make_project: Any) -> None:
    project = _project(make_project, "lake")
    assert _located(project) is not None
    with _lake(project) as con:
        con.execute("ALTER TABLE lake.mart.a ADD COLUMN country VARCHAR DEFAULT 'nl'")
    assert _located(project) is None


@pytest.mark.parametrize("file", ["SELECT 1::BIGINT AS id", "SELECT 1::INTEGER AS id, 'x' AS name"])
def test_files_of_another_shape_are_left_to_the_embedded_engine(make_project: Any, file: str) -> None:
    project = _project(make_project, "files")
    assert _located(project) is not None
    with open_duckdb() as con:
        con.execute(f"COPY ({file}) TO '{project.folder}/out/mart/a/of_a_stranger.parquet'")
    assert _located(project) is None
