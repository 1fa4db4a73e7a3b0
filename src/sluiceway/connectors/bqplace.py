"""A project of BigQuery as a place to work in, for the pushed-down engine.

Working tables lie in a dataset of their own whose tables end by themselves after two days, so what a killed
run left costs nothing for long. Rows that are already in BigQuery are read where they lie; others come by a
Parquet load job.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from contextlib import AbstractContextManager
from datetime import date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sluiceway.connectors.bqclient import BqServer, bq_errors
from sluiceway.connectors.bqrows import fill, parquet_of
from sluiceway.connectors.bqtypes import BqColumn, bq_type, cast_type, ident, unsupported
from sluiceway.errors import DestinationError, PlanError
from sluiceway.schema import Column, Schema

if TYPE_CHECKING:
    from collections.abc import Callable

    from sluiceway.engines.base import Engine, Stage

__all__ = ["BigQueryPlace"]


class BigQueryPlace:
    """See ``sluiceway.engines.warehouse.Workplace``."""

    dialect = "bigquery"
    cte_hints = False

    def __init__(self, server: BqServer, folder: Path, dataset: Callable[[], str]) -> None:
        self.server = server
        self._folder, self._dataset = folder, dataset
        self._id = uuid.uuid4().hex[:12]
        self._tables: dict[str, tuple[str, ...]] = {}
        self._planned: dict[str, Schema] = {}

    @property
    def identity(self) -> tuple[Any, ...]:
        return self.server.identity

    def _errors(self, what: str) -> AbstractContextManager[None]:
        return bq_errors(self.server, DestinationError, what=what)

    # statements ---------------------------------------------------------------------------------------

    def run(self, sql: str, parameters: Mapping[str, Any] | None = None) -> None:
        with self._errors("the engine"):
            self.server.run(sql, _bound(sql, parameters))

    def ask(self, sql: str, parameters: Mapping[str, Any] | None = None) -> list[tuple[Any, ...]]:
        with self._errors("the engine"):
            if sql.startswith("EXPLAIN "):  # it has none: a dry run says what would be read
                job = self.server.start(sql.removeprefix("EXPLAIN "), _bound(sql, parameters), dry=True)
                return [
                    (f"BigQuery shows no plan beforehand; it would read {job.total_bytes_processed} bytes",)
                ]
            return self.server.rows(sql, _bound(sql, parameters))

    def names(self, sql: str, parameters: Mapping[str, Any] | None = None) -> list[str]:
        with self._errors("the engine"):
            return [c.name for c in self.server.shape(sql, _bound(sql, parameters))]

    # tables -------------------------------------------------------------------------------------------

    def spelled(self, schema: Schema) -> dict[str, str]:
        refused = unsupported(schema)
        if refused:
            column, hint = next(iter(refused.items()))
            raise PlanError(f"BigQuery can't keep '{column}' ({schema[column].type})", hint=hint)
        return {c.name: cast_type(bq_type(c.type) or "STRING") for c in schema}

    def make(
        self, name: str, select: str, parameters: Mapping[str, Any] | None, schema: Schema | None = None
    ) -> str:
        """Columns of ``schema`` get its widths, which a CAST knows nothing of."""
        table = self._table(name)
        with self._errors(f"the working table of {name}"):
            bound = _bound(select, parameters)
            columns = ""
            if schema is not None:
                self._planned[table] = schema
                listed = []
                for found in self.server.shape(select, bound):
                    planned = schema.get(found.name)
                    spelled = found.spelled if planned is None else bq_type(planned.type) or "STRING"
                    listed.append(f"{ident(found.name)} {spelled}")
                columns = f" ({', '.join(listed)})"
            self.server.run(f"CREATE OR REPLACE TABLE {table}{columns} AS {select}", bound)
        return table

    def fill(self, name: str, engine: Engine, stage: Stage) -> str:
        self.spelled(stage.schema)
        types = [(c.name, c.type) for c in stage.schema]
        loaded = (self.server.project, self._dataset(), f"{self._id}_{uuid.uuid4().hex[:8]}")
        with self._errors(f"the working table of {name}"):
            rows, taken = fill(
                self.server, engine.connection, f"SELECT * FROM {stage.relation} AS _filled", types, loaded,
                self._folder,
            )  # fmt: skip
            try:
                if taken != stage.rows:
                    raise DestinationError(
                        f"{name}: {stage.rows} rows were to be loaded, BigQuery took {taken}",
                        hint="nothing was published; run it again",
                    )
                return self.make(name, rows, None, stage.schema)
            finally:
                self.server.drop(loaded)

    def _table(self, name: str) -> str:
        if name not in self._tables:
            # a name of a source may hold what a table's can't
            made = f"{self._id}_{len(self._tables)}_{uuid.uuid4().hex[:6]}"
            self._tables[name] = (self.server.project, self._dataset(), made)
        return ".".join(map(ident, self._tables[name]))

    def shape(self, relation: str) -> Schema:
        with self._errors("the engine"):
            planned = self._planned.get(relation)
            return Schema(
                tuple(_as_planned(c, planned) for c in self.server.shape(f"SELECT * FROM {relation}"))
            )

    def pull(self, sql: str) -> str:
        with self._errors("the engine"):
            return parquet_of(self.server, f"({sql})", self.server.shape(sql), self._folder)

    def drop(self, name: str) -> None:
        table = self._tables.pop(name, None)
        if table is not None:
            with self._errors("a working table"):
                self.server.drop(table)

    def leave(self) -> None:
        for name in list(self._tables):
            self.drop(name)


def _as_planned(column: BqColumn, planned: Schema | None) -> Column:
    """In the plan's type, where BigQuery's own is what keeps that."""
    known = planned.get(column.name) if planned is not None else None
    same = known is not None and cast_type(bq_type(known.type) or "") == cast_type(column.spelled)
    return Column(column.name, known.type if known is not None and same else column.type)


_KINDS: tuple[tuple[type, str], ...] = (
    (bool, "BOOL"), (int, "INT64"), (float, "FLOAT64"), (str, "STRING"), (bytes, "BYTES"),
    (Decimal, "BIGNUMERIC"), (time, "TIME"), (date, "DATE"),
)  # fmt: skip


def _bound(sql: str, parameters: Mapping[str, Any] | None) -> list[Any]:
    """Those that the SQL names, as ``@name``."""
    from google.cloud import bigquery

    return [
        bigquery.ScalarQueryParameter(name, _kind(value), value)
        for name, value in (parameters or {}).items()
        if f"@{name}" in sql
    ]


def _kind(value: Any) -> str:
    if isinstance(value, datetime):
        return "DATETIME" if value.tzinfo is None else "TIMESTAMP"
    return next((kind for type_, kind in _KINDS if isinstance(value, type_)), "STRING")
