"""The durable queue: every statement about jobs.

At least once, with a fence. A job is claimed with a token that grows with each claim; whoever holds an older
one can say nothing more about it. A job's run keeps its id from the first claim to the last, so that what was
published once is not published again: a destination knows the receipt. What may run at once is held by unique
indexes over running jobs, not by counting: two claims of one slot can't both commit.

Between pipelines of one priority turns are fair: a job's turn is one more than the last of its pipeline, and
not less than the one that is served now (start-time fair queueing, Goyal, Vin, Cheng 1996), so that a
thousand jobs of one pipeline don't stand before the first of another.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from sqlalchemy import and_, bindparam, func, or_, select, update
from sqlalchemy.exc import IntegrityError

from sluiceway.ids import new_run_id
from sluiceway.store.connect import insert_into
from sluiceway.store.jobtables import job_needs, jobs
from sluiceway.store.reads import document
from sluiceway.store.runs import never_began
from sluiceway.store.values import plain, text

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import ColumnElement, Connection, RowMapping

__all__ = ["ENDED", "Claim", "JobRequest", "Queue", "Trigger"]

Trigger = Literal["schedule", "dataset", "file", "manual", "backfill", "retry"]
ENDED = ("succeeded", "blocked", "failed", "cancelled", "skipped")
_Open = Callable[[], AbstractContextManager["Connection"]]
_BATCH = 500
_SCANNED = 20
"""Candidates that a claim looks at in one query; those that others lock or whose slot is gone are passed."""


@dataclass(frozen=True)
class JobRequest:
    """What is asked for. ``due_at`` and ``nominal_at`` in UTC; ``attempts`` tries at most.

    ``once_key``: at most one job of it, ever. ``dedup_key``: at most one of it in the queue.
    ``concurrency`` jobs of one ``concurrency_key`` run at once; None: as many as like. ``needs``: positions,
    in the same call's list, of the jobs that must succeed before this one may be claimed.
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
    run_id: str | None = None


@dataclass(frozen=True)
class Claim:
    """A job that a worker may run now. ``token`` is its right to speak of it; ``lost`` counts the workers
    before that were never heard of again."""

    id: int
    token: int
    run_id: str
    environment: str
    pipeline: str
    trigger: str
    payload: Mapping[str, Any]
    nominal_at: datetime | None
    attempt: int
    attempts: int
    lost: int
    group_id: str | None
    due_at: datetime
    pool: str


