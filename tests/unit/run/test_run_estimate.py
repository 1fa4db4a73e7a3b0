"""What a run is guessed to take: the rows are what metadata says, and each verdict names what to change."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sluiceway.duck import open_duckdb
from sluiceway.run.estimate import Estimate, advice, width
from sluiceway.run.explain import explain
from sluiceway.schema import Schema
from sluiceway.spec.pipeline import PipelineConfig
from sluiceway.spec.project import load_project
from sluiceway.spec.resolve import resolve

if TYPE_CHECKING:
    from pathlib import Path

GB = 10**9


@pytest.mark.parametrize(
    ("guess", "engine", "said", "hinted"),
    [
        (Estimate(10, GB, 4 * GB, GB, 9 * GB), "duckdb", "fits in memory", False),
        (Estimate(10, 6 * GB, 4 * GB, 3 * GB, 9 * GB, "join"), "duckdb", "spills about 2.0 GB", False),
        (Estimate(10, 50 * GB, 4 * GB, 48 * GB, 90 * GB, "join"), "duckdb", "one machine will be slow", True),
        (Estimate(10, GB, 4 * GB, 30 * GB, 9 * GB), "duckdb", "one machine will not do", True),
        (Estimate(None, 0, 4 * GB, 0, 9 * GB), "duckdb", "not known", False),
        (Estimate(10, 50 * GB, 4 * GB, 30 * GB, 9 * GB), "spark", "staged by spark", False),
    ],
)
def test_the_verdict_and_what_to_change(guess: Estimate, engine: str, said: str, hinted: bool) -> None:
    words, hint = advice(guess, engine=engine, environment="prod")
    assert words.startswith(said) or said in words
    assert (hint is not None) == hinted
    if hint is not None:
        assert "sluiceway.yml" in hint
        assert "environments.prod.engine" in hint


def _project(
    folder: Path, steps: str = "", settings: str = "project: t\n", rows: int = 100_000
) -> dict[str, object]:
    (folder / "sluiceway.yml").write_text(settings, encoding="utf-8")
    with open_duckdb() as con:
        con.execute(f"COPY (SELECT range AS id, range % 7 AS k FROM range({rows})) TO '{folder}/a.parquet'")
        con.execute(f"COPY (SELECT range AS id FROM range(5000)) TO '{folder}/b.csv' (HEADER)")
    (folder / "p.yml").write_text(
        "pipeline: p\nsources:\n  a: {type: parquet, path: a.parquet}\n  b: {type: csv, path: b.csv}\n"
        f"{steps}rules: [{{unique: id}}]\ndestination: {{table: mart.p}}\n",
        encoding="utf-8",
    )
    project = load_project(folder)
    guess = explain(resolve(PipelineConfig.load(folder / "p.yml"), project, None, {}))["estimate"]
    assert isinstance(guess, dict)
    return guess


def test_rows_are_those_of_the_footers(tmp_path: Path) -> None:
    guess = _project(tmp_path)
    assert guess["rows"] == 100_000
    assert guess["heaviest"] == "unique:id"


def test_a_limit_of_memory_is_held_against_what_a_join_keeps(tmp_path: Path) -> None:
    steps = "transform:\n  - join: {with: a, on: id, from: b, columns: [k]}\n"
    settings = "project: t\nenvironments: {dev: {engine: {type: duckdb, memory_limit: 60MB}}}\n"
    guess = _project(tmp_path, steps, settings, 2_000_000)
    assert guess["memory"] == 60_000_000
    assert guess["heaviest"] == "join"
    # the joined side, all of it, and not the side that streams
    assert guess["working"] == 2_000_000 * (width(Schema.of({"id": "BIGINT", "k": "BIGINT"})) + 24)
    assert "spills" in str(guess["said"])
