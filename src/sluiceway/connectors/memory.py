"""Rows that Python already holds, as a source: lists of dicts, Arrow, pandas, Polars.

Not a YAML type: the Python doors (``DataPipeline``, ``ETLProcessor``) build it.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sluiceway.connectors.base import Connector, ConnectorContext, Read, SourceConfig
from sluiceway.duck import open_duckdb
from sluiceway.errors import SourceError
from sluiceway.schema import Column, Schema

if TYPE_CHECKING:
    import pyarrow as pa

    from sluiceway.engines.base import Engine
    from sluiceway.exchange import Location

__all__ = ["MemoryConfig", "as_arrow", "memory_connector"]


class MemoryConfig(SourceConfig):
    """``type: memory``."""


def as_arrow(data: Any) -> pa.Table:
    """Rows as one Arrow table.

    >>> as_arrow([{"a": 1}, {"a": None}]).num_rows
    2

    Raises:
        SourceError: not a kind of data that this knows.
    """
    import pyarrow as pa

    if isinstance(data, pa.Table):
        return data
    if isinstance(data, pa.RecordBatch):
        return pa.Table.from_batches([data])
    if isinstance(data, pa.RecordBatchReader):
        return data.read_all()
    if isinstance(data, list):
        if not all(isinstance(row, Mapping) for row in data):
            raise SourceError("a list must hold one mapping a row", hint='[{"id": 1}, {"id": 2}]')
        return pa.Table.from_pylist([dict(row) for row in data])
    if hasattr(data, "to_arrow"):  # Polars
        return data.to_arrow()
    if hasattr(data, "__arrow_c_stream__"):  # pandas and whatever else speaks Arrow
        return pa.table(data)
    raise SourceError(
        f"{type(data).__name__} is no data that Sluiceway can read",
        hint="give a list of dicts, an Arrow table, or a pandas or Polars frame",
    )


class MemorySource:
    """Streams an Arrow table; what its types are is asked of DuckDB, which will read it."""

    def __init__(self, config: MemoryConfig, context: ConnectorContext, data: Any) -> None:
        self.config = config
        self._name = context.name
        self._table = as_arrow(data)

    def schema(self) -> Schema:
        con = open_duckdb(threads=1)
        try:
            con.register("_memory", self._table.schema.empty_table())
            rows = con.execute("DESCRIBE SELECT * FROM _memory").fetchall()
        finally:
            con.close()
        return Schema(tuple(Column(row[0], row[1]) for row in rows))

    def locate(self, read: Read) -> Location | None:
        return None

    def native_scan(self, engine: Engine, read: Read) -> str | None:
        return None

    def read(self, read: Read) -> pa.RecordBatchReader:
        return self._table.to_reader(max_chunksize=self.config.batch_size or 122_880)

    def rejected(self, engine: Engine, read: Read) -> str | None:
        return None

    def failure(self, error: BaseException) -> SourceError | None:
        return None

    def fingerprint(self) -> str | None:
        return None

    def folders(self) -> tuple[Path, ...]:
        return ()

    def dataset(self) -> tuple[str, str]:
        return ("memory", self._name)

    def close(self) -> None: ...


def memory_connector(data: Any) -> Connector:
    """A connector whose only source is ``data``."""
    return Connector(
        "memory",
        "rows that Python holds",
        MemoryConfig,
        lambda config, context: MemorySource(config, context, data),
    )