class Queue:
    """``Store.queue``. Times are UTC; answers are JSON-ready dicts but for ``Claim``."""

    def __init__(self, read: _Open, write: _Open) -> None:
        self._read, self._write = read, write

    # --- into the queue ---

    def put(self, environment: str, requests: Sequence[JobRequest], now: datetime) -> list[int | None]:
        """Put jobs into the queue, all or none; the id of each, None where its key was there already.

        A job whose needs were all left out so stands as if they had succeeded before.
        """
        made = {request.run_id or new_run_id(): request for request in requests}
        ids: dict[str, int] = {}
        with self._write() as con:
            turns = _Turns(con, environment, requests)
            rows = [_row(environment, run_id, r, now, turns.next(r.pipeline)) for run_id, r in made.items()]
            statement = insert_into(con, jobs).on_conflict_do_nothing().returning(jobs.c.run_id, jobs.c.id)
            for start in range(0, len(rows), _BATCH):
                ids |= {
                    str(run): int(job) for run, job in con.execute(statement, rows[start : start + _BATCH])
                }
            found = [ids.get(run_id) for run_id in made]
            _tie(con, requests, found)
        return found

    # --- out of it ---

    def claim(
        self, environment: str, worker: str, pools: Mapping[str, int], now: datetime, limit: int = 1
    ) -> list[Claim]:
        """Up to ``limit`` jobs for ``worker``, of these pools, each of which runs that many jobs at once."""
        claims: list[Claim] = []
        with self._write() as con:
            busy = _Busy(con, environment)
            passed: list[int] = []
            while len(claims) < limit:
                rows = _candidates(con, environment, pools, busy, now, passed)
                for row in rows:
                    passed.append(row["id"])
                    claim = _take(con, row, pools, busy, worker, now)
                    if claim is not None:
                        claims.append(claim)
                    if len(claims) == limit:
                        return claims
                if len(rows) < _SCANNED:
                    return claims
        return claims

    def heartbeat(
        self, claim: Claim, now: datetime, progress: Mapping[str, Any] | None = None
    ) -> Literal["go on", "cancel", "gone"]:
        """Say that it is alive; learn whether it is to stop, or has been given to somebody else."""
        values: dict[str, Any] = {"heartbeat_at": now}
        if progress is not None:
            values["progress"] = plain(progress)
        with self._write() as con:
            row = con.execute(
                update(jobs).where(_held(claim)).values(values).returning(jobs.c.cancel)
            ).first()
        if row is None:
            return "gone"
        return "cancel" if row[0] else "go on"

    def is_claimed(self, job: int, token: int) -> bool:
        """Whether the claim with this token still stands: asked right before a publish."""
        held = and_(jobs.c.id == job, jobs.c.token == token, jobs.c.status == "running")
        with self._read() as con:
            return con.execute(select(jobs.c.id).where(held)).first() is not None

    def finish(
        self, claim: Claim, status: str, now: datetime, error: Mapping[str, Any] | None = None
    ) -> bool:
        """How it ended; False where the claim no longer stands, and then nothing is said.

        Jobs that need this one become claimable, or ``skipped`` with the reason.
        """
        with self._write() as con:
            return _end(con, _held(claim), status, now, error) is not None

    def again(
        self, claim: Claim, due_at: datetime, now: datetime, error: Mapping[str, Any] | None = None
    ) -> bool:
        """Back into the queue for the next attempt, not before ``due_at``; False where the claim is gone."""
        values = {**_back(due_at), "attempt": jobs.c.attempt + 1, "error": plain(error)}
        with self._write() as con:
            return _requeue(con, _held(claim), values)

    def give_back(self, claim: Claim, now: datetime) -> bool:
        """Back into the queue as if it had never been claimed: a worker that drains."""
        with self._write() as con:
            return _requeue(con, _held(claim), _back(now))

    def orphans(
        self, environment: str, silent_since: datetime, now: datetime, poison: int = 3
    ) -> list[dict[str, Any]]:
        """Take running jobs whose worker has not been heard of since then, and put them into the queue again.

        A job that loses its ``poison``-th worker is failed: it may be what kills them. Says what became of
        each: its document as it now stands.
        """
        found = []
        with self._write() as con:
            stale = (
                select(jobs)
                .where(
                    jobs.c.environment == text(environment), jobs.c.status == "running",
                    jobs.c.heartbeat_at < silent_since,
                )
                .with_for_update(skip_locked=True)
            )  # fmt: skip
            for row in con.execute(stale).mappings().all():
                this = and_(jobs.c.id == row["id"], jobs.c.token == row["token"])
                if row["cancel"]:
                    _end(
                        con,
                        this,
                        "cancelled",
                        now,
                        {"type": "CancelledError", "message": "its worker is gone"},
                    )
                elif row["lost"] + 1 >= poison:
                    _end(con, this, "failed", now, _poison(row))
                else:
                    _requeue(con, this, {**_back(now), "lost": row["lost"] + 1})
                found.append(
                    document(con.execute(select(jobs).where(jobs.c.id == row["id"])).mappings().one())
                )
        return found

    # --- people ---

    def cancel(
        self,
        environment: str,
        now: datetime,
        *,
        run_id: str | None = None,
        group_id: str | None = None,
        pipeline: str | None = None,
    ) -> tuple[int, int]:
        """End what waits, and ask what runs to stop: how many of each. One of the three is given."""
        given = _which(run_id, group_id, pipeline)
        if not given:
            raise ValueError("name a run, a group or a pipeline")
        which = and_(jobs.c.environment == text(environment), *given)
        reason = _error("it was cancelled before it began")
        with self._write() as con:
            asked = con.execute(
                update(jobs).where(which, jobs.c.status == "running").values(cancel=True)
            ).rowcount
            waiting = (
                con.execute(select(jobs.c.id).where(which, jobs.c.status == "queued").with_for_update())
                .scalars()
                .all()
            )
            for job in waiting:
                _end(con, and_(jobs.c.id == job, jobs.c.status == "queued"), "cancelled", now, reason)
        return len(waiting), asked

    def jobs(
        self,
        environment: str | None = None,
        *,
        status: Sequence[str] = (),
        pipeline: str | None = None,
        group_id: str | None = None,
        run_id: str | None = None,
        limit: int | None = 50,
    ) -> list[dict[str, Any]]:
        """Jobs, the last put in first."""
        statement = select(jobs).order_by(jobs.c.id.desc()).limit(limit)
        if environment is not None:
            statement = statement.where(jobs.c.environment == text(environment))
        if status:
            statement = statement.where(jobs.c.status.in_(status))
        for column, value in (
            (jobs.c.pipeline, pipeline),
            (jobs.c.group_id, group_id),
            (jobs.c.run_id, run_id),
        ):
            if value is not None:
                statement = statement.where(column == text(value))
        with self._read() as con:
            return [document(row) for row in con.execute(statement).mappings()]

    def counts(self, environment: str | None = None) -> dict[str, int]:
        """Status -> jobs."""
        statement = select(jobs.c.status, func.count()).group_by(jobs.c.status)
        if environment is not None:
            statement = statement.where(jobs.c.environment == text(environment))
        with self._read() as con:
            return {str(status): int(count) for status, count in con.execute(statement)}

    def prune(self, before: datetime) -> int:
        """Forget jobs that ended before then; a ``once_key`` goes with its job."""
        from sqlalchemy import delete

        with self._write() as con:
            return con.execute(
                delete(jobs).where(jobs.c.status.in_(ENDED), jobs.c.finished_at < before)
            ).rowcount


