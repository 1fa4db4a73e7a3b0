"""BigQuery: tables and queries as sources, a project's datasets as a warehouse.

A read is one query job, so its rows are of one moment; they come in Arrow, by the Storage Read API. The
warehouse: see ``bqsink``; ``engine: warehouse`` in it: see ``bqplace``.
"""

from __future__ import annotations

import re
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

from pydantic import Field, model_validator

from sluiceway.connectors.base import Connector, ConnectorContext, Read, SinkConfig, SourceConfig
from sluiceway.connectors.bqclient import BigQueryKeys, BqServer, bq_errors
from sluiceway.connectors.bqrows import duckdb_columns
from sluiceway.connectors.bqsink import BigQuerySink
from sluiceway.connectors.bqtypes import BqColumn, bq_type, cast_type, ident
from sluiceway.connectors.dbsource import BATCH, DatabaseSource
from sluiceway.errors import SourceError, SpecError, Where

if TYPE_CHECKING:
    import pyarrow as pa

    from sluiceway.engines.base import Engine
    from sluiceway.exchange import Location

__all__ = ["CONNECTOR", "BigQueryConfig", "BigQuerySinkConfig", "BigQuerySource"]

_PART = re.compile(r"`([^`]+)`|([^`.]+)")


class BigQueryConfig(BigQueryKeys, SourceConfig):
    """A BigQuery source: ``table`` or ``query``."""

    table: str | None = Field(None, description="DATASET.TABLE, or PROJECT.DATASET.TABLE")

    @model_validator(mode="after")
    def _one_of(self) -> BigQueryConfig:
        if (self.table is None) == (self.query is None):
            raise ValueError("give either table or query")
        return self


class BigQuerySinkConfig(BigQueryKeys, SinkConfig):
    """A project of BigQuery as a warehouse: a namespace is a dataset."""

    lock_lease: int = Field(
        60, ge=2, description="seconds after which the lock of a killed run ends; a living one renews it"
    )


def parse_table(text: str, keys: BigQueryKeys, where: Where | None = None) -> tuple[str, str, str]:
    """Project, dataset and table.

    >>> keys = BigQueryKeys(project="p")
    >>> parse_table("shop.orders", keys), parse_table("q-1.shop.o", keys)
    (('p', 'shop', 'orders'), ('q-1', 'shop', 'o'))
    """
    parts = [m[1] or m[2].strip() for m in _PART.finditer(text)]
    parts = [piece for part in parts for piece in part.split(".")]
    if len(parts) == 1 and keys.dataset:
        parts = [keys.dataset, *parts]
    if len(parts) not in (2, 3) or not all(parts):
        raise SpecError(f"'{text}' is not a table", where=where, hint="write it as DATASET.TABLE")
    project, dataset, table = parts if len(parts) == 3 else [keys.project, *parts]
    return project, dataset, table


class BigQuerySource(DatabaseSource[BqColumn]):
    system = "BigQuery"
    config: BigQueryConfig
    server: BqServer

    def __init__(self, config: BigQueryConfig, context: ConnectorContext) -> None:
        super().__init__(config, context)
        self.server = BqServer(config, context.where, context.project)
        self.table = None if config.table is None else parse_table(config.table, config, context.where)

    def _errors(self) -> AbstractContextManager[None]:
        return bq_errors(self.server, SourceError, what=self._what)

    @property
    def _relation(self) -> str:
        if self.table is not None:
            return ".".join(map(ident, self.table))
        return f"({self._query()})"

    # the shape ----------------------------------------------------------------------------------------

    def _describe(self) -> list[BqColumn]:
        with self._errors():
            if self.table is None:
                return self.server.shape(f"SELECT * FROM {self._relation} AS _query")
            found = self.server.columns(*self.table)
        if found is None:
            raise self._refuse(
                f"there is no such table at {self.server}",
                "write it as DATASET.TABLE, and look at project of the connection",
            )
        return found

    # the rows -----------------------------------------------------------------------------------------

    def _since(self, read: Read) -> tuple[str, list[Any]]:
        """The cursor's condition, with its value bound."""
        mark = self._mark(read)
        if mark is None:
            return "", []
        from google.cloud import bigquery

        found, compared, since = mark
        name = ident(found.name)
        text = f"{name} {compared} CAST(@_since AS {cast_type(found.spelled)})"
        if read.include_null_cursor:
            text = f"({text} OR {name} IS NULL)"
        return f" WHERE {text}", [bigquery.ScalarQueryParameter("_since", "STRING", since)]

    def native_scan(self, engine: Engine, read: Read) -> str | None:
        if engine.name != "warehouse" or getattr(engine.connection, "identity", None) != self.server.identity:
            return None
        return self._in_place(read)

    def _in_place(self, read: Read) -> str | None:
        """In the warehouse itself, where the table lies in it and is read with the same rights."""
        mark = read.since
        where = ""
        columns = self._read_columns()
        if mark is not None and mark.value is not None:
            from sluiceway.connectors.bqdialect import BIGQUERY

            condition, _ = self._since(read)
            where = condition.replace("@_since", BIGQUERY.literal(mark.value))
        listed = []
        for column in columns:
            value, wanted = column.here, self._declared(column)
            if wanted is not None:
                value = f"CAST({column.selected} AS {cast_type(bq_type(wanted) or 'STRING')})"
            name = ident(column.name)
            listed.append(value if value == name else f"{value} AS {name}")
        return f"SELECT {', '.join(listed)} FROM {self._relation} AS _rows{where}"

    def locate(self, read: Read) -> Location | None:
        return None

    def read(self, read: Read) -> pa.RecordBatchReader:
        import pyarrow as pa

        columns = self._read_columns()
        kept = [c for c in columns if read.columns is None or c.name in read.columns] or list(columns[:1])
        where, parameters = self._since(read)
        listed = ", ".join(f"{c.selected} AS c{i}" for i, c in enumerate(kept))
        con = self._duckdb()
        with self._errors():
            shape, batches = self.server.batches(
                f"SELECT {listed} FROM {self._relation} AS _rows{where}", kept, parameters
            )
            con.register("_rows", pa.RecordBatchReader.from_batches(shape, batches))
            types = {c.name: found for c in kept if (found := self._declared(c))}
            reader = con.execute(f"SELECT {duckdb_columns(kept, types)} FROM _rows").to_arrow_reader(
                self.config.batch_size or BATCH
            )
        return self._told(reader)

    def failure(self, error: BaseException) -> SourceError | None:
        return None

    def dataset(self) -> tuple[str, str]:
        name = ".".join(self.table) if self.table else f"{self.server.project}.{self.context.name or 'query'}"
        return "bigquery", name

    def close(self) -> None:
        super().close()
        self.server.close()


CONNECTOR = Connector(
    name="bigquery",
    doc="BigQuery: tables and queries as sources, a project's datasets as a warehouse",
    source_config=BigQueryConfig,
    source=BigQuerySource,
    sink_config=BigQuerySinkConfig,
    sink=BigQuerySink,
    extra="bigquery",
    examples=(
        """\
type: bigquery
project: shop-prod
location: EU
credentials: ${BIGQUERY_KEY_FILE}
table: shop.orders
""",
        """\
type: bigquery
project: shop-prod
query: SELECT id, amount FROM shop.orders WHERE amount > 0
""",
    ),
)
