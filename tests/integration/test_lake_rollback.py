"""Undo on a lake: the old content, exactly, in a new snapshot; the old cursor; no run undone by surprise."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pytest
from tests.conformance.harness import TABLE, Session, Warehouse

from sluiceway.errors import DestinationError
from sluiceway.exchange import Cursor, Scd2

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def warehouse(tmp_path: Path) -> Warehouse:
    return Warehouse("ducklake", {"type": "ducklake", "path": "lake"}, tmp_path)


def mark(value: str) -> Cursor:
    return Cursor("orders", "at", "VARCHAR", value)


def undo(s: Session, run_id: str, *, force: bool = False, keep_cursor: bool = False) -> None:
    receipt = s.sink.rollback(run_id, new_run_id=f"undo-{run_id}", force=force, keep_cursor=keep_cursor)
    assert (receipt.run_id, receipt.mode) == (f"undo-{run_id}", "rollback")
    assert s.sink.receipts(run_id=run_id)[0].rolled_back


ROWS = "SELECT range::INTEGER AS id, 'v' || range AS name, range % 3 AS n FROM range(200)"


@pytest.mark.parametrize(
    ("mode", "sql", "options"),
    [
        ("append", "SELECT 7::INTEGER AS id, 'again' AS name, 1::BIGINT AS n", {}),
        ("replace", "SELECT 7::INTEGER AS id, 'alone' AS name, 1::BIGINT AS n", {}),
        ("merge", "SELECT range::INTEGER AS id, 'm' AS name, 9 AS n FROM range(150, 250)", {"key": ("id",)}),
        (
            "append",
            "SELECT 1::INTEGER AS id, 'x' AS name, 1::BIGINT AS n, 5 AS more",
            {"add_columns": {"more": "INTEGER"}},
        ),
    ],
)
def test_a_rollback_brings_back_exactly_what_was(
    warehouse: Warehouse, mode: str, sql: str, options: dict[str, object]
) -> None:
    with warehouse.session() as s:
        s.publish(ROWS, "r1", cursors=(mark("one"),))
        before, columns = s.rows(), s.sink.columns(TABLE)
        receipt = s.publish(sql, "r2", mode, cursors=(mark("two"),), bad=["b"], **options)
        assert s.rows() != before
        undo(s, "r2")
        assert s.rows() == before
        assert s.sink.columns(TABLE) == columns
        assert s.sink.state("p") == (mark("one"),)
        assert [row[2] for row in s.quarantined()] == ["discarded"]
        undone = s.sink.receipts(run_id="undo-r2")[0]
        assert int(undone.snapshot or 0) > int(receipt.snapshot or 0)
        s.publish(sql, "r3", mode, **options)  # and the table goes on
        assert s.rows() != before


def test_scd2_is_undone_with_its_closed_versions(warehouse: Warehouse) -> None:
    options = Scd2(effective_at="since", late="split")
    with warehouse.session() as s:
        first = "SELECT range AS id, 1 AS v, TIMESTAMP '2026-01-01' AS since FROM range(50)"
        s.publish(first, "r1", "scd2", key=("id",), scd2=options)
        before = s.rows()
        second = "SELECT range AS id, 2 AS v, TIMESTAMP '2026-02-01' AS since FROM range(10, 20)"
        s.publish(second, "r2", "scd2", key=("id",), scd2=options)
        undo(s, "r2")
        assert s.rows() == before


def test_the_first_run_of_a_table_is_undone_by_dropping_it(warehouse: Warehouse) -> None:
    with warehouse.session() as s:
        s.publish(ROWS, "r1", cursors=(mark("one"),))
        undo(s, "r1")
        assert s.sink.columns(TABLE) is None
        assert s.sink.state("p") == ()
        s.publish(ROWS, "r2")
        assert sum(s.rows().values()) == 200


def test_later_runs_forbid_it_until_they_are_undone(warehouse: Warehouse) -> None:
    with warehouse.session() as s:
        for n in (1, 2, 3):
            s.publish(f"SELECT {n}::INTEGER AS id", f"r{n}", cursors=(mark(str(n)),))
        before = s.rows()
        with pytest.raises(DestinationError, match="r3") as caught:
            s.sink.rollback("r2", new_run_id="u", force=False, keep_cursor=False)
        assert "--force" in str(caught.value)
        assert s.rows() == before
        assert s.sink.state("p") == (mark("3"),)
        undo(s, "r3")
        undo(s, "r2")
        assert s.rows() == Counter([(1,)])
        assert s.sink.state("p") == (mark("1"),)
        with pytest.raises(DestinationError, match="rolled back already"):
            s.sink.rollback("r2", new_run_id="u", force=False, keep_cursor=False)
        with pytest.raises(DestinationError, match="is a rollback itself"):
            s.sink.rollback("undo-r2", new_run_id="u", force=False, keep_cursor=False)
        with pytest.raises(DestinationError, match="no receipt"):
            s.sink.rollback("nobody", new_run_id="u", force=False, keep_cursor=False)


def test_force_undoes_the_later_runs_too(warehouse: Warehouse) -> None:
    with warehouse.session() as s:
        for n in (1, 2, 3):
            s.publish(f"SELECT {n}::INTEGER AS id", f"r{n}", cursors=(mark(str(n)),))
        undo(s, "r2", force=True)
        assert s.rows() == Counter([(1,)])
        assert s.sink.receipts(run_id="r3")[0].rolled_back
        assert not s.sink.receipts(run_id="r1")[0].rolled_back
        assert s.sink.state("p") == (mark("1"),)


def test_the_cursor_stays_where_that_is_asked(warehouse: Warehouse) -> None:
    with warehouse.session() as s:
        s.publish(ROWS, "r1", cursors=(mark("one"),))
        s.publish(ROWS, "r2", cursors=(mark("two"),))
        undo(s, "r2", keep_cursor=True)
        assert s.sink.state("p") == (mark("two"),)


def test_a_write_that_is_no_run_forbids_it(warehouse: Warehouse) -> None:
    with warehouse.session() as s:
        s.publish(ROWS, "r1")
        s.publish(ROWS, "r2")
        s.engine.connection.execute("UPDATE _warehouse.mart.orders SET name = 'hand' WHERE id = 3")
        before = s.rows()
        with pytest.raises(DestinationError, match="no runs"):
            s.sink.rollback("r2", new_run_id="u", force=False, keep_cursor=False)
        assert s.rows() == before


def test_replayed_rows_wait_again(warehouse: Warehouse) -> None:
    with warehouse.session() as s:
        s.publish(ROWS, "r1", bad=["x", "y"])
        ids = tuple(row[0] for row in s.quarantined())
        s.publish(ROWS, "r2", replays=ids[:1])
        assert [row[2] for row in s.quarantined()] == ["replayed", "waiting"]
        undo(s, "r2")
        assert [row[2] for row in s.quarantined()] == ["waiting", "waiting"]


def test_other_tables_are_left_alone(warehouse: Warehouse) -> None:
    from sluiceway.schema import TableName

    other = TableName("mart", "other")
    with warehouse.session() as s:
        s.publish(ROWS, "r1")
        s.publish(ROWS, "r2")
        s.publish(ROWS, "r3", table=other, pipeline="q")
        undo(s, "r2")
        assert sum(s.rows().values()) == 200
        assert sum(s.rows(other).values()) == 200


def test_by_a_connection_of_its_own_as_the_command_line_does(warehouse: Warehouse) -> None:
    with warehouse.session() as s:
        s.publish(ROWS, "r1")
        before = s.rows()
        s.publish(ROWS, "r2")
    sink = warehouse.sink()
    sink.open(None)
    try:
        sink.rollback("r2", new_run_id="u", force=False, keep_cursor=False)
    finally:
        sink.close()
    with warehouse.session() as s:
        assert s.rows() == before
