"""Roll a run back on a lake: a new snapshot in which its table is what it was before the run.

Only the rows that changed since are touched: their ids come from the lake's own change feed, their old
content from the snapshot before the run. That content is copied aside before the transaction begins:
inside a transaction that changed a table, reading an older version of it gives wrong rows.
"""

# ruff: noqa: SLF001  this is half of DuckLakeSink, in a file of its own for its length

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sluiceway.connectors import ledger
from sluiceway.connectors.loading import DUCKDB
from sluiceway.duck import ident, literal, relation
from sluiceway.errors import DestinationError
from sluiceway.exchange import Receipt
from sluiceway.schema import TableName

if TYPE_CHECKING:
    import duckdb

    from sluiceway.connectors.ducklake import DuckLakeSink

__all__ = ["undo"]

_TOUCHED = "temp._sluiceway_touched"
_BEFORE = "temp._sluiceway_before"
_WRITES = (
    "tables_inserted_into", "tables_deleted_from", "inlined_insert", "inlined_delete", "tables_altered",
)  # fmt: skip


@dataclass(frozen=True)
class _Run:
    run_id: str
    pipeline: str
    snapshot: int
    undo: str


@dataclass
class _Plan:
    """``existed``: the table stood before the run. ``added``: columns that came since."""

    runs: tuple[_Run, ...]
    existed: bool = False
    added: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()


def undo(sink: DuckLakeSink, run_id: str, *, new_run_id: str, force: bool, keep_cursor: bool) -> Receipt:
    """See ``Sink.rollback``."""
    receipt = ledger.to_undo(sink.receipts(run_id=run_id), run_id)
    table = TableName.parse(receipt.table)
    plan = _Plan(())

    def setup(con: duckdb.DuckDBPyConnection) -> None:
        nonlocal plan
        plan = _Plan(_runs(sink, con, receipt, force=force))
        _copy_aside(sink, con, table, plan)

    def work(con: duckdb.DuckDBPyConnection) -> Receipt:
        _restore_rows(sink, con, table, plan)
        _restore_ledger(sink, con, plan, new_run_id, keep_cursor=keep_cursor)
        made = Receipt(
            run_id=new_run_id, pipeline=receipt.pipeline, table=receipt.table, mode="rollback",
            published=0, quarantined=0, snapshot=sink._snapshot_next(con),
            published_at=datetime.now(UTC).replace(tzinfo=None),
        )  # fmt: skip
        con.execute(ledger.write_receipt(DUCKDB, sink._place, made, ledger.undo_json(())))
        sink._message(con, new_run_id, receipt.pipeline, f"rollback of {run_id}")
        return made

    try:
        return sink._transact(f"rollback of {run_id}", work, setup)
    finally:
        for name in (_TOUCHED, _BEFORE):
            sink._con.execute(f"DROP TABLE IF EXISTS {name}")


def _runs(
    sink: DuckLakeSink, con: duckdb.DuckDBPyConnection, receipt: Receipt, *, force: bool
) -> tuple[_Run, ...]:
    """The run and those after it on its table, oldest first. Under the writer lock."""
    rows = con.execute(
        f"SELECT run_id, pipeline, CAST(snapshot AS BIGINT), undo FROM {relation(*sink._place('receipts'))} "
        "WHERE table_name = ? AND NOT rolled_back AND mode <> 'rollback' "
        "AND CAST(snapshot AS BIGINT) >= ? ORDER BY 3",
        [receipt.table, int(receipt.snapshot or 0)],
    ).fetchall()
    runs = tuple(_Run(*row) for row in rows)
    if not runs or runs[0].run_id != receipt.run_id:
        raise DestinationError(f"run {receipt.run_id} is rolled back already")
    foreign = _foreign(sink, con, TableName.parse(receipt.table), runs[0].snapshot)
    if not force and (len(runs) > 1 or foreign):
        others = [run.run_id for run in runs[1:]] + [f"{foreign} writes that are no runs"] * bool(foreign)
        raise DestinationError(
            f"{receipt.table} was changed after run {receipt.run_id}: {', '.join(others)}",
            hint=f"roll those back first, or undo them too: sluiceway rollback {receipt.run_id} --force",
        )
    return runs


