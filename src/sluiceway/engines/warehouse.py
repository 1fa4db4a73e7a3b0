"""The destination's own database as the engine: rows that lie there never leave it.

The warehouse gives the engine a place to work in (``Workplace``); the engine makes unlogged tables there,
judges them, and the warehouse publishes out of them, all on the server.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from sluiceway.engines.base import BatchFunction, Capabilities, Engine, EnginePlan, EngineSettings, Stage
from sluiceway.engines.duckdb import DuckDBEngine
from sluiceway.errors import EngineError, PlanError
from sluiceway.sql.names import quoted
from sluiceway.sql.primitives import render

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pyarrow as pa
    from sqlglot import exp

    from sluiceway.exchange import Location
    from sluiceway.schema import Schema

__all__ = ["WarehouseEngine", "Workplace"]

_BAD = "_sluiceway_bad"
_SCANS = {
    "postgres": re.compile(r"\b(?:Seq|(?<!Bitmap )Index|Index Only|Bitmap Heap|Tid|Foreign) Scan\b"),
}
"""What reads stored rows in a dialect's EXPLAIN; of another dialect that is not known."""


class Workplace(Protocol):
    """What a warehouse lets an engine do in it. Errors are the warehouse's own, as DestinationError."""

    dialect: str
    cte_hints: bool
    """See ``Capabilities``."""
    server: Any
    """What a source compares with its own, to know that it lies in the warehouse."""

    def run(self, sql: str, parameters: Mapping[str, Any] | None = None) -> None: ...

    def ask(self, sql: str, parameters: Mapping[str, Any] | None = None) -> list[tuple[Any, ...]]: ...

    def names(self, sql: str, parameters: Mapping[str, Any] | None = None) -> list[str]:
        """The columns of a SELECT."""
        ...

    def spelled(self, schema: Schema) -> dict[str, str]:
        """Columns -> the types that keep them there. PlanError for one that can't be kept."""
        ...

    def make(
        self, name: str, select: str, parameters: Mapping[str, Any] | None, schema: Schema | None = None
    ) -> str:
        """A working table out of a SELECT; what can stand in FROM. ``schema``: what the plan says of its
        columns, which the SELECT casts to ``spelled`` already."""
        ...

    def fill(self, name: str, engine: Engine, stage: Stage) -> str:
        """A working table out of rows that ``engine`` staged, by the bulk loader."""
        ...

    def shape(self, relation: str) -> Schema:
        """The columns of a working table, in DuckDB's types."""
        ...

    def pull(self, sql: str) -> str:
        """A SELECT of the warehouse's as one in the embedded engine's dialect."""
        ...

    def drop(self, name: str) -> None: ...

    def leave(self) -> None:
        """Drop every working table and close."""
        ...


