"""What the destination is the truth of (cursors, receipts, quarantine), and other small records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, func, select, update

from sluiceway.store.runs import upsert
from sluiceway.store.tables import cursors, listener_failures, quarantine, receipts, runs, samples
from sluiceway.store.values import plain, text

if TYPE_CHECKING:
    from sqlalchemy import Connection, RowMapping

    from sluiceway.exchange import Cursor, Receipt

__all__ = [
    "delete_cursors",
    "read_cursors",
    "read_receipts",
    "write_cursors",
    "write_failures",
    "write_quarantine",
    "write_receipt",
    "write_samples",
]


def write_samples(con: Connection, run_id: str, check_id: str, rows: Sequence[Mapping[str, Any]]) -> None:
    check = text(check_id)
    con.execute(delete(samples).where(samples.c.run_id == run_id, samples.c.check_id == check))
    if rows:
        con.execute(
            samples.insert(),
            [
                {"run_id": run_id, "check_id": check, "position": position, "row": plain(row)}
                for position, row in enumerate(rows)
            ],
        )


def write_cursors(
    con: Connection, environment: str, pipeline: str, run_id: str, found: Sequence[Cursor], at: datetime
) -> None:
    rows = [
        {
            "environment": text(environment),
            "pipeline": text(pipeline),
            "source": text(cursor.source),
            "column": text(cursor.column),
            "type": cursor.type,
            "value": None if cursor.value is None else text(cursor.value),
            "run_id": run_id,
            "updated_at": at,
        }
        for cursor in found
    ]
    upsert(con, cursors, rows)


def delete_cursors(con: Connection, environment: str, pipeline: str, source: str | None) -> int:
    statement = delete(cursors).where(cursors.c.environment == environment, cursors.c.pipeline == pipeline)
    if source is not None:
        statement = statement.where(cursors.c.source == source)
    return con.execute(statement).rowcount


def read_cursors(con: Connection, environment: str | None, pipeline: str | None) -> list[RowMapping]:
    statement = select(cursors).order_by(cursors.c.environment, cursors.c.pipeline, cursors.c.source)
    if environment is not None:
        statement = statement.where(cursors.c.environment == environment)
    if pipeline is not None:
        statement = statement.where(cursors.c.pipeline == pipeline)
    return list(con.execute(statement).mappings())


def write_receipt(con: Connection, environment: str, receipt: Receipt) -> None:
    row = {
        "environment": text(environment),
        "dataset": text(receipt.table),
        "run_id": receipt.run_id,
        "pipeline": text(receipt.pipeline),
        "mode": receipt.mode,
        "published": receipt.published,
        "quarantined": receipt.quarantined,
        "late": receipt.late,
        "snapshot": receipt.snapshot,
        "published_at": receipt.published_at,
        "rolled_back": receipt.rolled_back,
    }
    upsert(con, receipts, [row])
    if not receipt.rolled_back:
        _fill(con, receipt)


def _fill(con: Connection, receipt: Receipt) -> None:
    """A run that died after its commit never told its numbers: the receipt does."""
    c = runs.c
    known = {
        "staged": receipt.published + receipt.quarantined,
        "published": receipt.published,
        "quarantined": receipt.quarantined,
        "late": receipt.late,
        "snapshot": receipt.snapshot,
    }
    con.execute(
        update(runs)
        .where(c.id == receipt.run_id)
        .values({name: func.coalesce(c[name], value) for name, value in known.items()})
    )


def read_receipts(
    con: Connection,
    environment: str | None,
    pipeline: str | None,
    run_id: str | None,
    dataset: str | None,
) -> list[RowMapping]:
    statement = select(receipts).order_by(receipts.c.published_at.desc(), receipts.c.run_id.desc())
    wanted = {"environment": environment, "pipeline": pipeline, "run_id": run_id, "dataset": dataset}
    for name, value in wanted.items():
        if value is not None:
            statement = statement.where(receipts.c[name] == value)
    return list(con.execute(statement).mappings())


def write_quarantine(
    con: Connection, run_id: str, counts: Mapping[str, Mapping[str, int]], at: datetime
) -> None:
    rows = [
        {
            "run_id": run_id,
            "check_id": text(check_id),
            "waiting": count.get("waiting", 0),
            "replayed": count.get("replayed", 0),
            "discarded": count.get("discarded", 0),
            "updated_at": at,
        }
        for check_id, count in counts.items()
    ]
    con.execute(delete(quarantine).where(quarantine.c.run_id == run_id))
    upsert(con, quarantine, rows)


def write_failures(con: Connection, run_id: str, failures: Mapping[str, int], at: datetime) -> None:
    rows = [
        {"run_id": run_id, "listener": text(name), "count": count, "at": at}
        for name, count in failures.items()
    ]
    upsert(con, listener_failures, rows)
