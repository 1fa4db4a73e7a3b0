"""Sums over the store, as a metrics endpoint wants them: few queries, whatever there is to count."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, case, func, select

from sluiceway.store.jobputs import chunks
from sluiceway.store.jobtables import health, jobs, workers
from sluiceway.store.tables import checks, datasets, runs
from sluiceway.store.values import text

if TYPE_CHECKING:
    from sqlalchemy import Connection

__all__ = ["BUCKETS", "Last", "Runs", "Tally", "TallyBook"]

_Open = Callable[[], AbstractContextManager["Connection"]]
_ENDED = ("succeeded", "blocked", "failed", "cancelled", "skipped")
BUCKETS = (1.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1_800.0, 3_600.0, 7_200.0, 21_600.0)
"""Seconds: upper bounds of the histogram of runs' durations."""
_SKEW = timedelta(hours=1)
"""So much earlier than its moment a run may have begun, by the clock of another machine."""


@dataclass(frozen=True)
class Runs:
    """Sums over the runs of a pipeline that ended with a status. ``timed`` of them have a duration;
    ``buckets`` are how many of these took no longer than each of ``BUCKETS``."""

    pipeline: str
    status: str
    runs: int
    seconds: float
    published: int
    quarantined: int
    timed: int
    ended: datetime
    buckets: tuple[int, ...]


@dataclass(frozen=True)
class Last:
    """The run of a pipeline that ended last. ``lag`` is how many seconds after its moment a worker took it,
    known of what a schedule started."""

    pipeline: str
    run_id: str
    status: str
    ended: datetime
    quality_score: float | None
    lag: float | None


@dataclass(frozen=True)
class Tally:
    """Rows of tuples, each beginning with the labels and in their order. Times are datetimes in UTC."""

    runs: list[Runs]
    last: list[Last]
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

    def configs(self, environment: str) -> dict[str, str]:
        """Pipeline -> the hash of the file by which it last succeeded here."""
        here = and_(
            runs.c.environment == text(environment), runs.c.status == "succeeded", runs.c.kind == "run"
        )
        last = (
            select(runs.c.pipeline, func.max(runs.c.started_at).label("at"))
            .where(here)
            .group_by(runs.c.pipeline)
            .subquery()
        )
        statement = (
            select(runs.c.pipeline, runs.c.config_hash)
            .join(last, and_(last.c.pipeline == runs.c.pipeline, last.c.at == runs.c.started_at))
            .where(here, runs.c.config_hash.is_not(None))
        )
        with self._read() as con:
            return {pipeline: found for pipeline, found in con.execute(statement)}  # noqa: C416  mypy wants it so

    def take(self, environment: str, heard_since: datetime) -> Tally:
        """All of it at one moment; workers count that were heard of since then."""
        here = text(environment)
        with self._read() as con:
            last = _last(con, here)
            return Tally(
                _runs(con, here), last, _checks(con, last), _queue(con, here),
                _workers(con, here, heard_since), _published(con, here), _health(con, here),
            )  # fmt: skip

    def last(self, environment: str) -> list[Last]:
        """The run of each pipeline that ended last."""
        with self._read() as con:
            return _last(con, text(environment))

    def queued(self, environment: str, once_keys: Collection[str]) -> set[str]:
        """Those of the keys that a job was ever put here with, and is not pruned yet."""
        here, found = jobs.c.environment == text(environment), set()
        with self._read() as con:
            for part in chunks(sorted({text(key) for key in once_keys})):
                rows = con.execute(select(jobs.c.once_key).where(here, jobs.c.once_key.in_(part)))
                found |= set(rows.scalars())
        return found

    def succeeded(self, environment: str, since: Mapping[str, datetime]) -> set[str]:
        """Those pipelines of which a run succeeded for a moment since then, each its own: the moment that
        the run stands for, or else when it began."""
        ok = and_(runs.c.kind == "run", runs.c.status == "succeeded")
        # not in the WHERE: SQLite would walk the index of the status, which is nearly all of the table
        moment = func.max(case((ok, func.coalesce(runs.c.nominal_at, runs.c.started_at))))
        here = runs.c.environment == text(environment)
        statement = select(runs.c.pipeline, moment).where(here).group_by(runs.c.pipeline)
        found: set[str] = set()
        with self._read() as con:
            # by time, so that one that is due once a year does not make the others' be read for a year
            for part in chunks(sorted(since, key=lambda name: (since[name], name))):
                names = {text(name): name for name in part}
                lately = runs.c.started_at >= since[part[0]] - _SKEW
                rows = con.execute(statement.where(runs.c.pipeline.in_(names), lately))
                found |= {names[name] for name, at in rows if at is not None and at >= since[names[name]]}
        return found

    def waiting(self, environment: str, heard_since: datetime) -> tuple[datetime | None, int]:
        """When the job that waits longest was due, None where none waits; and how many workers were heard
        of since then."""
        here = text(environment)
        with self._read() as con:
            due = [at for _, status, _, at in _queue(con, here) if status == "queued" and at is not None]
            lively = dict(_workers(con, here, heard_since)).get("worker", 0)
        return (min(due) if due else None, lively)


