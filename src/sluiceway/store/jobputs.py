"""Putting jobs into the queue: their keys, their turns, what they need.

Between pipelines of one pool and priority turns are fair: a job's turn is one more than the last of its
pipeline that is not over, and not less than the one that is served now (start-time fair queueing, Goyal, Vin,
Cheng 1996), so that a thousand jobs of one pipeline don't stand before the first of another.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from sqlalchemy import func, literal, select, union_all, update

from sluiceway.ids import new_run_id
from sluiceway.store.connect import insert_into
from sluiceway.store.jobtables import job_needs, jobs
from sluiceway.store.jobwords import ACTIVE, QUEUED, READY, RUNNING, alone
from sluiceway.store.values import plain, text

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import Connection

__all__ = ["JobRequest", "Trigger", "chunks", "put"]

Trigger = Literal["schedule", "dataset", "file", "manual", "backfill", "retry"]
_T = TypeVar("_T")
_CHUNK = 500
"""Values of one IN list: both databases bound them."""
_PARTS = 20
"""Queries that are put together into one."""


@dataclass(frozen=True)
class JobRequest:
    """What is asked for. ``due_at`` and ``nominal_at`` in UTC; ``attempts`` tries at most.

    ``once_key``: at most one job of it, ever. ``dedup_key``: at most one of it in the queue.
    ``concurrency`` jobs of one ``concurrency_key`` run at once; None: as many as like. ``needs``: positions,
    in the same call's list and before this one, of the jobs that must succeed before it may be claimed.
    ``after``: pipelines whose last job, whoever put it in, must.
    """

    pipeline: str
    trigger: Trigger = "manual"
    payload: Mapping[str, Any] = field(default_factory=dict)
    due_at: datetime | None = None
    nominal_at: datetime | None = None
    once_key: str | None = None
    dedup_key: str | None = None
    concurrency_key: str | None = None
    concurrency: int = 1
    pool: str = "default"
    priority: int = 0
    attempts: int = 1
    group_id: str | None = None
    needs: tuple[int, ...] = ()
    after: tuple[str, ...] = ()
    run_id: str | None = None


def put(con: Connection, environment: str, requests: Sequence[JobRequest], now: datetime) -> list[int | None]:
    """The id of each, None where its key was there already."""
    if any(need >= place for place, request in enumerate(requests) for need in request.needs):
        raise ValueError("a job needs jobs that stand before it in the list")
    if len(requests) > 1:
        alone(con, environment)  # two that bring the same keys in another order would wait for each other
    turns = _Turns(con, environment, requests)
    rows = [_row(environment, request, now, turns.next(request)) for request in requests]
    ids: list[int | None] = []
    for part in _apart(rows):
        statement = insert_into(con, jobs).on_conflict_do_nothing().returning(jobs.c.run_id, jobs.c.id)
        found = {run_id: job for run_id, job in con.execute(statement, part)}  # noqa: C416  mypy wants it so
        ids += [found.get(row["run_id"]) for row in part]
    _tie(con, requests, ids)
    return ids


def _apart(rows: Sequence[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    """All at once: what came of each is known by its run's id, so no part holds the same one twice."""
    part: list[dict[str, Any]] = []
    seen: set[str] = set()
    for row in rows:
        if row["run_id"] in seen:
            yield part
            part, seen = [], set()
        part.append(row)
        seen.add(row["run_id"])
    if part:
        yield part


def _tie(con: Connection, requests: Sequence[JobRequest], ids: Sequence[int | None]) -> None:
    """Write down who needs whom. What was left out needs nobody, and nobody waits for it."""
    ties, fewer = [], []
    for request, job in zip(requests, ids, strict=True):
        if job is None or not request.needs:
            continue
        needs = {need for place in request.needs if (need := ids[place]) is not None}
        ties += [{"job_id": job, "needs_id": need} for need in sorted(needs)]
        if len(needs) != len(request.needs):
            fewer.append((job, len(needs)))
    if ties:
        con.execute(job_needs.insert(), ties)
    for job, waiting in fewer:
        con.execute(update(jobs).where(jobs.c.id == job).values(waiting=waiting))


def _row(environment: str, request: JobRequest, now: datetime, turn: int) -> dict[str, Any]:
    return {
        "environment": text(environment), "pipeline": text(request.pipeline),
        "run_id": request.run_id or new_run_id(), "trigger": request.trigger, "status": "queued",
        "priority": request.priority, "rank": -request.priority, "turn": turn,
        "due_at": request.due_at or now, "nominal_at": request.nominal_at,
        "payload": plain(request.payload), "once_key": request.once_key,
        "dedup_key": request.dedup_key, "concurrency_key": request.concurrency_key,
        "concurrency": request.concurrency, "pool": request.pool, "waiting": len(request.needs),
        "group_id": request.group_id, "attempt": 1, "attempts": request.attempts, "token": 0, "lost": 0,
        "cancel": False, "created_at": now,
    }  # fmt: skip


def chunks(values: Sequence[_T], size: int = _CHUNK) -> Iterator[Sequence[_T]]:
    """
    >>> list(chunks([1, 2, 3], 2))
    [[1, 2], [3]]
    """
    for begin in range(0, len(values), size):
        yield values[begin : begin + size]


class _Turns:
    """The turns that jobs of this call get. One query of several parts, for a put is made for each run."""

    def __init__(self, con: Connection, environment: str, requests: Sequence[JobRequest]) -> None:
        self._last: dict[tuple[str, str, int], int] = {}
        self._served: dict[tuple[str, int], int] = {}
        first: dict[tuple[str, int], int] = {}
        here = jobs.c.environment == text(environment)
        pools, names = jobs.c.pool, sorted({text(request.pipeline) for request in requests})
        parts = [
            # the last of each pipeline
            select(literal("last"), jobs.c.pipeline, pools, jobs.c.priority, func.max(jobs.c.turn))
            .where(here, ACTIVE, jobs.c.pipeline.in_(part))
            .group_by(jobs.c.pipeline, pools, jobs.c.priority)
            for part in chunks(names)
        ]
        # what is served now: the last that was taken, or else the next that will be
        parts.append(
            select(literal("served"), literal(""), pools, jobs.c.priority, func.max(jobs.c.turn))
            .where(here, RUNNING)
            .group_by(pools, jobs.c.priority)
        )
        for pool, priority in sorted({(r.pool, r.priority) for r in requests}):
            place = (literal("first"), literal(""), literal(pool), literal(priority), func.min(jobs.c.turn))
            parts.append(select(*place).where(here, QUEUED, READY, pools == pool, jobs.c.rank == -priority))
        for some in chunks(parts, _PARTS):
            for what, name, pool, priority, turn in con.execute(union_all(*some)):
                if what == "last":
                    self._last[(name, pool, priority)] = int(turn)
                elif what == "served":
                    self._served[(pool, priority)] = int(turn)
                else:
                    first[(pool, priority)] = int(turn or 0)
        self._served = first | self._served

    def next(self, request: JobRequest) -> int:
        place = (text(request.pipeline), request.pool, request.priority)
        turn = max(self._last.get(place, -1) + 1, self._served[place[1:]])
        self._last[place] = turn
        return turn
