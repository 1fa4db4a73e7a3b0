"""Sums over the store, as a metrics endpoint wants them: few queries, whatever there is to count."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, func, select

from sluiceway.store.jobtables import health, jobs, workers
from sluiceway.store.tables import checks, datasets, runs
from sluiceway.store.values import text

if TYPE_CHECKING:
    from sqlalchemy import Connection

__all__ = ["Tally", "TallyBook"]

_Open = Callable[[], AbstractContextManager["Connection"]]
_ENDED = ("succeeded", "blocked", "failed", "cancelled", "skipped")


@dataclass(frozen=True)
class Tally:
    """Rows of tuples, each beginning with the labels. Times are datetimes in UTC."""

    runs: list[tuple[str, str, int, float, int, int]]
    """pipeline, status, runs, seconds, rows published, rows quarantined."""
    last: list[tuple[str, str, datetime, float | None]]
    """pipeline, status of its last run, when it ended, quality score."""
    succeeded: list[tuple[str, datetime]]
    """pipeline, when a run of it succeeded last."""
    checks: list[tuple[str, str, str, str, int]]
    """pipeline, check, dimension, severity, failing rows in the last run."""
    queue: list[tuple[str, str, int, datetime | None]]
    """pool, queued or running, jobs, the earliest due time."""
    workers: list[tuple[str, int]]
    """kind, how many were heard of lately."""
    published: list[tuple[str, datetime]]
    """dataset, when it was published last."""
    health: list[tuple[str, float]]
    """pipeline, its last score."""


class TallyBook:
    """``Store.tally``."""

    def __init__(self, read: _Open) -> None:
        self._read = read

    def take(self, environment: str, heard_since: datetime) -> Tally:
        """All of it at one moment; workers count that were heard of since then."""
        here = text(environment)
        with self._read() as con:
            return Tally(
                _runs(con, here), _last(con, here), _succeeded(con, here), _checks(con, here),
                _queue(con, here), _workers(con, here, heard_since), _published(con, here),
                _health(con, here),
            )  # fmt: skip


def _tuples(con: Connection, statement: Any) -> list[Any]:
    return [tuple(row) for row in con.execute(statement)]


def _runs(con: Connection, here: str) -> list[Any]:
    def total(column: Any) -> Any:
        return func.coalesce(func.sum(column), 0)

    return _tuples(
        con,
        select(
            runs.c.pipeline, runs.c.status, func.count(), total(runs.c.seconds), total(runs.c.published),
            total(runs.c.quarantined),
        )
        .where(runs.c.environment == here, runs.c.kind == "run", runs.c.status.in_(_ENDED))
        .group_by(runs.c.pipeline, runs.c.status),
    )  # fmt: skip


def _newest(here: str) -> Any:
    """The last run of each pipeline that ended: ids are in the order of time."""
    return (
        select(func.max(runs.c.id).label("id"))
        .where(runs.c.environment == here, runs.c.kind == "run", runs.c.status.in_(_ENDED))
        .group_by(runs.c.pipeline)
        .subquery()
    )


def _last(con: Connection, here: str) -> list[Any]:
    newest = _newest(here)
    columns = (runs.c.pipeline, runs.c.status, runs.c.finished_at, runs.c.quality_score)
    return _tuples(con, select(*columns).join(newest, newest.c.id == runs.c.id))


def _succeeded(con: Connection, here: str) -> list[Any]:
    good = and_(runs.c.environment == here, runs.c.kind == "run", runs.c.status == "succeeded")
    return _tuples(
        con, select(runs.c.pipeline, func.max(runs.c.finished_at)).where(good).group_by(runs.c.pipeline)
    )


def _checks(con: Connection, here: str) -> list[Any]:
    newest = _newest(here)
    return _tuples(
        con,
        select(runs.c.pipeline, checks.c.check_id, checks.c.dimension, checks.c.severity, checks.c.failing)
        .join(runs, runs.c.id == checks.c.run_id)
        .join(newest, newest.c.id == runs.c.id)
        .order_by(runs.c.pipeline, checks.c.check_id),
    )


def _queue(con: Connection, here: str) -> list[Any]:
    waits = and_(jobs.c.environment == here, jobs.c.status.in_(("queued", "running")))
    return _tuples(
        con,
        select(jobs.c.pool, jobs.c.status, func.count(), func.min(jobs.c.due_at))
        .where(waits)
        .group_by(jobs.c.pool, jobs.c.status),
    )


def _workers(con: Connection, here: str, heard_since: datetime) -> list[Any]:
    lively = and_(workers.c.environment == here, workers.c.heartbeat_at >= heard_since)
    return _tuples(
        con,
        select(workers.c.kind, func.count())
        .where(lively, workers.c.state != "stopped")
        .group_by(workers.c.kind),
    )


def _published(con: Connection, here: str) -> list[Any]:
    ours = and_(
        datasets.c.environment == here, datasets.c.alias.is_not(None), datasets.c.published_at.is_not(None)
    )
    return _tuples(
        con,
        select(datasets.c.alias, func.max(datasets.c.published_at)).where(ours).group_by(datasets.c.alias),
    )


def _health(con: Connection, here: str) -> list[Any]:
    newest = (
        select(func.max(health.c.id).label("id"))
        .where(health.c.environment == here)
        .group_by(health.c.pipeline)
        .subquery()
    )
    return _tuples(con, select(health.c.pipeline, health.c.score).join(newest, newest.c.id == health.c.id))
