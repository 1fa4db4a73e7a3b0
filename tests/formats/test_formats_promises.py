"""The gate before a Delta or Iceberg table: what is published, and what must not be."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.integration.databases import into, write_parquet

from sluiceway.errors import DataQualityError, DestinationError, PlanError
from sluiceway.run.quarantine import discard, replay

pytestmark = [pytest.mark.spark, pytest.mark.slow]

ROWS = [(1, "a", 10, "2026-01-01"), (2, "b", 20, "2026-01-02"), (3, "c", -1, "2026-01-02")]


def test_a_blocked_run_leaves_the_table_as_it_was(tables: Any) -> None:
    """Nor does it leave a receipt, or anything lying about."""
    project = tables({"pipelines/a.yml": into("append")})
    write_parquet(project.folder / "data/a.parquet", ROWS)
    assert project.run("a").error is None
    before, commits = project.rows("mart.a"), project.commits("mart.a")
    project.write("pipelines/a.yml", into("append").replace("on_fail: quarantine", "on_fail: block"))
    blocked = project.run("a")
    assert isinstance(blocked.error, DataQualityError)
    assert project.rows("mart.a") == before
    assert project.commits("mart.a") == commits
    with project.opened() as (sink, _):
        assert len(sink.receipts()) == 1
        assert list((sink.places.system / "intents").iterdir()) == []
        assert list((sink.places.system / "staging").iterdir()) == []


def test_a_type_that_would_come_back_as_another_is_refused(tables: Any) -> None:
    small = "transform: [{derive: {small: 'CAST(id AS USMALLINT)'}}]\n        rules:"
    project = tables({"pipelines/a.yml": into("append").replace("rules:", small)})
    write_parquet(project.folder / "data/a.parquet", ROWS)
    with pytest.raises(PlanError, match="small") as caught:
        project.run("a")
    assert "cast it to INTEGER" in str(caught.value.hint)
    assert not project.exists("mart.a")


def test_new_and_wider_columns_come_with_the_rows(tables: Any) -> None:
    evolving = into("append").replace("mart.a}", "mart.a, schema_contract: evolve}")
    project = tables({"pipelines/a.yml": evolving})
    write_parquet(project.folder / "data/a.parquet", ROWS[:1])
    assert project.run("a").error is None
    write_parquet(
        project.folder / "data/a.parquet",
        [(2, "b", 3_000_000_000, "2026-01-02")],
        ", DATE '2026-02-01' AS due",
    )
    result = project.run("a")
    assert result.error is None
    assert project.rows("mart.a", "id, v, due::VARCHAR") == [(1, 10, None), (2, 3_000_000_000, "2026-02-01")]


def test_a_value_that_does_not_fit_is_kept_beside_its_row(tables: Any) -> None:
    text = into("append").replace("mart.a}", "mart.a, schema_contract: {data_type: discard_value}}")
    project = tables({"pipelines/a.yml": text})
    write_parquet(project.folder / "data/a.parquet", ROWS[:1])
    assert project.run("a").error is None
    write_parquet(project.folder / "data/a.parquet", [(2, "b", 3_000_000_000, "2026-01-02")])
    result = project.run("a")
    assert result.error is None
    assert project.rows("mart.a", "id, v") == [(1, 10), (2, None)]
    assert project.query("SELECT \"row\" ->> 'v', source FROM {q}") == [("3000000000", "discarded v")]


def test_rows_turned_away_come_back_by_replay_or_go(tables: Any) -> None:
    project = tables({"pipelines/a.yml": into("append")})
    write_parquet(project.folder / "data/a.parquet", [*ROWS, (4, "d", -2, "2026-01-03")])
    first = project.run("a")
    assert (first.records.published, first.records.quarantined) == (2, 2)
    ids = project.query("SELECT quarantine_id, \"row\" ->> 'id' FROM {q} ORDER BY 2")
    project.write("pipelines/a.yml", into("append").replace("min: 0", "min: -1"))
    result = replay(project.resolve("a"), ids=[ids[0][0]])
    assert result.error is None
    assert project.rows("mart.a", "id, v") == [(1, 10), (2, 20), (3, -1)]
    pipeline = project.resolve("a")
    assert discard(pipeline.project, None, ids=[ids[1][0]]) == 1
    found = project.query("SELECT \"row\" ->> 'id', status FROM {q} ORDER BY 1")
    assert found == [("3", "replayed"), ("4", "discarded")]


def test_a_run_is_published_once(tables: Any) -> None:
    """The same order again gives the old receipt and changes nothing."""
    project = tables({"pipelines/a.yml": into("append")})
    write_parquet(project.folder / "data/a.parquet", ROWS)
    result = project.run("a")
    log = {"delta": "_delta_log", "iceberg": "metadata"}[project.kind]
    texts = [f.read_text("utf-8") for f in (project.table("mart.a") / log).glob("*.json")]
    assert any(result.run_id in text for text in texts), "the commit names its run"
    with project.opened() as (sink, _):
        (receipt,) = sink.receipts(run_id=result.run_id)
        assert receipt.snapshot == sink.kind.head(project.table("mart.a"))
        assert sink.kind.committed(project.table("mart.a"), result.run_id, None) == receipt.snapshot
        assert sink.kind.committed(project.table("mart.a"), "another", None) is None
        with pytest.raises(PlanError, match="is read and written by Spark"):
            sink.columns(_name("mart.a"))


def _name(text: str) -> Any:
    from sluiceway.schema import TableName

    return TableName.parse(text)


def test_text_with_a_bad_line_and_a_cursor(tables: Any) -> None:
    """What the embedded engine reads beside Spark: its refusals and its mark reach the table's side too."""
    pipeline = """\
        pipeline: a
        sources:
          a: {type: csv, path: data/a.csv, columns: {id: INTEGER, name: VARCHAR}, on_bad_row: quarantine,
              incremental: {cursor: id}}
        destination: {table: mart.a}
        """
    project = tables({"pipelines/a.yml": pipeline, "data/a.csv": "id,name\n1,it's \\ é\nx,b\n2,c\n"})
    first = project.run("a")
    assert first.error is None
    assert (first.records.published, first.records.rejected) == (2, 1)
    assert project.rows("mart.a") == [(1, "it's \\ é"), (2, "c")]
    assert [json.loads(row)["text"] for (row,) in project.query('SELECT "row" FROM {q}')] == ["x,b"]
    project.write("data/a.csv", "id,name\n2,c\n")
    again = project.run("a")
    assert (again.error, again.records.published) == (None, 0)
    assert project.rows("mart.a", "count(*)") == [(2,)]
    project.write("data/a.csv", "id,name\n2,c\n3,d\n")
    assert project.run("a").records.published == 1
    with project.opened() as (sink, _):
        assert [(c.source, c.value) for c in sink.state("a")] == [("a", "3")]
        assert len(sink.receipts("a")) == 3