def _foreign(sink: DuckLakeSink, con: duckdb.DuckDBPyConnection, table: TableName, snapshot: int) -> int:
    """Snapshots since that changed the table and that we did not write."""
    ids = con.execute(
        f"SELECT DISTINCT t.table_id FROM {ident(sink.alias)}.table_info() AS t WHERE t.table_name = ?",
        [table.name],
    ).fetchall()
    changed = " OR ".join(f"list_has_any(COALESCE(changes[{literal(kind)}], []), $ids)" for kind in _WRITES)
    rows = con.execute(
        f"SELECT count(*) FROM {ident(sink.alias)}.snapshots() "
        f"WHERE snapshot_id > $snapshot AND author IS DISTINCT FROM 'sluiceway' AND ({changed})",
        {"snapshot": snapshot, "ids": [str(row[0]) for row in ids]},
    ).fetchall()
    return int(rows[0][0])


def _copy_aside(sink: DuckLakeSink, con: duckdb.DuckDBPyConnection, table: TableName, plan: _Plan) -> None:
    import duckdb

    first = plan.runs[0]
    name = relation(*sink._parts(table))
    old = f"{name} AT (VERSION => {first.snapshot - 1})"
    try:
        described = con.execute(f"DESCRIBE SELECT * FROM {old}").fetchall()
    except duckdb.CatalogException:  # the run made the table
        return
    except (duckdb.InvalidInputException, duckdb.BinderException) as error:
        raise DestinationError(
            f"{table}: the snapshot before run {first.run_id} is gone, so its content is too",
            hint="it was expired by maintenance; load again with run --full-refresh",
        ) from error
    now = sink._describe(con, table)
    if now is None:
        raise DestinationError(f"{table} does not exist any more")
    if "rowid" in now:
        raise DestinationError(
            f"{table} has a column 'rowid', which hides the lake's own; it can't be rolled back",
            hint="load again with run --full-refresh",
        )
    plan.existed = True
    plan.columns = tuple(row[0] for row in described)
    plan.added = tuple(c for c in now.names if c not in plan.columns)
    con.execute(
        f"CREATE OR REPLACE TEMP TABLE _sluiceway_touched AS SELECT DISTINCT rowid AS id FROM "
        f"ducklake_table_changes({literal(sink.alias)}, {literal(table.namespace)}, {literal(table.name)}, "
        f"{first.snapshot}, {sink._snapshot(con)})"
    )
    con.execute(
        f"CREATE OR REPLACE TEMP TABLE _sluiceway_before AS SELECT * FROM {old} "
        f"WHERE rowid IN (SELECT id FROM {_TOUCHED})"
    )


def _restore_rows(sink: DuckLakeSink, con: duckdb.DuckDBPyConnection, table: TableName, plan: _Plan) -> None:
    name = relation(*sink._parts(table))
    if not plan.existed:
        con.execute(f"DROP TABLE {name}")
        return
    columns = ", ".join(map(ident, plan.columns))
    con.execute(f"DELETE FROM {name} WHERE rowid IN (SELECT id FROM {_TOUCHED})")
    con.execute(f"INSERT INTO {name} ({columns}) SELECT {columns} FROM {_BEFORE}")
    for column in plan.added:
        con.execute(f"ALTER TABLE {name} DROP COLUMN {ident(column)}")


def _restore_ledger(
    sink: DuckLakeSink,
    con: duckdb.DuckDBPyConnection,
    plan: _Plan,
    new_run_id: str,
    *,
    keep_cursor: bool,
) -> None:
    now = datetime.now(UTC)
    receipts, quarantine, state = (
        relation(*sink._place(name)) for name in ("receipts", "quarantine", "state")
    )
    undone = [run.run_id for run in plan.runs]
    con.execute(f"UPDATE {receipts} SET rolled_back = TRUE WHERE run_id IN (SELECT unnest(?))", [undone])
    con.execute(
        f"UPDATE {quarantine} SET status = 'discarded' "
        "WHERE status = 'waiting' AND run_id IN (SELECT unnest(?))",
        [undone],
    )
    pipelines: dict[str, Any] = {}
    for run in plan.runs:
        cursors, replays = ledger.undo_of(run.undo)
        pipelines.setdefault(run.pipeline, cursors)
        if replays:  # they are not in the table any more
            con.execute(
                f"UPDATE {quarantine} SET status = 'waiting' "
                "WHERE status = 'replayed' AND quarantine_id IN (SELECT unnest(?))",
                [list(replays)],
            )
    if keep_cursor:
        return
    for pipeline, cursors in pipelines.items():
        con.execute(f"DELETE FROM {state} WHERE pipeline = ?", [pipeline])
        for sql in ledger.write_state(DUCKDB, sink._place, pipeline, cursors, new_run_id, now):
            con.execute(sql)
