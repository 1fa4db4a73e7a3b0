"""Between an engine and the connectors, which live in the embedded engine beside it.

For DuckDB the two are one and everything here gives back what it was given. Any other engine reads a
source itself where the source says where its rows lie (``locate``), and else takes what the embedded
engine read.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from sluiceway.duck import cast_select, ident
from sluiceway.errors import EngineError
from sluiceway.schema import Column, Schema

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sluiceway.connectors.base import Read, Sink, Source
    from sluiceway.engines.base import Engine, Stage
    from sluiceway.exchange import Delivery
    from sluiceway.run.fetched import Fetched
    from sluiceway.schema import TableName

__all__ = ["Reach", "slug"]


def slug(name: str) -> str:
    """A folder's name for a relation."""
    return hashlib.sha256(name.encode()).hexdigest()[:12]


@dataclass
class Reach:
    """Crossings of one run. ``near``: scans of sources that only the embedded engine can read;
    ``once``: scans in the engine that may give other rows when they are read again. ``fetched``: what earlier
    tries of the run brought in."""

    engine: Engine
    near: dict[str, str] = field(default_factory=dict)
    once: dict[str, str] = field(default_factory=dict)
    adopted: int = 0
    fetched: Fetched | None = None

    @property
    def apart(self) -> bool:
        """The engine is another one than the connectors'."""
        return self.engine.local is not self.engine

    @property
    def publisher(self) -> Engine:
        """Where the destination finds what was staged."""
        return self.engine if self.engine.capabilities.publishes else self.engine.local

    def scan(self, name: str, source: Source, read: Read) -> str | None:
        """A SELECT of the source in the engine's dialect; None where it must be fetched first."""
        native = source.native_scan(self.engine, read)
        if native is not None or not self.apart:
            return native
        located = source.locate(read)
        native = self.engine.adopt(located) if located is not None else None
        if native is not None and located is not None and located.once:
            self.once[name] = native
            return None
        if native is None:
            near = source.native_scan(self.engine.local, read)
            if near is not None:
                self.near[name] = near
        return native

    def fetch(self, name: str, source: Source, read: Read) -> tuple[Stage, str]:
        """Bring a source's rows in; the staging in the embedded engine, and a SELECT in the engine."""
        local, place = self.engine.local, f"stream_{slug(name)}"
        once = self.once.get(name)
        if once is not None:
            stage = self.engine.stage(place, once)
            return self.engine.handoff(stage), f"SELECT * FROM {stage.relation} AS _read"
        near = self.near.get(name)
        if near is not None:
            stage = local.stage(place, self._crossing(near, source.schema()))
            return stage, self._adopt(stage)
        stage = self._fetch(place, source, read)
        if self.engine.capabilities.crossing(stage.schema):
            sql = self._crossing(f"SELECT * FROM {stage.relation} AS _read", stage.schema)
            stage = local.stage(f"{place}_crossing", sql)
        return stage, self._adopt(stage)

    def _fetch(self, place: str, source: Source, read: Read) -> Stage:
        if self.fetched is None:
            return self.engine.local.stage(place, source.read(read))
        stage = self.fetched.find(place, source, read)
        if stage is None:
            stage = self.engine.local.stage(place, source.read(read))
            self.fetched.keep(stage, source, read)
        return stage

    def _crossing(self, sql: str, schema: Schema) -> str:
        """A SELECT in the embedded engine, its columns in types that the engine can hold. Before anything
        is written: Parquet knows no HUGEINT either, and rounds it."""
        return cast_select(sql, schema.names, self.engine.capabilities.crossing(schema))

    def table(self, sink: Sink, table: TableName, columns: Sequence[str] | None = None) -> str:
        """A SELECT in the engine of a table of the warehouse.

        Args:
            columns: those that are needed; it may have others too.
        """
        if self.apart and not self.engine.capabilities.publishes:
            located = sink.locate(table)
            if located is not None:
                names = located.schema.names if columns is None else columns or located.schema.names[:1]
                kept = Schema(tuple(located.schema[name] for name in names))
                native = self.engine.adopt(replace(located, schema=kept))
                if native is not None:
                    return native
        return self.select(sink.scan(table), columns)

    def select(self, sql: str, columns: Sequence[str] | None = None) -> str:
        """A SELECT in the embedded engine's dialect, made readable in the engine.

        Args:
            columns: those that are needed; only they cross.
        """
        if not self.apart or self.engine.capabilities.publishes:
            return sql
        if columns is not None:
            listed = ", ".join(ident(c) for c in columns) or "1 AS _row"
            sql = f"SELECT {listed} FROM ({sql}) AS _crossing"
        found = self.engine.local.query(f"DESCRIBE {sql}")
        sql = self._crossing(sql, Schema(tuple(Column(row[0], row[1]) for row in found)))
        self.adopted += 1
        return self._adopt(self.engine.local.stage(f"adopted_{self.adopted}", sql))

    def published(self, sql: str) -> str:
        """A SELECT in the embedded engine's dialect, made readable where the destination publishes from."""
        if not self.engine.capabilities.publishes:
            return sql
        self.adopted += 1
        return self._adopt(self.engine.local.stage(f"adopted_{self.adopted}", sql))

    def delivery(self, stage: Stage) -> Delivery | None:
        """Who can bring a stage's good rows to a database, where the destination takes them not in the
        engine: only engines with executors have it."""
        make = getattr(self.engine, "delivery", None)
        if make is None or self.engine.capabilities.publishes:
            return None
        made: Delivery | None = make(stage)
        return made

    def _adopt(self, stage: Stage) -> str:
        sql = self.engine.adopt(stage)
        if sql is None:
            raise EngineError(f"the engine {self.engine.name} can't read what was staged beside it")
        return sql
