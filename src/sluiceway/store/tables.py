"""The tables of the metadata store. Every statement about them lives in this package.

Times are UTC. Rows carry the environment, so that dev and prod may share one store. On PostgreSQL the
tables lie in a schema of their own, ``sluiceway``.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Dialect,
    Double,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    TypeDecorator,
    UniqueConstraint,
    false,
)

__all__ = [
    "ID",
    "REVISION",
    "SCHEMA",
    "UTCDateTime",
    "alerts",
    "attempts",
    "checks",
    "column_edges",
    "columns",
    "configs",
    "cursors",
    "dataset_edges",
    "datasets",
    "deliveries",
    "fixes",
    "listener_failures",
    "metadata",
    "metrics",
    "nodes",
    "quarantine",
    "receipts",
    "runs",
    "samples",
    "silences",
    "version",
]

REVISION = "0003"
"""The migration that these tables are equal to. Revisions are numbers, so that newer is greater."""

SCHEMA = "sluiceway"
"""The schema on PostgreSQL, where a store may share a database with others."""


class UTCDateTime(TypeDecorator[datetime]):
    """Aware UTC in Python; ``timestamptz`` on PostgreSQL, UTC text on SQLite. A naive time is UTC."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)

    def process_result_value(self, value: Any | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        assert isinstance(value, datetime)
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    }
)

version = Table(
    "sluiceway_version",
    MetaData(),  # Alembic's own table: it makes it, and leaves it out of comparisons
    Column("version_num", String(32), nullable=False),
    PrimaryKeyConstraint("version_num", name="sluiceway_version_pkc"),
)


ID = BigInteger().with_variant(Integer, "sqlite")


def _id() -> Column[int]:
    return Column("id", ID, primary_key=True)


def _run(*, primary_key: bool = False) -> Column[str]:
    return Column(
        "run_id",
        String,
        ForeignKey("runs.id", ondelete="CASCADE"),
        primary_key=primary_key,
        nullable=False,
    )


def _dataset(name: str, *, primary_key: bool = False, nullable: bool = False) -> Column[int]:
    return Column(
        name,
        ID,
        ForeignKey("datasets.id", ondelete="CASCADE"),
        primary_key=primary_key,
        nullable=nullable,
    )


configs = Table(
    "configs",
    metadata,
    Column("hash", String, primary_key=True),
    Column("pipeline", String, nullable=False),
    Column("raw", JSON, nullable=False),  # ${VAR} unresolved
    Column("first_seen_at", UTCDateTime, nullable=False),
)

datasets = Table(
    "datasets",
    metadata,
    _id(),
    Column("environment", String, nullable=False),
    Column("namespace", String, nullable=False),
    Column("name", String, nullable=False),
    Column("alias", String),  # the table as a pipeline's file names it, where it was published
    Column("pipeline", String),  # who publishes it; NULL for what is only read
    Column("description", String, nullable=False),
    Column("owner", String, nullable=False),
    Column("first_seen_at", UTCDateTime, nullable=False),
    Column("last_seen_at", UTCDateTime, nullable=False),
    Column("published_at", UTCDateTime),
    UniqueConstraint("environment", "namespace", "name"),
    Index(None, "name"),
    Index(None, "alias"),
)

columns = Table(
    "columns",
    metadata,
    _dataset("dataset_id", primary_key=True),
    Column("name", String, primary_key=True),
    Column("position", Integer, nullable=False),
    Column("type", String, nullable=False),
)

