"""The end of a claim: the job is over, or back in the queue; and what follows for those that need it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, select, update
from sqlalchemy.exc import IntegrityError

from sluiceway.store import runs
from sluiceway.store.jobputs import chunks
from sluiceway.store.jobtables import job_needs, jobs
from sluiceway.store.jobwords import QUEUED, RUNNING, alone
from sluiceway.store.reads import document
from sluiceway.store.values import plain, text

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import ColumnElement, Connection, RowMapping

    from sluiceway.store.jobclaims import Claim

__all__ = ["cancel", "end", "held", "lose", "requeue", "skip"]

_OF_RUN = (
    jobs.c.id, jobs.c.run_id, jobs.c.pipeline, jobs.c.environment, jobs.c.attempt, jobs.c.nominal_at,
    jobs.c.group_id,
)  # fmt: skip
_HOW = {"blocked": "was blocked", "skipped": "was skipped", "cancelled": "was cancelled"}
_UNCLAIMED: dict[str, Any] = {
    "status": "queued", "worker": None, "slot": None, "pool_slot": None, "claimed_at": None,
    "heartbeat_at": None,
}  # fmt: skip
Error = Mapping[str, Any] | None


def held(job: int, token: int) -> ColumnElement[bool]:
    """The job while the claim with this token stands."""
    return and_(jobs.c.id == job, jobs.c.token == token, RUNNING)


def end(con: Connection, claim: Claim, status: str, now: datetime, error: Error) -> bool:
    """The end of a running job; those that need it may run now, or are skipped."""
    needed = select(job_needs.c.job_id).where(job_needs.c.needs_id == claim.id).limit(1)
    followed = con.execute(needed).first() is not None
    if followed:
        alone(con, claim.environment)
    ended = _end(con, held(claim.id, claim.token), status, now, error, followed=followed)
    if ended and not followed and con.execute(needed).first() is not None:
        _follow(con, ended, status, now)  # tied to it meanwhile, and before its row was locked here
    return bool(ended)


def skip(con: Connection, job: int, needed: str, status: str, now: datetime) -> None:
    """A queued job that will not run, since the pipeline ``needed`` ended so; and what needs the job."""
    error = {"type": "Skipped", "message": f"{needed}, which it needs, {_HOW.get(status, status)}"}
    skipped = _close(con, and_(jobs.c.id == job, QUEUED), "skipped", now, error)
    _follow(con, skipped, "skipped", now)


def requeue(con: Connection, claim: Claim, now: datetime, values: Mapping[str, Any]) -> str | None:
    """Back into the queue: ``queued``, or ``cancelled`` where it was asked to stop; None where the claim is
    gone. Where another of its ``dedup_key`` waits there already, it goes without its own."""
    alone(con, claim.environment)
    this = held(claim.id, claim.token)
    asked = con.execute(select(jobs.c.cancel).where(this).with_for_update()).scalar()
    if asked is None:
        return None
    if asked:
        _end(con, this, "cancelled", now, _cancelled("it was cancelled between two tries"))
        return "cancelled"
    _into_queue(con, this, values)
    return "queued"


def _into_queue(con: Connection, this: ColumnElement[bool], values: Mapping[str, Any]) -> None:
    values = {**_UNCLAIMED, **values}
    try:
        with con.begin_nested():
            con.execute(update(jobs).where(this).values(values))
    except IntegrityError:
        con.execute(update(jobs).where(this).values({**values, "dedup_key": None}))


def lose(
    con: Connection, environment: str, silent: Mapping[int, int], now: datetime, poison: int
) -> list[dict[str, Any]]:
    """Take running jobs, by id and token, from workers that are gone. Their documents as they then stand."""
    alone(con, environment)
    found: list[int] = []
    for part in chunks(sorted(silent)):
        these = select(jobs).where(jobs.c.id.in_(part), RUNNING).order_by(jobs.c.id)
        for row in con.execute(these.with_for_update(skip_locked=True)).mappings().all():
            if row["token"] == silent[row["id"]]:
                _lose(con, row, now, poison)
                found.append(row["id"])
    return [
        document(row)
        for part in chunks(found)
        for row in con.execute(select(jobs).where(jobs.c.id.in_(part)).order_by(jobs.c.id)).mappings()
    ]


def _lose(con: Connection, row: RowMapping, now: datetime, poison: int) -> None:
    this = held(row["id"], row["token"])
    if row["cancel"]:
        status, error = "cancelled", _cancelled("it was cancelled, and its worker is gone")
    elif row["lost"] + 1 >= poison:
        status, error = "failed", _poison(row)
    else:
        _into_queue(con, this, {"lost": row["lost"] + 1})
        return
    _end(con, this, status, now, error)
    # its process can't say so itself
    runs.mark(con, row["run_id"], status, now, error=error)


def cancel(con: Connection, environment: str, which: ColumnElement[bool], now: datetime) -> tuple[int, int]:
    """End what waits, ask what runs to stop: how many of each."""
    alone(con, environment)
    asked = con.execute(update(jobs).where(which, RUNNING).values(cancel=True)).rowcount
    error = _cancelled("it was cancelled before it began")
    return len(_end(con, and_(which, QUEUED), "cancelled", now, error)), asked


def _end(
    con: Connection, which: ColumnElement[bool], status: str, now: datetime, error: Error,
    *, followed: bool = True,
) -> Sequence[RowMapping]:  # fmt: skip
    """The jobs that ended so. What needs them is skipped, and what needs that, level by level."""
    ended = _close(con, which, status, now, error)
    if followed:
        _follow(con, ended, status, now)
    return ended


def _follow(con: Connection, ended: Sequence[RowMapping], status: str, now: datetime) -> None:
    """What needs these jobs may run now, or is skipped, and so is what needs that."""
    if status == "succeeded":
        for row in ended:
            needing = select(job_needs.c.job_id).where(job_needs.c.needs_id == row["id"])
            waits = update(jobs).where(jobs.c.id.in_(needing), QUEUED)
            con.execute(waits.values(waiting=jobs.c.waiting - 1))
        return
    level = ended
    while level:
        level = _skip(con, level, status, now)
        status = "skipped"


def _skip(con: Connection, ended: Sequence[RowMapping], status: str, now: datetime) -> list[RowMapping]:
    names = {row["id"]: row["pipeline"] for row in ended}
    reasons: dict[int, str] = {}
    for part in chunks(sorted(names)):
        needing = (
            select(job_needs.c.job_id, job_needs.c.needs_id)
            .join(jobs, jobs.c.id == job_needs.c.job_id)
            .where(job_needs.c.needs_id.in_(part), QUEUED)
            .order_by(job_needs.c.job_id, job_needs.c.needs_id)
        )
        for job, need in con.execute(needing):
            reasons.setdefault(job, names[need])
    skipped: list[RowMapping] = []
    for name in sorted(set(reasons.values())):
        error = {"type": "Skipped", "message": f"{name}, which it needs, {_HOW.get(status, status)}"}
        for part in chunks(sorted(job for job, reason in reasons.items() if reason == name)):
            skipped += _close(con, and_(jobs.c.id.in_(part), QUEUED), "skipped", now, error)
    return skipped


def _close(
    con: Connection, which: ColumnElement[bool], status: str, now: datetime, error: Error
) -> Sequence[RowMapping]:
    values = {"status": status, "finished_at": now, "slot": None, "pool_slot": None, "error": plain(error)}
    closed = con.execute(update(jobs).where(which).values(values).returning(*_OF_RUN)).mappings().all()
    if status in ("skipped", "cancelled", "failed"):
        runs.never_began(con, [dict(row) for row in closed], status, now, error)
    return closed


def _cancelled(message: str) -> dict[str, Any]:
    return {"type": "CancelledError", "message": message}


def _poison(row: RowMapping) -> dict[str, Any]:
    run = text(row["run_id"])
    return {
        "type": "RunError",
        "message": f"{row['lost'] + 1} workers ended in the middle of it, so it is not given to another",
        "hint": f"sluiceway runs logs {run}; then: sluiceway runs retry {run}",
    }
