"""Roll a run back in a table of a table format: one more commit, with the rows that stood before the run."""

# ruff: noqa: SLF001  this is a part of TableSink, in a file of its own for its length

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sluiceway.connectors import ledger
from sluiceway.connectors.durable import file_key, sync_folder, write_json
from sluiceway.connectors.filerecords import receipt_json, statuses_json
from sluiceway.connectors.tableformat import table_sql
from sluiceway.connectors.tablejournal import TableIntent
from sluiceway.duck import literal
from sluiceway.errors import DestinationError
from sluiceway.exchange import Cursor, Receipt
from sluiceway.schema import TableName

if TYPE_CHECKING:
    from sluiceway.connectors.filejournal import Places
    from sluiceway.connectors.tablesink import TableSink

__all__ = ["kept_for_undo", "undo", "undo_place"]


def undo_place(places: Places, run_id: str, table: str) -> Path:
    return places.system / "undo" / f"{file_key(f'{run_id}:{table}')}.json"


def kept_for_undo(since: str | None, cursors: Sequence[Cursor], replays: Sequence[str]) -> dict[str, Any]:
    """What a publish leaves for its rollback. ``since``: the snapshot with the run's columns and without
    its rows."""
    return {"since": since, "cursors": [asdict(c) for c in cursors], "replays": list(replays)}


def undo(sink: TableSink, run_id: str, *, new_run_id: str, force: bool, keep_cursor: bool) -> Receipt:
    """See ``Sink.rollback``. The caller holds the table's publish lock."""
    undone = _runs(sink, run_id, force=force)
    table = TableName.parse(undone[0].table)
    kept = [_kept(sink, receipt) for receipt in undone]
    relation = table_sql(sink._relation(table))
    statement = sink.kind.restore(sink._inside(), relation, kept[0]["since"])
    made = Receipt(
        run_id=new_run_id, pipeline=undone[0].pipeline, table=str(table), mode="rollback", published=0,
        quarantined=0, snapshot=None, published_at=datetime.now(UTC).replace(tzinfo=None),
    )  # fmt: skip
    folder = sink.places.staging(str(table)) / file_key(new_run_id)
    folder.mkdir(parents=True)
    try:
        beside = _beside(sink, folder, undone, kept, keep_cursor=keep_cursor)
    except BaseException:
        shutil.rmtree(sink.places.staging(str(table)), ignore_errors=True)
        raise
    intent = TableIntent(
        table=str(table),
        run_id=new_run_id,
        since=sink.kind.head(sink._live(table)),
        beside=beside,
        receipt=receipt_json(made),
    )
    return sink._commit(intent, statement)


def _runs(sink: TableSink, run_id: str, *, force: bool) -> list[Receipt]:
    """The run and those after it on its table, oldest first."""
    receipt = ledger.to_undo(sink.receipts(run_id=run_id), run_id)
    of_table = [r for r in sink.receipts() if r.table == receipt.table]
    live = [r for r in of_table if not r.rolled_back and r.mode != "rollback"]
    runs = [r for r in reversed(live) if (r.published_at, r.run_id) >= (receipt.published_at, receipt.run_id)]
    others = [r.run_id for r in runs[1:]]
    if of_table[0].snapshot != sink.kind.head(sink._live(TableName.parse(receipt.table))):
        others.append("a write that is no run")
    if others and not force:
        raise DestinationError(
            f"{receipt.table} was changed after run {run_id}: {', '.join(others)}",
            hint=f"roll those back first, or undo them too: sluiceway rollback {run_id} --force",
        )
    return runs


def _kept(sink: TableSink, receipt: Receipt) -> dict[str, Any]:
    path = undo_place(sink.places, receipt.run_id, receipt.table)
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DestinationError(
            f"{path} is gone, so nobody knows what stood before run {receipt.run_id}",
            hint="load again with run --full-refresh",
        ) from None
    return found


def _beside(
    sink: TableSink,
    folder: Path,
    undone: Sequence[Receipt],
    kept: Sequence[dict[str, Any]],
    *,
    keep_cursor: bool,
) -> tuple[tuple[str, str], ...]:
    """What the rollback shows beside the rows: receipts, quarantine and cursors as they are then."""
    places = sink.places
    texts: list[tuple[str, Any, Path]] = []
    for receipt, found in zip(undone, kept, strict=True):
        key = file_key(receipt.run_id)
        gone = receipt_json(replace(receipt, rolled_back=True))
        texts.append((f"receipt-{key}", gone, places.receipt(receipt.run_id, receipt.table)))
        if found["replays"]:  # they wait again: nothing says that they were replayed
            texts.append((f"replays-{key}", [], places.status(f"{receipt.run_id}:{receipt.table}")))
    if ids := _waiting(sink, undone):
        name = f"{undone[0].run_id}:rolled back:{undone[0].published_at}"
        texts.append(("discarded", statuses_json(ids, "discarded"), places.status(name)))
    if not keep_cursor:
        before = {r.pipeline: f["cursors"] for r, f in reversed(list(zip(undone, kept, strict=True)))}
        texts += [(f"state-{file_key(p)}", cursors, places.state(p)) for p, cursors in before.items()]
    pairs = []
    for name, value, final in texts:
        staged = folder / f"{name}.json"
        write_json(staged, value)
        pairs.append((sink._below(staged), sink._below(final)))
    sync_folder(folder.parent)
    return tuple(pairs)


def _waiting(sink: TableSink, undone: Sequence[Receipt]) -> list[str]:
    """Rows that the runs turned away: with the runs gone they are nobody's."""
    select = sink.quarantine()
    if select is None:
        return []
    runs = ", ".join(literal(r.run_id) for r in undone)
    rows = sink._connection().execute(
        f"SELECT quarantine_id FROM ({select}) AS _q WHERE status = 'waiting' AND run_id IN ({runs})"
    )
    return [row[0] for row in rows.fetchall()]
