"""Metrics over time: what rules remember, and what monitoring compares."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from sluiceway.store.tables import datasets, metrics, runs
from sluiceway.store.values import outgoing

if TYPE_CHECKING:
    from sqlalchemy import Connection

__all__ = ["MOST", "past"]

MOST = 1000
"""Points of one metric that are looked at, the newest."""
_ENDED = ("succeeded", "blocked")


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
