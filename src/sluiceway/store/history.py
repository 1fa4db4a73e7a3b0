"""Metrics over time: what rules remember, and what monitoring compares."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from sluiceway.store.tables import datasets, metrics, runs
from sluiceway.store.values import outgoing

if TYPE_CHECKING:
    from sqlalchemy import Connection

__all__ = ["MOST", "measured", "past"]

MOST = 1000
"""Points of one metric that are looked at, the newest."""
_ENDED = ("succeeded", "blocked")
_AT_ONCE = 200


def past(
    con: Connection,
    dataset: tuple[str, str],
    wanted: Sequence[tuple[str, str]],
    *,
    pipeline: str,
    environment: str,
    but: str = "",
) -> dict[tuple[str, str], tuple[tuple[Any, ...], ...]]:
    """(metric, column) -> ``(at, value, blocked, run_id)``, oldest first. ``at`` is when the run started.

    Only what the same pipeline measured, for others measure something else: a batch, or the table as a
    whole. Where it has run, checks of it are left out: they saw the same rows.
    """
    m = metrics.c
    whose = (
        select(m.value, m.text, runs.c.started_at, runs.c.status, runs.c.kind, runs.c.id)
        .join(runs, runs.c.id == m.run_id)
        .join(datasets, datasets.c.id == m.dataset_id)
        .where(
            datasets.c.namespace == dataset[0],
            datasets.c.name == dataset[1],
            datasets.c.environment == environment,
            runs.c.pipeline == pipeline,
            runs.c.status.in_(_ENDED),
            runs.c.kind.in_(("run", "check")),
            runs.c.id != but,
        )
        .order_by(runs.c.started_at.desc(), runs.c.id.desc())
        .limit(MOST)
    )
    found = {}
    for name, column in wanted:
        rows = con.execute(whose.where(m.name == name, m.column == column)).all()
        kind = "run" if any(row.kind == "run" for row in rows) else "check"
        found[name, column] = tuple(
            (
                outgoing(row.started_at),
                row.text if row.value is None else row.value,
                row.status == "blocked",
                row.id,
            )
            for row in reversed(rows)
            if row.kind == kind
        )
    return found


def measured(con: Connection, dataset_id: int, *, pipeline: str | None, limit: int) -> list[dict[str, Any]]:
    """The newest runs that measured a dataset, oldest first, all of one pipeline and one kind.

    Each is ``{run_id, pipeline, kind, status, at, metrics}``; ``metrics`` maps (column, metric), column ""
    for the dataset as a whole, to a number or text. ``pipeline`` None: of the newest run.
    """
    told = select(metrics.c.run_id).where(metrics.c.dataset_id == dataset_id).distinct()
    statement = (
        select(runs.c.id, runs.c.pipeline, runs.c.kind, runs.c.status, runs.c.started_at)
        .where(runs.c.id.in_(told), runs.c.status.in_(_ENDED), runs.c.kind.in_(("run", "check")))
        .order_by(runs.c.started_at.desc(), runs.c.id.desc())
    )
    if pipeline is None:
        newest = con.execute(statement.limit(1)).first()
        if newest is None:
            return []
        pipeline = newest.pipeline
    statement = statement.where(runs.c.pipeline == pipeline)
    found = con.execute(statement.where(runs.c.kind == "run").limit(limit)).all()
    found = found or con.execute(statement.limit(limit)).all()
    values: dict[str, dict[tuple[str, str], Any]] = {row.id: {} for row in found}
    m = metrics.c
    for first in range(0, len(found), _AT_ONCE):
        ids = [row.id for row in found[first : first + _AT_ONCE]]
        wanted = select(m.run_id, m.column, m.name, m.value, m.text).where(
            m.dataset_id == dataset_id, m.run_id.in_(ids)
        )
        for item in con.execute(wanted):
            values[item.run_id][item.column, item.name] = item.text if item.value is None else item.value
    return [
        {
            "run_id": row.id,
            "pipeline": row.pipeline,
            "kind": row.kind,
            "status": row.status,
            "at": outgoing(row.started_at),
            "metrics": values[row.id],
        }
        for row in reversed(found)
    ]