runs = Table(
    "runs",
    metadata,
    Column("id", String, primary_key=True),
    Column("pipeline", String, nullable=False),
    Column("environment", String, nullable=False),
    Column("kind", String, nullable=False),  # run | check | replay | rollback
    Column("status", String, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("started_at", UTCDateTime, nullable=False),
    Column("nominal_at", UTCDateTime),  # the scheduled time, where a schedule started it
    Column("updated_at", UTCDateTime, nullable=False),  # the last word that was heard of it
    Column("finished_at", UTCDateTime),
    Column("seconds", Double),
    Column("verdict", String),
    Column("quality_score", Double),
    Column("dimensions", JSON),
    Column("read", BigInteger),
    Column("rejected", BigInteger),
    Column("staged", BigInteger),
    Column("published", BigInteger),
    Column("quarantined", BigInteger),
    Column("late", BigInteger),
    Column("snapshot", String),
    Column("error", JSON),
    Column("engine", JSON),
    Column("sql", String),
    _dataset("output_id", nullable=True),
    Column("config_hash", String, ForeignKey("configs.hash")),
    Column("host", String),  # these four tell a process that died from one that reused its pid
    Column("boot_id", String),
    Column("pid", BigInteger),
    Column("process_started", String),
    Column("group_id", String),  # ties the runs of one selection or backfill together
    Index(None, "pipeline", "environment", "started_at"),
    Index(None, "started_at"),
    Index(None, "status"),
    Index(None, "output_id"),
    Index(None, "config_hash"),
    Index(None, "group_id"),
)

attempts = Table(
    "attempts",
    metadata,
    _run(primary_key=True),
    Column("attempt", Integer, primary_key=True),
    Column("status", String, nullable=False),
    Column("started_at", UTCDateTime, nullable=False),
    Column("finished_at", UTCDateTime),
    Column("seconds", Double),
    Column("error", JSON),
)

nodes = Table(
    "nodes",
    metadata,
    _run(primary_key=True),
    Column("attempt", Integer, primary_key=True),
    Column("node", String, primary_key=True),
    Column("status", String, nullable=False),  # running | succeeded | failed
    Column("started_at", UTCDateTime, nullable=False),
    Column("finished_at", UTCDateTime),
    Column("seconds", Double),
    Column("rows", BigInteger),
    Column("error", String),
)

checks = Table(
    "checks",
    metadata,
    _run(primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("check_id", String, nullable=False),
    Column("rule", String, nullable=False),
    Column("phase", String, nullable=False),
    Column("source", String, nullable=False),
    Column("columns", JSON, nullable=False),
    Column("dimension", String, nullable=False),
    Column("severity", String, nullable=False),
    Column("on_fail", String, nullable=False),
    Column("failing", BigInteger),
    Column("total", BigInteger),
    Column("passed", Boolean, nullable=False),
    Column("proven", Boolean, nullable=False),
    Column("observed", JSON),
    Column("message", String, nullable=False),
    Column("shadow", Boolean, nullable=False, server_default=false()),  # recorded, and blocks nothing
    Index(None, "check_id"),
)

samples = Table(
    "samples",
    metadata,
    _run(primary_key=True),
    Column("check_id", String, primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("row", JSON, nullable=False),  # the key and the failing columns, masked by the caller
)

metrics = Table(
    "metrics",
    metadata,
    _run(primary_key=True),
    _dataset("dataset_id", primary_key=True),
    Column("column", String, primary_key=True),  # '' for the dataset as a whole
    Column("name", String, primary_key=True),
    Column("at", UTCDateTime, nullable=False),
    Column("value", Double),
    Column("text", String),  # what is no number, or a whole number that a double can't hold
    Index(None, "dataset_id", "name", "at"),
)

dataset_edges = Table(
    "dataset_edges",
    metadata,
    Column("pipeline", String, primary_key=True),
    _dataset("input_id", primary_key=True),
    _dataset("output_id", primary_key=True),
    Column("run_id", String, nullable=False),  # the last run that published along this edge
    Column("seen_at", UTCDateTime, nullable=False),
    Index(None, "input_id"),
    Index(None, "output_id"),
)

column_edges = Table(
    "column_edges",
    metadata,
    _id(),
    Column("pipeline", String, nullable=False),
    _dataset("input_id"),
    Column("input_column", String, nullable=False),
    _dataset("output_id"),
    Column("output_column", String, nullable=False),
    Column("type", String, nullable=False),
    Column("subtype", String, nullable=False),
    Column("masking", Boolean, nullable=False),
    UniqueConstraint(
        "output_id",
        "output_column",
        "input_id",
        "input_column",
        "type",
        "subtype",
        "pipeline",
        name="uq_column_edges",  # the conventional name is longer than PostgreSQL takes
    ),
    Index(None, "input_id", "input_column"),
)

cursors = Table(
    "cursors",
    metadata,
    Column("environment", String, primary_key=True),
    Column("pipeline", String, primary_key=True),
    Column("source", String, primary_key=True),
    Column("column", String, nullable=False),
    Column("type", String, nullable=False),
    Column("value", String),
    Column("run_id", String, nullable=False),
    Column("updated_at", UTCDateTime, nullable=False),
)

quarantine = Table(
    "quarantine",
    metadata,
    _run(primary_key=True),
    Column("check_id", String, primary_key=True),
    Column("waiting", BigInteger, nullable=False),
    Column("replayed", BigInteger, nullable=False),
    Column("discarded", BigInteger, nullable=False),
    Column("updated_at", UTCDateTime, nullable=False),
)

receipts = Table(
    "receipts",
    metadata,
    Column("environment", String, primary_key=True),
    Column("dataset", String, primary_key=True),
    Column("run_id", String, primary_key=True),
    Column("pipeline", String, nullable=False),
    Column("mode", String, nullable=False),
    Column("published", BigInteger, nullable=False),
    Column("quarantined", BigInteger, nullable=False),
    Column("late", BigInteger, nullable=False),
    Column("snapshot", String),
    Column("published_at", UTCDateTime, nullable=False),
    Column("rolled_back", Boolean, nullable=False),
)

listener_failures = Table(
    "listener_failures",
    metadata,
    _run(primary_key=True),
    Column("listener", String, primary_key=True),
    Column("count", Integer, nullable=False),
    Column("at", UTCDateTime, nullable=False),
)

fixes = Table(
    "fixes",
    metadata,
    _run(primary_key=True),
    Column("check_id", String, primary_key=True),  # the rule that the values broke
    Column("position", Integer, nullable=False),
    Column("fix", String, nullable=False),  # what was done: trim, clamp, …
    Column("dataset", String, nullable=False),
    Column("column", String, nullable=False),
    Column("failing", BigInteger, nullable=False),  # rows as they came
    Column("fixed", BigInteger, nullable=False),  # of these: published with another value
    Column("unfixable", BigInteger, nullable=False),  # of these: failed still, and lie in quarantine
    Column(
        "values", JSON, nullable=False
    ),  # the commonest: [{before, after, count, key}], masked by the caller
    Column("at", UTCDateTime, nullable=False),
    Column("undone", BigInteger, nullable=False),  # rows of the run that were put back
    Column("undone_by", String),  # the last run that put some back
    Index(None, "dataset", "at"),
)

alerts = Table(
    "alerts",
    metadata,
    _id(),
    Column("environment", String, nullable=False),
    Column("key", String, nullable=False),  # what is one problem: alerts of one key are grouped
    Column("kind", String, nullable=False),  # run_failed, gate_blocked, quality_degradation, …
    Column("severity", String, nullable=False),
    Column("pipeline", String),
    Column("dataset", String),
    Column("owner", String, nullable=False),
    Column("run_id", String),  # the last that raised it; no foreign key: alerts outlive runs
    Column("title", String, nullable=False),
    Column("message", String, nullable=False),
    Column("details", JSON, nullable=False),
    Column("state", String, nullable=False),  # open | resolved
    Column("count", BigInteger, nullable=False),  # how often it was raised
    Column("first_at", UTCDateTime, nullable=False),
    Column("last_at", UTCDateTime, nullable=False),
    Column("resolved_at", UTCDateTime),
    Index(None, "environment", "key", "state"),
)

deliveries = Table(
    "deliveries",
    metadata,
    _id(),
    Column(
        "alert_id",
        ID,
        ForeignKey("alerts.id", ondelete="CASCADE"),
        nullable=False,
    ),
    Column("channel", String, nullable=False),  # its name; never its URL, which holds secrets
    Column("kind", String, nullable=False),  # raised | resolved
    # sending | sent | failed | throttled | held | silenced | dropped
    Column("status", String, nullable=False),
    Column("group_key", String, nullable=False),  # alerts of one group make one message
    Column("error", String),
    Column("at", UTCDateTime, nullable=False),
    Column("due_at", UTCDateTime),  # held: when the next message of its group may go
    Index(None, "alert_id", "at"),
    Index(None, "channel", "group_key", "at"),
)

silences = Table(
    "silences",
    metadata,
    _id(),
    Column("environment", String, nullable=False),
    Column("pattern", String, nullable=False),  # of the alert's key
    Column("reason", String, nullable=False),
    Column("until", UTCDateTime, nullable=False),
    Column("created_at", UTCDateTime, nullable=False),
)
