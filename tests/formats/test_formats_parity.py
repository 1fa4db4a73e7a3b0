"""The same pipeline into a Delta or Iceberg table as into DuckDB's: rows, quarantine, counts and checks."""

from __future__ import annotations

from typing import Any

import pytest
from tests.conformance.engines.emulated import PIPELINES, facts, write_sources

from sluiceway.duck import open_duckdb
from sluiceway.run.runner import run

pytestmark = [pytest.mark.spark, pytest.mark.slow]

TURNED_AWAY = 'SELECT reasons, "row", types, phase, source FROM {q} ORDER BY ALL'


@pytest.mark.parametrize("name", ["cast", "derived", "aggregated", "judged", "merged"])
def test_rows_and_quarantine_are_those_of_the_embedded_engine(tables: Any, name: str) -> None:
    project = tables({f"pipelines/{name}.yml": PIPELINES[name]})
    settings = (project.folder / "sluiceway.yml").read_text()
    project.write(
        "sluiceway.yml", settings + "  embedded:\n    warehouse: {type: duckdb, path: embedded.duckdb}\n"
    )
    write_sources(project.folder)
    wanted, found = (run(project.resolve(name, env)) for env in ("embedded", "dev"))
    assert facts(found) == facts(wanted)
    with open_duckdb() as con:
        con.register("ours", project.frame(f"mart.{name}").toArrow())
        con.execute(f"ATTACH '{project.folder}/embedded.duckdb' AS w (READ_ONLY)")
        rows = [
            con.execute(f"SELECT t::VARCHAR FROM {of} AS t ORDER BY 1").fetchall()
            for of in (f"w.mart.{name}", "ours")
        ]
        turned = con.execute(TURNED_AWAY.format(q="w._sluiceway.quarantine")).fetchall()
    assert rows[1] == rows[0]
    assert len(rows[0]) > 1
    assert (project.query(TURNED_AWAY) if turned else []) == turned
