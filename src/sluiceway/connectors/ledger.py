"""The ``_sluiceway`` tables that stand beside the data: cursors, receipts and quarantine.

Pure texts for any dialect; a sink runs them in the publish transaction::

    for statement in create_tables(POSTGRES, place):   # once, before
        ...
    for statement in write_state(POSTGRES, place, order.pipeline, order.cursors, order.run_id, moment): ...
    execute(write_quarantine(POSTGRES, place, staged.quarantined))
    for statement in write_replays(POSTGRES, place, order.replays): ...
    execute(write_receipt(POSTGRES, place, receipt))   # last

``place`` gives the parts of a system table's name: ``lambda name: ("_sluiceway", name)``. Timestamps
are naive and in UTC.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any

from sluiceway.connectors.dialects import Dialect, Kind, naive_utc
from sluiceway.errors import DestinationError
from sluiceway.exchange import QUARANTINE_COLUMNS, Cursor, PublishOrder, Receipt, Staged

__all__ = [
    "Place",
    "create_tables",
    "cursor_of",
    "mark_quarantine",
    "new_receipt",
    "receipt_of",
    "select_quarantine",
    "select_receipts",
    "select_state",
    "to_undo",
    "undo_json",
    "undo_of",
    "write_quarantine",
    "write_receipt",
    "write_replays",
    "write_state",
]

Place = Callable[[str], Sequence[str]]

_RECEIPTS: dict[str, Kind] = {
    "run_id": "key",
    "pipeline": "key",
    "table_name": "key",
    "mode": "key",
    "published": "integer",
    "quarantined": "integer",
    "late": "integer",
    "snapshot": "key",
    "published_at": "timestamp",
    "rolled_back": "boolean",
    "undo": "text",  # JSON, see undo_json
}
_STATE: dict[str, Kind] = {
    "pipeline": "key",
    "source": "key",
    "cursor_column": "key",
    "cursor_type": "text",
    "cursor_value": "text",
    "run_id": "key",
    "updated_at": "timestamp",
}
_LONG = {"reasons", "row", "types"}
_QUARANTINE: dict[str, Kind] = {
    name: "timestamp" if type_ == "TIMESTAMP" else "text" if name in _LONG else "key"
    for name, type_ in QUARANTINE_COLUMNS.items()
}
_CHUNK = 500


def _names(dialect: Dialect, columns: Iterable[str]) -> str:
    return ", ".join(dialect.ident(name) for name in columns)


def _table(dialect: Dialect, place: Place, name: str) -> str:
    return dialect.relation(*place(name))


def create_tables(dialect: Dialect, place: Place) -> tuple[str, ...]:
    """CREATE TABLE IF NOT EXISTS of the three tables; the schema must exist.

    Where the system has primary keys, ``receipts`` and ``state`` have one: two runs that raced past
    every lock could then still not both commit.
    """
    by_dialect: dict[str, dict[str, tuple[str, ...]]] = {
        "duckdb": {},  # DuckLake has none
        "postgres": {"receipts": ("run_id",), "state": ("pipeline", "source")},
        "snowflake": {},  # has none that it keeps to
        "mysql": {"receipts": ("run_id",)},  # two keys of 700 characters are more than InnoDB takes
    }
    keys = by_dialect.get(dialect.name, {})
    tables = {"state": _STATE, "receipts": _RECEIPTS, "quarantine": _QUARANTINE}
    made = []
    for name, columns in tables.items():
        lines = [f"{dialect.ident(c)} {dialect.type(kind)}" for c, kind in columns.items()]
        if name in keys:
            lines.append(f"PRIMARY KEY ({_names(dialect, keys[name])})")
        made.append(f"CREATE TABLE IF NOT EXISTS {_table(dialect, place, name)} ({', '.join(lines)})")
    return tuple(made)


def write_state(
    dialect: Dialect,
    place: Place,
    pipeline: str,
    cursors: Iterable[Cursor],
    run_id: str,
    moment: datetime,
) -> tuple[str, ...]:
    """Replace the marks of the sources named; others stay."""
    table, lit = _table(dialect, place, "state"), dialect.literal
    made = []
    for c in cursors:
        of = f"{dialect.ident('pipeline')} = {lit(pipeline)} AND {dialect.ident('source')} = {lit(c.source)}"
        values = ", ".join(lit(v) for v in (pipeline, c.source, c.column, c.type, c.value, run_id, moment))
        made.append(f"DELETE FROM {table} WHERE {of}")
        made.append(f"INSERT INTO {table} ({_names(dialect, _STATE)}) VALUES ({values})")
    return tuple(made)


def write_quarantine(dialect: Dialect, place: Place, rows: str) -> str:
    """``rows``: a SELECT with the layout QUARANTINE_COLUMNS."""
    names = _names(dialect, QUARANTINE_COLUMNS)
    return f"INSERT INTO {_table(dialect, place, 'quarantine')} ({names}) SELECT {names} FROM ({rows}) AS q"


def mark_quarantine(
    dialect: Dialect, place: Place, ids: Sequence[str], status: str
) -> Iterator[tuple[str, str]]:
    """For each chunk of ``ids``: a SELECT that counts those still waiting, and the UPDATE of them."""
    table, lit = _table(dialect, place, "quarantine"), dialect.literal
    for start in range(0, len(ids), _CHUNK):
        listed = ", ".join(lit(i) for i in ids[start : start + _CHUNK])
        of = (
            f"{dialect.ident('status')} = {lit('waiting')} AND {dialect.ident('quarantine_id')} IN ({listed})"
        )
        yield (
            f"SELECT count(*) FROM {table} WHERE {of}",
            f"UPDATE {table} SET {dialect.ident('status')} = {lit(status)} WHERE {of}",
        )


def write_replays(dialect: Dialect, place: Place, ids: Sequence[str]) -> tuple[str, ...]:
    """The rows whose replay this publish carries are no longer waiting."""
    return tuple(update for _, update in mark_quarantine(dialect, place, ids, "replayed"))


def write_receipt(
    dialect: Dialect, place: Place, receipt: Receipt, undo: str = "{}", late: str | None = None
) -> str:
    """``undo``: by ``undo_json``, where the warehouse can roll back. ``late``: an expression of the server's
    instead of the receipt's number."""
    values = (
        receipt.run_id, receipt.pipeline, receipt.table, receipt.mode, receipt.published,
        receipt.quarantined, receipt.late, receipt.snapshot, receipt.published_at,
        receipt.rolled_back, undo,
    )  # fmt: skip
    texts = [dialect.literal(v) for v in values]
    if late is not None:
        texts[list(_RECEIPTS).index("late")] = late
    return (
        f"INSERT INTO {_table(dialect, place, 'receipts')} ({_names(dialect, _RECEIPTS)}) "
        f"VALUES ({', '.join(texts)})"
    )


