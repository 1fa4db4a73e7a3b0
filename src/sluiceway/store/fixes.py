"""What fixes changed: written by a run, put down as undone by the run that undoes it. The before-images
themselves lie beside the data; here is what people look at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, select, update

from sluiceway.store.reads import document
from sluiceway.store.tables import fixes, runs
from sluiceway.store.values import plain, text

if TYPE_CHECKING:
    from sqlalchemy import Connection

__all__ = ["list_fixes", "mark_undone", "write_fixes"]


def write_fixes(
    con: Connection, run_id: str, dataset: str, rows: Sequence[Mapping[str, Any]], at: datetime
) -> None:
    """The fixes of a run's last attempt; an earlier one's are replaced."""
    con.execute(delete(fixes).where(fixes.c.run_id == run_id))
    written = [
        {
            "run_id": run_id,
            "check_id": text(row["check_id"]),
            "position": position,
            "fix": text(row["fix"]),
            "dataset": text(dataset),
            "column": text(row["column"]),
            "failing": row["failing"],
            "fixed": row["fixed"],
            "unfixable": row["unfixable"],
            "values": plain(row["values"]),
            "at": at,
            "undone": 0,
            "undone_by": None,
        }
        for position, row in enumerate(rows)
    ]
    if written:
        con.execute(fixes.insert(), written)


def mark_undone(con: Connection, run_id: str, by: str, rows: int) -> None:
    """``rows`` of what ``run_id`` had fixed were put back by the run ``by``."""
    con.execute(
        update(fixes).where(fixes.c.run_id == run_id).values(undone=fixes.c.undone + rows, undone_by=text(by))
    )


def list_fixes(
    con: Connection, *, run_id: str | None, dataset: str | None, environment: str | None, limit: int | None
) -> list[dict[str, Any]]:
    """Newest run first, its checks in order."""
    statement = (
        select(fixes, runs.c.pipeline, runs.c.environment)
        .join(runs, runs.c.id == fixes.c.run_id)
        .order_by(fixes.c.at.desc(), fixes.c.run_id.desc(), fixes.c.position)
        .limit(limit)
    )
    for column, value in (
        (fixes.c.run_id, run_id),
        (fixes.c.dataset, dataset),
        (runs.c.environment, environment),
    ):
        if value is not None:
            statement = statement.where(column == value)
    return [document(row, "position") for row in con.execute(statement).mappings()]
