"""The tables of the orchestrator: the queue, schedules, workers, logs, health. See ``tables.py``."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    String,
    Table,
    UniqueConstraint,
    text,
)

from sluiceway.store.tables import ID, UTCDateTime, metadata

__all__ = ["for_postgresql", "groups", "health", "job_needs", "jobs", "run_logs", "schedules", "workers"]

_PARTIAL: dict[Index, str] = {}
_QUEUED, _RUNNING = "status = 'queued'", "status = 'running'"
_READY = "status = 'queued' AND waiting = 0"
_ACTIVE = "status IN ('queued', 'running')"


def _while(name: str, condition: str, *names: str, unique: bool = True) -> Index:
    """An index of the rows for which ``condition`` holds; both databases have it."""
    made = Index(name, *names, unique=unique, sqlite_where=text(condition))
    _PARTIAL[made] = condition
    return made


def for_postgresql() -> None:
    """Before the tables are made there. Saying it above would import PostgreSQL's part of SQLAlchemy, and
    asyncio with it, into every run whose store is a file."""
    for index, condition in _PARTIAL.items():
        index.dialect_kwargs["postgresql_where"] = text(condition)


jobs = Table(
    "jobs",
    metadata,
    Column("id", ID, primary_key=True),
    Column("environment", String, nullable=False),
    Column("pipeline", String, nullable=False),
    # its run's from the first claim to the last, so that a publish which was made is not made again
    Column("run_id", String, nullable=False),
    Column("trigger", String, nullable=False),  # schedule | dataset | file | manual | backfill | retry
    Column("status", String, nullable=False),  # as a run's
    Column("priority", Integer, nullable=False),  # the greater goes first
    Column("rank", Integer, nullable=False),  # -priority: one index has the order, walked one way
    Column("turn", BigInteger, nullable=False),  # fair between pipelines of one priority
    Column("due_at", UTCDateTime, nullable=False),  # not to be claimed before
    Column("nominal_at", UTCDateTime),  # the moment that the run stands for
    Column("payload", JSON, nullable=False),  # vars, full_refresh, interval, …
    Column("once_key", String),  # there is one job of it, ever: a schedule's tick
    Column("dedup_key", String),  # there is one of it in the queue
    Column("concurrency_key", String),  # of those with one, ``concurrency`` run at once
    Column("concurrency", Integer, nullable=False),
    Column("slot", Integer),  # which of them it takes
    Column("pool", String, nullable=False),
    Column("pool_slot", Integer),
    Column("waiting", Integer, nullable=False),  # jobs that must succeed before
    Column("group_id", String),
    Column("attempt", Integer, nullable=False),  # tries that ended with an error, and this one
    Column("attempts", Integer, nullable=False),  # tries at most
    Column("token", BigInteger, nullable=False),  # the claim's: who holds an older one is fenced off
    Column("lost", Integer, nullable=False),  # claims whose worker was never heard of again
    Column("worker", String),
    Column("cancel", Boolean, nullable=False),  # asked to stop
    Column("created_at", UTCDateTime, nullable=False),
    Column("claimed_at", UTCDateTime),
    Column("heartbeat_at", UTCDateTime),
    Column("finished_at", UTCDateTime),
    Column("progress", JSON),  # the node it is at, rows, memory
    Column("error", JSON),
    UniqueConstraint("environment", "once_key"),
    Index(None, "run_id"),
    Index(None, "group_id"),
    Index(None, "environment", "status", "finished_at"),
    Index(None, "environment", "pipeline", "id"),
    _while("ix_jobs_next", _READY, "environment", "pool", "rank", "turn", "id", unique=False),
    _while("ix_jobs_turn", _ACTIVE, "environment", "pipeline", "pool", "priority", "turn", unique=False),
    _while("uq_jobs_dedup", _QUEUED, "environment", "dedup_key"),
    _while("uq_jobs_slot", _RUNNING, "environment", "concurrency_key", "slot"),
    _while("uq_jobs_pool", _RUNNING, "environment", "pool", "pool_slot"),
)

job_needs = Table(
    "job_needs",
    metadata,
    Column("job_id", ID, ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
    Column("needs_id", ID, ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
    Index(None, "needs_id"),
)

schedules = Table(
    "schedules",
    metadata,
    Column("environment", String, primary_key=True),
    Column("pipeline", String, primary_key=True),
    Column("spec", JSON, nullable=False),  # as it was when last_at was written
    Column("paused", Boolean, nullable=False),
    Column("reason", String),  # why it is paused
    Column("last_at", UTCDateTime),  # the last moment that was put into the queue
    Column("next_at", UTCDateTime),
    Column("seen", JSON, nullable=False),  # datasets' runs and files that were answered
    Column("error", String),  # why its file can't be used now; the version before goes on
    Column("updated_at", UTCDateTime, nullable=False),
    Index(None, "environment", "next_at"),
)

groups = Table(
    "groups",
    metadata,
    Column("id", String, primary_key=True),
    Column("environment", String, nullable=False),
    Column("kind", String, nullable=False),  # backfill | selection
    Column("pipeline", String),
    Column("state", String, nullable=False),  # running | paused | cancelled | finished
    Column("payload", JSON, nullable=False),  # from, to, chunk, parallel, next; the selection
    Column("created_at", UTCDateTime, nullable=False),
    Column("updated_at", UTCDateTime, nullable=False),
    Column("finished_at", UTCDateTime),
    Index(None, "environment", "state"),
)

workers = Table(
    "workers",
    metadata,
    Column("id", String, primary_key=True),
    Column("kind", String, nullable=False),  # worker | scheduler
    Column("environment", String, nullable=False),
    Column("state", String, nullable=False),  # running | draining | stopped
    Column("slots", Integer, nullable=False),
    Column("details", JSON, nullable=False),
    Column("started_at", UTCDateTime, nullable=False),
    Column("heartbeat_at", UTCDateTime, nullable=False),
    Column("host", String),
    Column("boot_id", String),
    Column("pid", BigInteger),
    Column("process_started", String),
    Index(None, "environment", "kind", "heartbeat_at"),
)

run_logs = Table(
    "run_logs",
    metadata,
    Column("run_id", String, primary_key=True),  # no foreign key: a run may never get as far as a row
    Column("seq", Integer, primary_key=True),
    Column("at", UTCDateTime, nullable=False),
    Column("text", String, nullable=False),
)

health = Table(
    "health",
    metadata,
    Column("id", ID, primary_key=True),
    Column("environment", String, nullable=False),
    Column("pipeline", String, nullable=False),
    Column("at", UTCDateTime, nullable=False),
    Column("score", Double, nullable=False),  # 0..100
    Column("parts", JSON, nullable=False),
    Column("issues", JSON, nullable=False),
    Index(None, "environment", "pipeline", "at"),
)
