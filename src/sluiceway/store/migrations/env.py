"""Alembic's entry. The connection and its transaction come from ``store/upgrade.py``."""

from __future__ import annotations

from alembic import context

from sluiceway.store.tables import metadata, version

if hasattr(context, "config"):  # not so where a tool merely imports every module
    context.configure(
        connection=context.config.attributes["connection"],
        target_metadata=metadata,
        version_table=version.name,
        render_as_batch=True,  # SQLite alters a table by copying it
        compare_type=True,
    )
    context.run_migrations()
