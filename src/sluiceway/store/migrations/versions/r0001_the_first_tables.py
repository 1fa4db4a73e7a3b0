"""The first tables"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TIME = sa.DateTime(timezone=True)

branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "configs",
        sa.Column("hash", sa.String(), nullable=False),
        sa.Column("pipeline", sa.String(), nullable=False),
        sa.Column("raw", sa.JSON(), nullable=False),
        sa.Column("first_seen_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("hash", name=op.f("pk_configs")),
    )
    op.create_table(
        "cursors",
        sa.Column("environment", sa.String(), nullable=False),
        sa.Column("pipeline", sa.String(), nullable=False),
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("column", sa.String(), nullable=False),
        sa.Column("type", sa.String(), nullable=False),
        sa.Column("value", sa.String(), nullable=True),
        sa.Column("run_id", sa.String(), nullable=False),
        sa.Column("updated_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("environment", "pipeline", "source", name=op.f("pk_cursors")),
    )
    op.create_table(
        "datasets",
        sa.Column("id", ID, nullable=False),
        sa.Column("environment", sa.String(), nullable=False),
        sa.Column("namespace", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("alias", sa.String(), nullable=True),
        sa.Column("pipeline", sa.String(), nullable=True),
        sa.Column("description", sa.String(), nullable=False),
        sa.Column("owner", sa.String(), nullable=False),
        sa.Column("first_seen_at", TIME, nullable=False),
        sa.Column("last_seen_at", TIME, nullable=False),
        sa.Column("published_at", TIME, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_datasets")),
        sa.UniqueConstraint(
            "environment", "namespace", "name", name=op.f("uq_datasets_environment_namespace_name")
        ),
    )
    op.create_index(op.f("ix_datasets_alias"), "datasets", ["alias"], unique=False)
    op.create_index(op.f("ix_datasets_name"), "datasets", ["name"], unique=False)

    op.create_table(
        "receipts",
        sa.Column("environment", sa.String(), nullable=False),
        sa.Column("dataset", sa.String(), nullable=False),
        sa.Column("run_id", sa.String(), nullable=False),
        sa.Column("pipeline", sa.String(), nullable=False),
        sa.Column("mode", sa.String(), nullable=False),
        sa.Column("published", sa.BigInteger(), nullable=False),
        sa.Column("quarantined", sa.BigInteger(), nullable=False),
        sa.Column("late", sa.BigInteger(), nullable=False),
        sa.Column("snapshot", sa.String(), nullable=True),
        sa.Column("published_at", TIME, nullable=False),
        sa.Column("rolled_back", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("environment", "dataset", "run_id", name=op.f("pk_receipts")),
    )
    op.create_table(
        "column_edges",
        sa.Column("id", ID, nullable=False),
        sa.Column("pipeline", sa.String(), nullable=False),
        sa.Column("input_id", ID, nullable=False),
        sa.Column("input_column", sa.String(), nullable=False),
        sa.Column("output_id", ID, nullable=False),
        sa.Column("output_column", sa.String(), nullable=False),
        sa.Column("type", sa.String(), nullable=False),
        sa.Column("subtype", sa.String(), nullable=False),
        sa.Column("masking", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["input_id"], ["datasets.id"], name=op.f("fk_column_edges_input_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["output_id"], ["datasets.id"], name=op.f("fk_column_edges_output_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_column_edges")),
        sa.UniqueConstraint(
            "output_id",
            "output_column",
            "input_id",
            "input_column",
            "type",
            "subtype",
            "pipeline",
            name="uq_column_edges",
        ),
    )
    op.create_index(
        op.f("ix_column_edges_input_id_input_column"),
        "column_edges",
        ["input_id", "input_column"],
        unique=False,
    )

    op.create_table(
        "columns",
        sa.Column("dataset_id", ID, nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("type", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(
            ["dataset_id"], ["datasets.id"], name=op.f("fk_columns_dataset_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("dataset_id", "name", name=op.f("pk_columns")),
    )
    op.create_table(
        "dataset_edges",
        sa.Column("pipeline", sa.String(), nullable=False),
        sa.Column("input_id", ID, nullable=False),
        sa.Column("output_id", ID, nullable=False),
        sa.Column("run_id", sa.String(), nullable=False),
        sa.Column("seen_at", TIME, nullable=False),
        sa.ForeignKeyConstraint(
            ["input_id"], ["datasets.id"], name=op.f("fk_dataset_edges_input_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["output_id"], ["datasets.id"], name=op.f("fk_dataset_edges_output_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("pipeline", "input_id", "output_id", name=op.f("pk_dataset_edges")),
    )
    op.create_index(op.f("ix_dataset_edges_input_id"), "dataset_edges", ["input_id"], unique=False)
    op.create_index(op.f("ix_dataset_edges_output_id"), "dataset_edges", ["output_id"], unique=False)

    op.create_table(
        "runs",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("pipeline", sa.String(), nullable=False),
        sa.Column("environment", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("started_at", TIME, nullable=False),
        sa.Column("nominal_at", TIME, nullable=True),
        sa.Column("updated_at", TIME, nullable=False),
        sa.Column("finished_at", TIME, nullable=True),
        sa.Column("seconds", sa.Double(), nullable=True),
        sa.Column("verdict", sa.String(), nullable=True),
        sa.Column("quality_score", sa.Double(), nullable=True),
        sa.Column("dimensions", sa.JSON(), nullable=True),
        sa.Column("read", sa.BigInteger(), nullable=True),
        sa.Column("rejected", sa.BigInteger(), nullable=True),
        sa.Column("staged", sa.BigInteger(), nullable=True),
        sa.Column("published", sa.BigInteger(), nullable=True),
        sa.Column("quarantined", sa.BigInteger(), nullable=True),
        sa.Column("late", sa.BigInteger(), nullable=True),
        sa.Column("snapshot", sa.String(), nullable=True),
        sa.Column("error", sa.JSON(), nullable=True),
        sa.Column("engine", sa.JSON(), nullable=True),
        sa.Column("sql", sa.String(), nullable=True),
        sa.Column("output_id", ID, nullable=True),
        sa.Column("config_hash", sa.String(), nullable=True),
        sa.Column("host", sa.String(), nullable=True),
        sa.Column("boot_id", sa.String(), nullable=True),
        sa.Column("pid", sa.BigInteger(), nullable=True),
        sa.Column("process_started", sa.String(), nullable=True),
        sa.ForeignKeyConstraint(["config_hash"], ["configs.hash"], name=op.f("fk_runs_config_hash")),
        sa.ForeignKeyConstraint(
            ["output_id"], ["datasets.id"], name=op.f("fk_runs_output_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_runs")),
    )
    op.create_index(op.f("ix_runs_config_hash"), "runs", ["config_hash"], unique=False)
    op.create_index(op.f("ix_runs_output_id"), "runs", ["output_id"], unique=False)
    op.create_index(
        op.f("ix_runs_pipeline_environment_started_at"),
        "runs",
        ["pipeline", "environment", "started_at"],
        unique=False,
    )
    op.create_index(op.f("ix_runs_started_at"), "runs", ["started_at"], unique=False)
    op.create_index(op.f("ix_runs_status"), "runs", ["status"], unique=False)

    op.create_table(
        "attempts",
        sa.Column("run_id", sa.String(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("started_at", TIME, nullable=False),
        sa.Column("finished_at", TIME, nullable=True),
        sa.Column("seconds", sa.Double(), nullable=True),
        sa.Column("error", sa.JSON(), nullable=True),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name=op.f("fk_attempts_run_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("run_id", "attempt", name=op.f("pk_attempts")),
    )
    op.create_table(
        "checks",
        sa.Column("run_id", sa.String(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("check_id", sa.String(), nullable=False),
        sa.Column("rule", sa.String(), nullable=False),
        sa.Column("phase", sa.String(), nullable=False),
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("columns", sa.JSON(), nullable=False),
        sa.Column("dimension", sa.String(), nullable=False),
        sa.Column("severity", sa.String(), nullable=False),
        sa.Column("on_fail", sa.String(), nullable=False),
        sa.Column("failing", sa.BigInteger(), nullable=True),
        sa.Column("total", sa.BigInteger(), nullable=True),
        sa.Column("passed", sa.Boolean(), nullable=False),
        sa.Column("proven", sa.Boolean(), nullable=False),
        sa.Column("observed", sa.JSON(), nullable=True),
        sa.Column("message", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name=op.f("fk_checks_run_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("run_id", "position", name=op.f("pk_checks")),
    )
    op.create_index(op.f("ix_checks_check_id"), "checks", ["check_id"], unique=False)

    op.create_table(
        "listener_failures",
        sa.Column("run_id", sa.String(), nullable=False),
        sa.Column("listener", sa.String(), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.ForeignKeyConstraint(
            ["run_id"], ["runs.id"], name=op.f("fk_listener_failures_run_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("run_id", "listener", name=op.f("pk_listener_failures")),
    )
    op.create_table(
        "metrics",
        sa.Column("run_id", sa.String(), nullable=False),
        sa.Column("dataset_id", ID, nullable=False),
        sa.Column("column", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.Column("value", sa.Double(), nullable=True),
        sa.Column("text", sa.String(), nullable=True),
        sa.ForeignKeyConstraint(
            ["dataset_id"], ["datasets.id"], name=op.f("fk_metrics_dataset_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name=op.f("fk_metrics_run_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("run_id", "dataset_id", "column", "name", name=op.f("pk_metrics")),
    )
    op.create_index(
        op.f("ix_metrics_dataset_id_name_at"), "metrics", ["dataset_id", "name", "at"], unique=False
    )

    op.create_table(
        "nodes",
        sa.Column("run_id", sa.String(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("node", sa.String(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("started_at", TIME, nullable=False),
        sa.Column("finished_at", TIME, nullable=True),
        sa.Column("seconds", sa.Double(), nullable=True),
        sa.Column("rows", sa.BigInteger(), nullable=True),
        sa.Column("error", sa.String(), nullable=True),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name=op.f("fk_nodes_run_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("run_id", "attempt", "node", name=op.f("pk_nodes")),
    )
    op.create_table(
        "quarantine",
        sa.Column("run_id", sa.String(), nullable=False),
        sa.Column("check_id", sa.String(), nullable=False),
        sa.Column("waiting", sa.BigInteger(), nullable=False),
        sa.Column("replayed", sa.BigInteger(), nullable=False),
        sa.Column("discarded", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", TIME, nullable=False),
        sa.ForeignKeyConstraint(
            ["run_id"], ["runs.id"], name=op.f("fk_quarantine_run_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("run_id", "check_id", name=op.f("pk_quarantine")),
    )
    op.create_table(
        "samples",
        sa.Column("run_id", sa.String(), nullable=False),
        sa.Column("check_id", sa.String(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("row", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name=op.f("fk_samples_run_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("run_id", "check_id", "position", name=op.f("pk_samples")),
    )


def downgrade() -> None:
    raise NotImplementedError("a metadata store goes forward only: restore a copy")
