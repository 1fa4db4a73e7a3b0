"""The same pipeline into a Delta or Iceberg table as into DuckDB's: rows, quarantine, counts and checks."""

from __future__ import annotations

from typing import Any

import pytest

from sluiceway.testing import PIPELINES, same_on, write_sources

pytestmark = [pytest.mark.spark, pytest.mark.slow]


@pytest.mark.parametrize("name", ["aggregated", "cast", "derived", "judged", "merged"])
def test_rows_and_quarantine_are_those_of_the_embedded_engine(tables: Any, name: str) -> None:
    project = tables({f"pipelines/{name}.yml": PIPELINES[name].text})
    settings = (project.folder / "sluiceway.yml").read_text()
    project.write(
        "sluiceway.yml", settings + "  embedded:\n    warehouse: {type: duckdb, path: embedded.duckdb}\n"
    )
    left = same_on(
        project.folder, name, "embedded", "dev", runs=PIPELINES[name].runs,
        before=lambda batch: write_sources(project.folder, batch=batch),
    )  # fmt: skip
    assert len(left.rows) > 1
    if name in ("judged", "merged"):
        assert left.quarantine
