"""A profile where rows lie in a database: by DuckDB's own reach, and inside an engine that isn't DuckDB."""

from __future__ import annotations

from typing import Any

import pytest
from tests.integration.databases import TO_POSTGRES

from sluiceway.quality.profile import profile
from sluiceway.spec.project import load_project

INSIDE = TO_POSTGRES.replace("    warehouse:", "    engine: warehouse\n    warehouse:")
FILES = {
    "pipelines/a.yml": "pipeline: a\nsources: {a: {type: csv, path: data/a.csv, "
    "columns: {id: BIGINT, v: VARCHAR}}}\ndestination: {table: mart.a}\n",
    "data/a.csv": "id,v\n" + "".join(f"{i},x{i % 3}\n" for i in range(90)),
}


@pytest.mark.postgres
@pytest.mark.parametrize("settings", [TO_POSTGRES, INSIDE], ids=["beside", "inside"])
def test_a_table_of_postgresql(pg: str, make_project: Any, settings: str) -> None:
    made = make_project(FILES, settings=settings)
    assert made.run("a").error is None
    found = profile("mart.a", project=load_project(made.folder))
    assert (found.rows, found["id"].distinct, found["id"].maximum) == (90, 90, 89)
    assert {t.value: t.count for t in found["v"].top} == {"x0": 30, "x1": 30, "x2": 30}
    assert found["id"].monotonic is None  # a table's rows have no order
    brought = [note for note in found.notes if "brought from" in note]
    assert bool(brought) == (settings is INSIDE)


@pytest.mark.spark
def test_a_file_and_a_dataset_with_spark(spark: Any, make_project: Any) -> None:
    made = make_project(FILES, settings="project: t\nenvironments: {dev: {engine: spark}}\n")
    assert made.run("a").error is None
    project = load_project(made.folder)
    for target in ("mart.a", str(made.folder / "data" / "a.csv")):
        found = profile(target, project=project)
        assert (found.rows, found["id"].distinct, found["v"].distinct) == (90, 90, 3), target
        assert any("brought from spark" in note for note in found.notes), target
