"""A dataset as each run left it, out of the snapshots that the lake keeps; one connection for all of them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sluiceway.duck import ident, relation
from sluiceway.errors import EngineError, PlanError
from sluiceway.run.standing import standing
from sluiceway.schema import Column, Schema, TableName
from sluiceway.spec.resolve import environment_of, warehouse_config

if TYPE_CHECKING:
    from sluiceway.engines.base import Engine
    from sluiceway.spec.model import Project

__all__ = ["Batch", "Snapshots", "keeps_snapshots", "snapshots"]

_AT = re.compile(r'FROM ("(?:[^"]|"")+")\.("(?:[^"]|"")+")\.("(?:[^"]|"")+") AT \(VERSION => \d+\)')


@dataclass(frozen=True)
class Batch:
    """What one run is judged by. ``rows`` and ``beside`` are SELECTs: the rows of the run, and those of the
    table that stood beside them (None where they replaced it); ``judged`` says which rows those are."""

    rows: str
    beside: str | None
    schema: Schema
    judged: str


@dataclass(frozen=True)
class Snapshots:
    """An open lake, and the table in it."""

    engine: Engine
    catalog: str
    table: TableName

    def batch(self, snapshot: int, mode: str, valid_to: str | None = None) -> Batch:
        """The rows that a publish of this mode made.

        replace: the table as it stood. append: the rows added since the snapshot before. merge: the rows that
        are not in the snapshot before, so new or changed ones. scd2: the current rows as they stood.

        Raises:
            EngineError: the snapshot is gone, or the table is not in it.
        """
        now = self.at(snapshot)
        schema = self.schema(now)
        before = self.at(snapshot - 1) if snapshot else None
        stood = before is not None and self._stands(before)
        if mode == "scd2" and valid_to is not None and valid_to in schema:
            rows = f"SELECT * FROM ({now}) AS _now WHERE {ident(valid_to)} IS NULL"
            return Batch(rows, None, schema, "current rows as they stood")
        if mode == "replace" or not stood or before is None:
            said = "table as it stood" if mode == "replace" else "first rows"
            return Batch(now, None, schema, said)
        if mode == "append":
            table = self._named(self.table)
            last = f"SELECT coalesce(max(rowid), -1) FROM {table} AT (VERSION => {snapshot - 1})"
            rows = f"SELECT * FROM {table} AT (VERSION => {snapshot}) WHERE rowid > ({last})"
            return Batch(rows, before, schema, "rows added")
        if self.schema(before).names != schema.names:  # rows of other columns can't be compared
            return Batch(now, None, schema, "table as it stood")
        rows = f"({now}) EXCEPT ALL ({before})"
        return Batch(
            rows, f"({now}) EXCEPT ALL (({now}) EXCEPT ALL ({before}))", schema, "rows new or changed"
        )

    def at(self, snapshot: int, table: TableName | None = None) -> str:
        """A SELECT of a table as of a snapshot."""
        return f"SELECT * FROM {self._named(table or self.table)} AT (VERSION => {int(snapshot)})"

    def schema(self, sql: str) -> Schema:
        return Schema(tuple(Column(str(row[0]), str(row[1])) for row in self.engine.query(f"DESCRIBE {sql}")))

    def _named(self, table: TableName) -> str:
        return relation(self.catalog, table.namespace, table.name)

    def _stands(self, sql: str) -> bool:
        try:
            self.engine.query(f"DESCRIBE {sql}")
        except EngineError:
            return False
        return True


def keeps_snapshots(project: Project, environment: str | None) -> bool:
    """Whether the environment's warehouse can be read as it was."""
    connector, _ = warehouse_config(project, environment_of(project, environment))
    config: Any = connector.source_config
    return config is not None and "version" in config.model_fields


@contextmanager
def snapshots(target: str, newest: int, project: Project, environment: str | None) -> Iterator[Snapshots]:
    """Open the lake of a dataset, at its newest snapshot.

    Raises:
        PlanError: no such snapshot, or a warehouse that keeps none.
    """
    with standing(target, project=project, environment=environment, snapshot=newest) as data:
        found = _AT.search(data.sql)
        if found is None:
            raise PlanError(f"the snapshots of {target} can't be read beside one another")
        catalog = found[1][1:-1].replace('""', '"')
        yield Snapshots(data.engine, catalog, TableName.parse(target))