def _tuples(con: Connection, statement: Any) -> list[Any]:
    return [tuple(row) for row in con.execute(statement)]


def _ended(here: str) -> Any:
    """Runs that ended for good. One that will be tried again is written as failed meanwhile, and a sum that
    counted it would fall when it begins anew."""
    again = select(jobs.c.run_id).where(jobs.c.environment == here, jobs.c.status.in_(("queued", "running")))
    return and_(
        runs.c.environment == here, runs.c.kind == "run", runs.c.status.in_(_ENDED),
        runs.c.finished_at.is_not(None), runs.c.id.not_in(again),
    )  # fmt: skip


def _runs(con: Connection, here: str) -> list[Runs]:
    def total(column: Any) -> Any:
        return func.coalesce(func.sum(column), 0)

    columns = (
        runs.c.pipeline, runs.c.status, func.count(), total(runs.c.seconds), total(runs.c.published),
        total(runs.c.quarantined), func.count(runs.c.seconds), func.max(runs.c.finished_at),
        *(total(case((runs.c.seconds <= bound, 1), else_=0)) for bound in BUCKETS),
    )  # fmt: skip
    by = (runs.c.pipeline, runs.c.status)
    found = _tuples(con, select(*columns).where(_ended(here)).group_by(*by).order_by(*by))
    return [
        Runs(pipeline, status, n, seconds, published, quarantined, timed, ended, tuple(buckets))
        for pipeline, status, n, seconds, published, quarantined, timed, ended, *buckets in found
    ]


def _last(con: Connection, here: str) -> list[Last]:
    """By their end, not by their id: a run gets its id when it is queued, and may wait long."""
    order = func.row_number().over(
        partition_by=runs.c.pipeline, order_by=(runs.c.finished_at.desc(), runs.c.id.desc())
    )
    newest = (
        select(runs.c.pipeline, runs.c.id, runs.c.status, runs.c.finished_at, runs.c.quality_score,
               order.label("place"))
        .where(_ended(here))
        .subquery()
    )  # fmt: skip
    statement = (
        select(newest, jobs.c.nominal_at, jobs.c.claimed_at)
        .outerjoin(jobs, and_(jobs.c.run_id == newest.c.id, jobs.c.trigger == "schedule"))
        .where(newest.c.place == 1)
        .order_by(newest.c.pipeline)
    )
    return [
        Last(
            pipeline, run_id, status, ended, score,
            None if moment is None or claimed is None else (claimed - moment).total_seconds(),
        )
        for pipeline, run_id, status, ended, score, _, moment, claimed in con.execute(statement)
    ]  # fmt: skip


def _checks(con: Connection, last: list[Last]) -> list[Any]:
    """Each once, with the most rows that it found: one check may stand in several sources."""
    by = {run.run_id: run.pipeline for run in last}
    columns = (checks.c.run_id, checks.c.check_id, checks.c.dimension, checks.c.severity)
    found: list[Any] = []
    for part in chunks(sorted(by)):
        statement = select(*columns, func.max(checks.c.failing)).where(
            checks.c.run_id.in_(part), checks.c.shadow.is_(False)
        )
        found += _tuples(con, statement.group_by(*columns))
    return sorted((by[run], check, dimension or "", severity, failing or 0)
                  for run, check, dimension, severity, failing in found)  # fmt: skip


def _queue(con: Connection, here: str) -> list[Any]:
    waits = and_(jobs.c.environment == here, jobs.c.status.in_(("queued", "running")))
    return _tuples(
        con,
        select(jobs.c.pool, jobs.c.status, func.count(), func.min(jobs.c.due_at))
        .where(waits)
        .group_by(jobs.c.pool, jobs.c.status)
        .order_by(jobs.c.pool, jobs.c.status),
    )


def _workers(con: Connection, here: str, heard_since: datetime) -> list[Any]:
    lively = and_(workers.c.environment == here, workers.c.heartbeat_at >= heard_since)
    return _tuples(
        con,
        select(workers.c.kind, func.count())
        .where(lively, workers.c.state != "stopped")
        .group_by(workers.c.kind)
        .order_by(workers.c.kind),
    )


def _published(con: Connection, here: str) -> list[Any]:
    ours = and_(
        datasets.c.environment == here, datasets.c.alias.is_not(None), datasets.c.published_at.is_not(None)
    )
    return _tuples(
        con,
        select(datasets.c.alias, func.max(datasets.c.published_at))
        .where(ours)
        .group_by(datasets.c.alias)
        .order_by(datasets.c.alias),
    )


def _health(con: Connection, here: str) -> list[Any]:
    newest = (
        select(func.max(health.c.id).label("id"))
        .where(health.c.environment == here)
        .group_by(health.c.pipeline)
        .subquery()
    )
    return _tuples(
        con,
        select(health.c.pipeline, health.c.score)
        .join(newest, newest.c.id == health.c.id)
        .order_by(health.c.pipeline),
    )