def _which(run_id: str | None, group_id: str | None, pipeline: str | None) -> list[ColumnElement[bool]]:
    given = ((jobs.c.run_id, run_id), (jobs.c.group_id, group_id), (jobs.c.pipeline, pipeline))
    return [column == text(value) for column, value in given if value is not None]


def _error(message: str) -> dict[str, Any]:
    return {"type": "CancelledError", "message": message}


def _held(claim: Claim) -> ColumnElement[bool]:
    return and_(jobs.c.id == claim.id, jobs.c.token == claim.token, jobs.c.status == "running")


def _row(environment: str, run_id: str, request: JobRequest, now: datetime, turn: int) -> dict[str, Any]:
    return {
        "environment": text(environment), "pipeline": text(request.pipeline),
        "run_id": run_id, "trigger": request.trigger, "status": "queued",
        "priority": request.priority, "turn": turn, "due_at": request.due_at or now,
        "nominal_at": request.nominal_at, "payload": plain(request.payload), "once_key": request.once_key,
        "dedup_key": request.dedup_key, "concurrency_key": request.concurrency_key,
        "concurrency": request.concurrency, "pool": request.pool, "waiting": 0,
        "group_id": request.group_id, "attempt": 1, "attempts": request.attempts, "token": 0, "lost": 0,
        "cancel": False, "created_at": now,
    }  # fmt: skip


def _tie(con: Connection, requests: Sequence[JobRequest], found: Sequence[int | None]) -> None:
    """Which jobs wait for which."""
    ties = [
        {"job_id": job, "needs_id": found[place]}
        for request, job in zip(requests, found, strict=True)
        for place in request.needs
        if job is not None and found[place] is not None
    ]
    if ties:
        con.execute(job_needs.insert(), ties)
        waits = Counter(tie["job_id"] for tie in ties)
        con.execute(
            update(jobs).where(jobs.c.id == bindparam("of")).values(waiting=bindparam("many")),
            [{"of": job, "many": many} for job, many in waits.items()],
        )


class _Turns:
    """The turns that jobs of this call get."""

    def __init__(self, con: Connection, environment: str, requests: Sequence[JobRequest]) -> None:
        here = jobs.c.environment == text(environment)
        waiting = select(func.min(jobs.c.turn)).where(here, jobs.c.status == "queued")
        served = con.execute(waiting).scalar()
        names = sorted({text(request.pipeline) for request in requests})
        self._last: dict[str, int] = {}
        for start in range(0, len(names), _BATCH):
            some = jobs.c.pipeline.in_(names[start : start + _BATCH])
            last = select(jobs.c.pipeline, func.max(jobs.c.turn)).where(here, some).group_by(jobs.c.pipeline)
            self._last |= {str(name): int(turn) for name, turn in con.execute(last)}
        # where nothing waits, the round begins with the pipeline that had the fewest turns
        self._served = min((self._last.get(n, 0) for n in names), default=0) + 1 if served is None else served

    def next(self, pipeline: str) -> int:
        turn = max(self._last.get(pipeline, 0) + 1, int(self._served))
        self._last[pipeline] = turn
        return turn


class _Busy:
    """Slots that running jobs hold, by concurrency key and by pool."""

    def __init__(self, con: Connection, environment: str) -> None:
        self.keys: dict[str, set[int]] = {}
        self.pools: dict[str, set[int]] = {}
        statement = select(jobs.c.concurrency_key, jobs.c.slot, jobs.c.pool, jobs.c.pool_slot).where(
            jobs.c.environment == text(environment), jobs.c.status == "running"
        )
        for key, slot, pool, pool_slot in con.execute(statement):
            self.add(key, slot, pool, pool_slot)

    def add(self, key: str | None, slot: int | None, pool: str, pool_slot: int) -> None:
        if key is not None and slot is not None:
            self.keys.setdefault(key, set()).add(slot)
        self.pools.setdefault(pool, set()).add(pool_slot)

    def slot(self, key: str | None, limit: int) -> int | None:
        return _free(self.keys.get(key or "", set()), limit)

    def pool_slot(self, pool: str, limit: int) -> int | None:
        return _free(self.pools.get(pool, set()), limit)


def _free(taken: set[int], limit: int) -> int | None:
    return next((n for n in range(limit) if n not in taken), None)


