"""A run into a Delta or Iceberg table is undone by one more commit."""

from __future__ import annotations

from typing import Any

import pytest
from tests.integration.databases import into, write_parquet

from sluiceway.errors import DestinationError
from sluiceway.run.quarantine import replay
from sluiceway.run.rollback import rollback

pytestmark = [pytest.mark.spark, pytest.mark.slow]

ROWS = [(1, "a", 10, "2026-01-01"), (2, "b", 20, "2026-01-02"), (3, "c", -1, "2026-01-02")]
INCREMENTAL = into("merge", "type: parquet, path: data/a.parquet, incremental: {cursor: id}")


def _back(project: Any, run_id: str, **options: Any) -> Any:
    return rollback(project.resolve("a").project, None, run_id, **options)


def _state(project: Any) -> list[str | None]:
    with project.opened() as (sink, _):
        return [c.value for c in sink.state("a")]


def test_the_last_run_is_undone(tables: Any) -> None:
    """Rows, cursor and quarantine are what they were, and what came with it can be loaded again."""
    project = tables({"pipelines/a.yml": INCREMENTAL})
    write_parquet(project.folder / "data/a.parquet", ROWS[:1])
    first = project.run("a")
    assert first.error is None
    before = project.rows("mart.a")
    write_parquet(project.folder / "data/a.parquet", ROWS)
    second = project.run("a")
    assert (second.error, second.records.published, second.records.quarantined) == (None, 1, 1)
    assert _state(project) == ["3"]
    commits = project.commits("mart.a")
    receipt = _back(project, second.run_id)
    assert project.commits("mart.a") == commits + 1
    assert project.rows("mart.a") == before
    assert _state(project) == ["1"]
    assert project.query("SELECT status FROM {q}") == [("discarded",)]
    with project.opened() as (sink, _):
        there = {r.run_id: (r.mode, r.rolled_back) for r in sink.receipts()}
        assert receipt.snapshot == sink.kind.head(project.table("mart.a"))
    assert there == {
        first.run_id: ("merge", False), second.run_id: ("merge", True), receipt.run_id: ("rollback", False),
    }  # fmt: skip
    with pytest.raises(DestinationError, match="rolled back already"):
        _back(project, second.run_id)
    again = project.run("a")
    assert (again.records.published, again.records.quarantined) == (1, 1)
    assert len(project.rows("mart.a")) == 2


def test_not_over_what_others_did_since_unless_forced(tables: Any) -> None:
    project = tables({"pipelines/a.yml": into("append")})
    write_parquet(project.folder / "data/a.parquet", ROWS)
    first = project.run("a")
    ids = [row[0] for row in project.query("SELECT quarantine_id FROM {q}")]
    project.write("pipelines/a.yml", into("append").replace("min: 0", "min: -1"))
    second = replay(project.resolve("a"), ids=ids)
    assert second.error is None
    with pytest.raises(DestinationError, match=second.run_id):
        _back(project, first.run_id)
    assert len(project.rows("mart.a")) == 3
    project.frame("mart.a").limit(1).write.format(project.kind).mode("append").save(
        str(project.table("mart.a"))
    )
    with pytest.raises(DestinationError, match="a write that is no run"):
        _back(project, second.run_id)
    assert len(project.rows("mart.a")) == 4
    _back(project, second.run_id, force=True)
    assert project.rows("mart.a", "id") == [(1,), (2,)]
    assert project.query("SELECT status FROM {q}") == [("waiting",)]
    _back(project, first.run_id, force=True, keep_cursor=True)
    assert project.rows("mart.a") == []