def test_a_table_s_own_rows_are_looked_at(tables: Any) -> None:
    """`unique` over what stands and the batch; `relationships` to another table of the warehouse."""
    project = tables(
        {
            "pipelines/a.yml": into("append").replace(
                "rules:", "rules:\n          - unique: id\n            on_fail: quarantine"
            ),
            "pipelines/b.yml": into("append")
            .replace("pipeline: a", "pipeline: b")
            .replace("mart.a", "mart.b")
            .replace(
                "rules:",
                "rules:\n          - relationships: {column: id, to: mart.a.id}\n"
                "            on_fail: quarantine",
            ),
        }
    )
    write_parquet(project.folder / "data/a.parquet", ROWS[:1])
    assert project.run("a").records.published == 1
    write_parquet(project.folder / "data/a.parquet", ROWS[:2])
    second = project.run("a")
    assert (second.error, second.records.published, second.records.quarantined) == (None, 1, 1)
    write_parquet(project.folder / "data/a.parquet", [*ROWS[:2], (9, "z", 1, "2026-01-01")])
    children = project.run("b")
    assert (children.error, children.records.published, children.records.quarantined) == (None, 2, 1)
    assert project.rows("mart.b", "id") == [(1,), (2,)]


def test_history_with_deletes_and_late_rows(tables: Any) -> None:
    """scd2 with `on_delete: close` and `late: split`, one commit for all of it."""
    pipeline = into("scd2").replace("effective_at: seen", "effective_at: seen, late: split, on_delete: close")
    project = tables({"pipelines/a.yml": pipeline})
    write_parquet(project.folder / "data/a.parquet", ROWS[:2])
    assert project.run("a").error is None
    commits = project.commits("mart.a")
    write_parquet(project.folder / "data/a.parquet", [(1, "early", 9, "2025-12-01")])
    assert project.run("a").error is None
    assert project.commits("mart.a") == commits + 1
    found = project.rows("mart.a", "id, name, valid_from::DATE::VARCHAR, valid_to::DATE::VARCHAR")
    closed = found[-1]
    assert found[:-1] == [(1, "a", "2026-01-01", None), (1, "early", "2025-12-01", "2026-01-01")]
    assert closed[:3] == (2, "b", "2026-01-02")
    assert closed[3] is not None


def test_a_name_that_a_folder_can_t_have(tables: Any) -> None:
    project = tables({"pipelines/a.yml": into("append").replace("mart.a", "_sluiceway.receipts")})
    write_parquet(project.folder / "data/a.parquet", ROWS)
    with pytest.raises((PlanError, DestinationError)):
        project.run("a")
    assert not (project.folder / "lake/_sluiceway/receipts/_delta_log").exists()