def _candidates(
    con: Connection, environment: str, pools: Mapping[str, int], busy: _Busy, now: datetime, passed: list[int]
) -> Sequence[RowMapping]:
    open_pools = [pool for pool, limit in pools.items() if busy.pool_slot(pool, limit) is not None]
    full = list(busy.keys)
    statement = (
        select(jobs)
        .where(
            jobs.c.environment == text(environment), jobs.c.status == "queued", jobs.c.due_at <= now,
            jobs.c.waiting == 0, jobs.c.pool.in_(open_pools),
            # those that run alone are left out here, those that run in company are looked at below
            or_(
                jobs.c.concurrency_key.is_(None), jobs.c.concurrency > 1,
                jobs.c.concurrency_key.not_in(full),
            ),
            jobs.c.id.not_in(passed),
        )
        .order_by(jobs.c.priority.desc(), jobs.c.turn, jobs.c.id)
        .limit(_SCANNED)
        .with_for_update(skip_locked=True)
    )  # fmt: skip
    return con.execute(statement).mappings().all()


def _take(
    con: Connection, row: RowMapping, pools: Mapping[str, int], busy: _Busy, worker: str, now: datetime
) -> Claim | None:
    """Claim it, unless its slot is taken: by us, or by somebody who commits before."""
    key, pool = row["concurrency_key"], row["pool"]
    slot = None if key is None else busy.slot(key, row["concurrency"])
    pool_slot = busy.pool_slot(pool, pools[pool])
    if (key is not None and slot is None) or pool_slot is None:
        return None
    values = {
        "status": "running", "token": row["token"] + 1, "worker": worker, "slot": slot,
        "pool_slot": pool_slot, "claimed_at": now, "heartbeat_at": now, "progress": None,
    }  # fmt: skip
    try:
        with con.begin_nested():
            con.execute(update(jobs).where(jobs.c.id == row["id"]).values(values))
    except IntegrityError:
        busy.add(key, slot, pool, pool_slot)  # somebody was faster
        return None
    busy.add(key, slot, pool, pool_slot)
    return Claim(
        row["id"], row["token"] + 1, row["run_id"], row["environment"], row["pipeline"], row["trigger"],
        row["payload"], row["nominal_at"], row["attempt"], row["attempts"], row["lost"], row["group_id"],
        row["due_at"], pool,
    )  # fmt: skip


def _back(due_at: datetime) -> dict[str, Any]:
    """What a job in the queue has no more."""
    return {
        "status": "queued", "due_at": due_at, "worker": None, "slot": None, "pool_slot": None,
        "claimed_at": None, "heartbeat_at": None,
    }  # fmt: skip


def _requeue(con: Connection, which: ColumnElement[bool], values: Mapping[str, Any]) -> bool:
    """Into the queue. Where another of its ``dedup_key`` waits there already, it goes without."""
    try:
        with con.begin_nested():
            return con.execute(update(jobs).where(which).values(values)).rowcount == 1
    except IntegrityError:
        return con.execute(update(jobs).where(which).values({**values, "dedup_key": None})).rowcount == 1


def _end(
    con: Connection, which: ColumnElement[bool], status: str, now: datetime, error: Mapping[str, Any] | None
) -> int | None:
    """The job's end, and what follows from it for those that need it."""
    values = {"status": status, "finished_at": now, "slot": None, "pool_slot": None, "error": plain(error)}
    job = con.execute(update(jobs).where(which).values(values).returning(*_OF_RUN)).mappings().first()
    if job is None:
        return None
    if status in ("skipped", "cancelled", "failed"):
        never_began(con, dict(job), status, now, error)
    needing = select(job_needs.c.job_id).where(job_needs.c.needs_id == job["id"])
    waits = and_(jobs.c.id.in_(needing), jobs.c.status == "queued")
    if status == "succeeded":
        con.execute(update(jobs).where(waits).values(waiting=jobs.c.waiting - 1))
    else:
        reason = {
            "type": "Skipped",
            "message": f"{job['pipeline']}, which it needs, {_HOW.get(status, status)}",
        }
        for waiting in con.execute(select(jobs.c.id).where(waits)).scalars().all():
            _end(con, and_(jobs.c.id == waiting, jobs.c.status == "queued"), "skipped", now, reason)
    return int(job["id"])


_OF_RUN = (
    jobs.c.id, jobs.c.run_id, jobs.c.pipeline, jobs.c.environment, jobs.c.attempt, jobs.c.nominal_at,
    jobs.c.group_id,
)  # fmt: skip
_HOW = {"blocked": "was blocked", "skipped": "was skipped", "cancelled": "was cancelled"}


def _poison(row: RowMapping) -> dict[str, Any]:
    return {
        "type": "RunError",
        "message": f"{row['lost'] + 1} workers ended in the middle of it, so it is not given to another",
        "hint": f"sluiceway runs logs {row['run_id']}; then: sluiceway runs retry {row['run_id']}",
    }
