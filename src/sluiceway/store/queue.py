"""The durable queue: jobs that wait for a worker, run, or ran.

At least once, with a fence. A job is claimed with a token that grows with each claim; whoever holds an older
one can say nothing more about it. A job's run keeps its id from the first claim to the last, so that what was
published once is not published again: a destination knows the receipt. What may run at once is held by unique
indexes over running jobs, not by counting: two claims of one slot can't both commit.

The statements stand in ``jobputs`` (in), ``jobneeds`` (what a job waits for), ``jobclaims`` (out) and
``jobends`` (over, or in again).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

from sqlalchemy import and_, delete, func, select, update

from sluiceway.store import jobclaims, jobends, jobneeds, jobputs
from sluiceway.store.jobclaims import Claim
from sluiceway.store.jobputs import JobRequest, Trigger
from sluiceway.store.jobtables import jobs, workers
from sluiceway.store.jobwords import ACTIVE, ENDED, QUEUED, RUNNING
from sluiceway.store.reads import document
from sluiceway.store.values import plain, text

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, Connection

__all__ = ["ENDED", "Claim", "JobRequest", "Queue", "Trigger"]

_Open = Callable[[], AbstractContextManager["Connection"]]
HELD = datetime(9000, 1, 1, tzinfo=UTC)
"""When jobs are due that are held."""
_PRUNED = 1_000
"""Jobs that are forgotten in one transaction."""


class Queue:
    """``Store.queue``. Times are UTC; answers are JSON-ready dicts but for ``Claim``."""

    def __init__(self, read: _Open, write: _Open) -> None:
        self._read, self._write = read, write

    # --- into the queue ---

    def put(self, environment: str, requests: Sequence[JobRequest], now: datetime) -> list[int | None]:
        """Put jobs into the queue, all or none; the id of each, None where its key was there already.

        A job whose needs were all left out so stands as if they had succeeded before.

        Raises:
            ValueError: a job needs one that does not stand before it.
        """
        if not requests:
            return []
        with self._write() as con:
            ids = jobputs.put(con, environment, requests, now)
            jobneeds.follow(con, environment, requests, ids, now)
            return ids

    # --- out of it ---

    def claim(
        self, environment: str, worker: str, pools: Mapping[str, int], now: datetime, limit: int = 1
    ) -> list[Claim]:
        """Up to ``limit`` jobs for ``worker``, of these pools, each of which runs that many jobs at once."""
        with self._write() as con:
            return jobclaims.claim(con, environment, worker, pools, now, limit)

    def heartbeat(
        self, claim: Claim, now: datetime, progress: Mapping[str, Any] | None = None
    ) -> Literal["go on", "cancel", "gone"]:
        """Say that it is alive; learn whether it is to stop, or has been given to somebody else."""
        values: dict[str, Any] = {"heartbeat_at": now}
        if progress is not None:
            values["progress"] = plain(progress)
        this = jobends.held(claim.id, claim.token)
        with self._write() as con:
            row = con.execute(update(jobs).where(this).values(values).returning(jobs.c.cancel)).first()
        if row is None:
            return "gone"
        return "cancel" if row[0] else "go on"

    def is_claimed(self, job: int, token: int) -> bool:
        """Whether the claim with this token still stands: asked right before a publish."""
        with self._read() as con:
            return con.execute(select(jobs.c.id).where(jobends.held(job, token))).first() is not None

    def finish(
        self, claim: Claim, status: str, now: datetime, error: Mapping[str, Any] | None = None
    ) -> bool:
        """How it ended; False where the claim no longer stands, and then nothing is said.

        Jobs that need this one become claimable, or ``skipped`` with the reason.
        """
        with self._write() as con:
            return jobends.end(con, claim, status, now, error)

    def again(
        self,
        claim: Claim,
        due_at: datetime,
        now: datetime,
        error: Mapping[str, Any] | None = None,
        *,
        spared: bool = False,
    ) -> bool:
        """Back into the queue for the next attempt, not before ``due_at``; False where the claim is gone.

        A job that was asked to stop meanwhile ends instead, and so does one that is given back.

        Args:
            spared: it counts as a worker lost, not as an attempt.
        """
        counted = jobs.c.lost if spared else jobs.c.attempt
        values = {"due_at": due_at, counted.name: counted + 1, "error": plain(error)}
        with self._write() as con:
            return jobends.requeue(con, claim, now, values) is not None

    def give_back(self, claim: Claim, now: datetime) -> bool:
        """Back into the queue as if it had never been claimed: a worker that drains."""
        with self._write() as con:
            return jobends.requeue(con, claim, now, {}) is not None

    def running(self, environment: str) -> list[dict[str, Any]]:
        """What runs, and whose it is: ``{id, token, worker, heartbeat_at}`` and the process of the worker:
        ``{host, boot_id, pid, process_started}``, None where the worker isn't known."""
        process = (workers.c.host, workers.c.boot_id, workers.c.pid, workers.c.process_started)
        statement = (
            select(jobs.c.id, jobs.c.token, jobs.c.worker, jobs.c.heartbeat_at, *process)
            .join_from(jobs, workers, workers.c.id == jobs.c.worker, isouter=True)
            .where(jobs.c.environment == text(environment), RUNNING)
        )
        with self._read() as con:
            return [dict(row) for row in con.execute(statement).mappings()]

    def orphans(
        self, environment: str, silent: Mapping[int, int], now: datetime, poison: int = 3
    ) -> list[dict[str, Any]]:
        """Take running jobs from workers that are gone, and put them into the queue again.

        A job that loses its ``poison``-th worker is failed: it may be what kills them. Says what became of
        each: its document as it now stands.

        Args:
            silent: the token by job, as ``running`` had them. Who says something meanwhile keeps its job.
        """
        if not silent:
            return []
        with self._write() as con:
            return jobends.lose(con, environment, silent, now, poison)

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
        """End what waits, and ask what runs to stop: how many of each. At least one of the three is given.

        Raises:
            ValueError: none is.
        """
        given = _which(run_id, group_id, pipeline)
        if not given:
            raise ValueError("name a run, a group or a pipeline")
        which = and_(jobs.c.environment == text(environment), *given)
        with self._write() as con:
            return jobends.cancel(con, environment, which, now)

    def hold(self, environment: str, group_id: str) -> int:
        """Let nobody claim what waits of a group; how many those are. What runs goes on."""
        with self._write() as con:
            return con.execute(
                update(jobs).where(*self._queued(environment, group_id)).values(due_at=HELD)
            ).rowcount

    def release(self, environment: str, group_id: str, now: datetime) -> int:
        """Undo ``hold``; how many jobs may be claimed again."""
        held = (*self._queued(environment, group_id), jobs.c.due_at >= HELD)
        with self._write() as con:
            return con.execute(update(jobs).where(*held).values(due_at=now)).rowcount

    @staticmethod
    def _queued(environment: str, group_id: str) -> tuple[ColumnElement[bool], ...]:
        return (jobs.c.environment == text(environment), jobs.c.group_id == text(group_id), QUEUED)

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
        statement = select(jobs).where(*_which(run_id, group_id, pipeline))
        if environment is not None:
            statement = statement.where(jobs.c.environment == text(environment))
        if status:
            statement = statement.where(jobs.c.status.in_(status))
        with self._read() as con:
            found = con.execute(statement.order_by(jobs.c.id.desc()).limit(limit))
            return [document(row) for row in found.mappings()]

    def active(self, run_ids: Sequence[str]) -> frozenset[str]:
        """Of these runs those that wait in the queue or run."""
        found: set[str] = set()
        for part in jobputs.chunks(run_ids):
            these = (jobs.c.run_id.in_([text(run_id) for run_id in part]), ACTIVE)
            with self._read() as con:
                found |= set(con.execute(select(jobs.c.run_id).where(*these)).scalars())
        return frozenset(found)

    def busy(self, environment: str, pools: Sequence[str] | None = None) -> bool:
        """Whether anything waits or runs, in these pools or at all; what is held does not count."""
        here = (jobs.c.environment == text(environment), ACTIVE, jobs.c.due_at < HELD)
        statement = select(jobs.c.id).where(*here).limit(1)
        if pools is not None:
            statement = statement.where(jobs.c.pool.in_(pools))
        with self._read() as con:
            return con.execute(statement).first() is not None

    def counts(self, environment: str | None = None) -> dict[str, int]:
        """Status -> jobs."""
        statement = select(jobs.c.status, func.count()).group_by(jobs.c.status)
        if environment is not None:
            statement = statement.where(jobs.c.environment == text(environment))
        with self._read() as con:
            return {str(status): int(count) for status, count in con.execute(statement)}

    def prune(self, before: datetime) -> int:
        """Forget jobs that ended before then; a ``once_key`` goes with its job."""
        old = select(jobs.c.id).where(jobs.c.status.in_(ENDED), jobs.c.finished_at < before)
        old = old.order_by(jobs.c.id).limit(_PRUNED).with_for_update(skip_locked=True)
        count = 0
        while True:
            with self._write() as con:
                these = con.execute(old).scalars().all()
                if not these:
                    return count
                count += con.execute(delete(jobs).where(jobs.c.id.in_(these))).rowcount


def _which(run_id: str | None, group_id: str | None, pipeline: str | None) -> list[ColumnElement[bool]]:
    given = ((jobs.c.run_id, run_id), (jobs.c.group_id, group_id), (jobs.c.pipeline, pipeline))
    return [column == text(value) for column, value in given if value is not None]