class WarehouseEngine:
    """See ``sluiceway.engines.base.Engine``. The destination's sink calls ``enter`` when it is opened."""

    name = "warehouse"
    capabilities = Capabilities(dialect="postgres", cte_hints=True, publishes=True, python=False)
    """The dialect is the warehouse's, as soon as it is entered."""
    connection: Any = None
    place: Workplace

    @property
    def local(self) -> Engine:
        return self._local

    def connect(self, settings: EngineSettings, staging: Path) -> None:
        self._local = DuckDBEngine()
        self._local.connect(settings, staging)
        self.staging = staging
        self._entered = False

    def enter(self, place: Workplace) -> None:
        self.place, self._entered, self.connection = place, True, place.server
        self.capabilities = replace(self.capabilities, dialect=place.dialect, cte_hints=place.cte_hints)

    @contextmanager
    def _inside(self) -> Iterator[Workplace]:
        if not self._entered:
            raise PlanError(
                "engine: warehouse works inside the destination, and this warehouse can't be worked in",
                hint="use a postgres, snowflake or bigquery warehouse, or engine: duckdb",
            )
        from sluiceway.errors import DestinationError

        try:
            yield self.place
        except DestinationError as error:
            if error.details.get("connection"):
                raise  # a lost server may be back at the next try
            raise EngineError(error.message, where=error.where, hint=error.hint) from error

    def seal(self, folders: Sequence[Path]) -> None:
        self._local.seal(folders)

    def query(self, sql: str, parameters: Mapping[str, Any] | None = None) -> list[tuple[Any, ...]]:
        with self._inside() as place:
            return place.ask(sql, parameters)

    def stage(
        self,
        name: str,
        rows: exp.Query | str | pa.RecordBatchReader,
        *,
        parameters: Mapping[str, Any] | None = None,
        bad: exp.Expr | str | None = None,
        keep: bool = False,
        schema: Schema | None = None,
    ) -> Stage:
        if hasattr(rows, "read_next_batch"):
            raise TypeError("rows of Arrow are staged by the local engine and adopted")
        sql = rows if isinstance(rows, str) else self._render(rows)
        with self._inside() as place:
            types = place.spelled(schema) if schema is not None else {}
            if types:
                listed = ", ".join(
                    f"CAST({self._quoted(n)} AS {t}) AS {self._quoted(n)}" for n, t in types.items()
                )
                # what else the query gives (masks) follows as it is
                rest = [c for c in self._columns_of(sql, parameters) if c not in types]
                listed = ", ".join([listed, *map(self._quoted, rest)])
                sql = f"SELECT {listed} FROM ({sql}) AS _typed"
            if bad is not None:
                condition = bad if isinstance(bad, str) else self._render(bad)
                sql = f"SELECT *, COALESCE({condition}, FALSE) AS {self._quoted(_BAD)} FROM ({sql}) AS _rows"
            table = place.make(name, sql, parameters, schema)
            return self._stage(name, table, apart=bad is not None)

    def _render(self, tree: exp.Expr) -> str:
        return render(tree, self.capabilities.dialect)

    def _quoted(self, name: str) -> str:
        return quoted(name, self.capabilities.dialect)

    def _columns_of(self, sql: str, parameters: Mapping[str, Any] | None) -> list[str]:
        return self.place.names(sql, parameters)

    def _stage(self, name: str, table: str, *, apart: bool) -> Stage:
        from sluiceway.schema import Schema

        shape = self.place.shape(table)
        kept = Schema(tuple(c for c in shape if c.name != _BAD))
        listed = ", ".join(self._quoted(c.name) for c in kept)
        every = f"SELECT {listed} FROM {table}"
        flag = self._quoted(_BAD)
        counted = f"count(CASE WHEN {flag} THEN 1 END)" if apart else "0"
        rows, bad = self.place.ask(f"SELECT count(*), {counted} FROM {table}")[0]
        good = f"{every} WHERE NOT {flag}" if apart else every
        turned = f"{every} WHERE {flag}" if apart else f"{every} WHERE FALSE"
        return Stage(
            name=name, relation=f"({every})", good=f"({good})", bad=f"({turned})", schema=kept,
            rows=int(rows), bad_rows=int(bad),
        )  # fmt: skip

    def adopt(self, rows: Stage | Location) -> str | None:
        if not isinstance(rows, Stage):
            return None
        with self._inside() as place:
            table = place.fill(rows.name, self._local, rows)
        return f"SELECT * FROM {table}"

    def handoff(self, stage: Stage) -> Stage:
        return stage

    def map(self, name: str, sql: str, function: BatchFunction, schema: Schema, batch_size: int) -> Stage:
        raise PlanError(
            "a Python step can't run inside the database",
            hint="use engine: duckdb or spark, or write the step in SQL",
        )

    def batches(
        self, sql: str, batch_size: int, parameters: Mapping[str, Any] | None = None
    ) -> pa.RecordBatchReader:
        with self._inside() as place:
            table = place.make(f"batches_{uuid.uuid4().hex[:8]}", sql, parameters)
            return self._local.batches(place.pull(f"SELECT * FROM {table}"), batch_size)

    def explain(self, sql: str) -> EnginePlan:
        text = "\n".join(str(row[0]) for row in self.query(f"EXPLAIN {sql}"))
        scan = _SCANS.get(self.capabilities.dialect)
        return EnginePlan(text, None if scan is None else len(scan.findall(text)))

    def drop(self, stage: Stage) -> None:
        with self._inside() as place:
            place.drop(stage.name)

    def close(self) -> None:
        if self._entered:
            self.place.leave()
        self._local.close()
