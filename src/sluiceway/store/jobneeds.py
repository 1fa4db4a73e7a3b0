"""What a job waits for that was put into the queue before it: the last runs of the pipelines it needs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, func, literal, select, union_all, update

from sluiceway.store import jobends
from sluiceway.store.jobputs import chunks
from sluiceway.store.jobtables import job_needs, jobs
from sluiceway.store.jobwords import ENDED
from sluiceway.store.tables import runs
from sluiceway.store.values import text

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import Connection

    from sluiceway.store.jobputs import JobRequest

__all__ = ["follow"]

_PARTS = 20
"""Queries that are put together into one."""


def follow(
    con: Connection,
    environment: str,
    requests: Sequence[JobRequest],
    ids: Sequence[int | None],
    now: datetime,
) -> None:
    """Tie jobs, in the transaction that puts them in, to the last job of each pipeline of their ``after``.

    One that goes on is waited for. One that did not succeed is the reason why the new job is ``skipped``,
    unless a run of its pipeline did so since, by hand say. A backfill's runs are nobody's last.
    """
    asked = [(job, request) for request, job in zip(requests, ids, strict=True) if job and request.after]
    if not asked:
        return
    last = _last(con, environment, {(job, name) for job, request in asked for name in request.after})
    found = {job: [last[(job, n)] for n in request.after if (job, n) in last] for job, request in asked}
    for job, needed in found.items():
        needs = {need["id"] for need in needed if need["status"] not in ENDED}
        known = set(con.execute(select(job_needs.c.needs_id).where(job_needs.c.job_id == job)).scalars())
        if needs - known:
            con.execute(
                job_needs.insert(), [{"job_id": job, "needs_id": need} for need in sorted(needs - known)]
            )
            more = {"waiting": jobs.c.waiting + len(needs - known)}
            con.execute(update(jobs).where(jobs.c.id == job).values(more))
    for job, needed in found.items():  # when all are tied: what is skipped here takes along what needs it
        failed = next((need for need in needed if _in_vain(con, environment, need)), None)
        if failed is not None:
            jobends.skip(con, job, failed["pipeline"], failed["status"], now)


def _last(con: Connection, environment: str, wanted: set[tuple[int, str]]) -> dict[tuple[int, str], Any]:
    """(job, pipeline) -> the last job of the pipeline that was put in before that job."""
    before: dict[tuple[int, str], int] = {}
    parts = [
        select(func.max(jobs.c.id), literal(job), literal(text(name))).where(
            jobs.c.environment == text(environment), jobs.c.pipeline == text(name), jobs.c.id < job,
            jobs.c.trigger != "backfill",
        )
        for job, name in sorted(wanted)
    ]  # fmt: skip
    for some in chunks(parts, _PARTS):
        for need, job, name in con.execute(union_all(*some)):
            if need is not None:
                before[(job, name)] = need
    rows: dict[int, Any] = {}
    for part in chunks(sorted(set(before.values()))):
        these = (
            select(jobs.c.id, jobs.c.pipeline, jobs.c.status, jobs.c.finished_at)
            .where(jobs.c.id.in_(part))
            .order_by(jobs.c.id)
            .with_for_update(read=True)  # whoever ends one of them now waits, and then finds what follows it
        )
        rows |= {row["id"]: row for row in con.execute(these).mappings()}
    return {pair: rows[need] for pair, need in before.items() if need in rows}


def _in_vain(con: Connection, environment: str, need: Any) -> bool:
    if need["status"] not in ENDED or need["status"] == "succeeded":
        return False
    since = select(runs.c.id).where(
        and_(
            runs.c.environment == text(environment), runs.c.pipeline == need["pipeline"],
            runs.c.status == "succeeded", runs.c.kind == "run", runs.c.finished_at >= need["finished_at"],
        )
    ).limit(1)  # fmt: skip
    return con.execute(since).first() is None