def select_receipts(
    dialect: Dialect,
    place: Place,
    pipeline: str | None = None,
    run_id: str | None = None,
) -> str:
    """A SELECT for ``receipt_of``, newest first."""
    wanted = {"pipeline": pipeline, "run_id": run_id}
    of = [f"{dialect.ident(k)} = {dialect.literal(v)}" for k, v in wanted.items() if v is not None]
    # cast: SQLite has no timestamps, it hands back the text
    columns = ", ".join(
        dialect.timestamp(dialect.ident(c)) + f" AS {dialect.ident(c)}"
        if kind == "timestamp"
        else dialect.ident(c)
        for c, kind in _RECEIPTS.items()
        if c != "undo"
    )
    return (
        f"SELECT {columns} FROM {_table(dialect, place, 'receipts')}"
        + (f" WHERE {' AND '.join(of)}" if of else "")
        + f" ORDER BY {dialect.ident('published_at')} DESC, {dialect.ident('run_id')} DESC"
    )


def select_state(dialect: Dialect, place: Place, pipeline: str) -> str:
    """A SELECT for ``cursor_of``."""
    columns = _names(dialect, ("source", "cursor_column", "cursor_type", "cursor_value"))
    return (
        f"SELECT {columns} FROM {_table(dialect, place, 'state')} "
        f"WHERE {dialect.ident('pipeline')} = {dialect.literal(pipeline)} ORDER BY {dialect.ident('source')}"
    )


def select_quarantine(dialect: Dialect, place: Place) -> str:
    """A SELECT with the layout QUARANTINE_COLUMNS."""
    at = dialect.ident("quarantined_at")
    others = _names(dialect, [c for c in QUARANTINE_COLUMNS if c != "quarantined_at"])
    return f"SELECT {others}, {dialect.timestamp(at)} AS {at} FROM {_table(dialect, place, 'quarantine')}"


def receipt_of(row: Sequence[Any]) -> Receipt:
    (
        run_id,
        pipeline,
        table,
        mode,
        published,
        quarantined,
        late,
        snapshot,
        at,
        rolled_back,
    ) = row
    return Receipt(
        run_id=run_id, pipeline=pipeline, table=table, mode=mode, published=int(published),
        quarantined=int(quarantined), snapshot=snapshot, published_at=naive_utc(at), late=int(late),
        rolled_back=bool(rolled_back),
    )  # fmt: skip


def to_undo(found: Sequence[Receipt], run_id: str) -> Receipt:
    """The receipt of a run that is to be rolled back, out of those that the warehouse has of it.

    Raises:
        DestinationError: there is none, or it was rolled back, or is a rollback.
    """
    if not found:
        raise DestinationError(
            f"the warehouse has no receipt of run {run_id}", hint="sluiceway runs list shows the runs"
        )
    receipt = found[0]
    if receipt.rolled_back:
        raise DestinationError(f"run {run_id} is rolled back already")
    if receipt.mode == "rollback":
        raise DestinationError(
            f"{run_id} is a rollback itself", hint="run the pipeline again to load its rows once more"
        )
    return receipt


def cursor_of(row: Sequence[Any]) -> Cursor:
    source, column, type_, value = row
    return Cursor(source, column, type_, value)


def undo_json(cursors: Iterable[Cursor], replays: Iterable[str] = ()) -> str:
    """What a rollback restores beside the rows, as the receipt keeps it: the pipeline's marks before
    the run, and the quarantined rows that the run replayed."""
    marks = [[c.source, c.column, c.type, c.value] for c in cursors]
    return json.dumps({"cursors": marks, "replays": list(replays)}, ensure_ascii=False)


def undo_of(text: str) -> tuple[tuple[Cursor, ...], tuple[str, ...]]:
    """The other way.

    >>> undo_of(undo_json([Cursor("s", "at", "DATE", None)], ["r:gate::1"]))
    ((Cursor(source='s', column='at', type='DATE', value=None),), ('r:gate::1',))
    """
    read = json.loads(text)
    return tuple(Cursor(*mark) for mark in read["cursors"]), tuple(read["replays"])


def new_receipt(
    staged: Staged,
    order: PublishOrder,
    moment: datetime,
    *,
    late: int = 0,
    snapshot: str | None = None,
) -> Receipt:
    """What a publish of ``staged`` by ``order`` proves. ``moment``: now, in UTC."""
    return Receipt(
        run_id=order.run_id, pipeline=order.pipeline, table=str(order.table), mode=order.mode,
        published=staged.published, quarantined=staged.quarantined_rows, snapshot=snapshot,
        published_at=naive_utc(moment), late=late,
    )  # fmt: skip
