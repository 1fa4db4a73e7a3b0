"""Unreadable rows of a file source, handed to the engine as a small table."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sluiceway.duck import ident, literal
from sluiceway.errors import SourceError

if TYPE_CHECKING:
    import pyarrow as pa

    from sluiceway.connectors.files import BadRow
    from sluiceway.engines.base import Engine

__all__ = ["hand_over"]

_CHUNK = 10_000
_MOST_VALUES = 10_000


def hand_over(engine: Engine, name: str, rows: Iterator[BadRow], display: Callable[[Path], str]) -> str:
    """A SELECT (line BIGINT, text VARCHAR, reason VARCHAR) in the engine, over ``rows``.

    Where the engine is DuckDB they stream into a table of its memory, which spills; elsewhere they stand
    in the SELECT itself, 10,000 at most.
    """
    if engine.name == "duckdb":
        cursor = engine.connection.cursor()  # other sources may be read on other cursors meanwhile
        try:
            view = f"{name}_rows"
            cursor.register(view, _reader(rows, display))
            cursor.execute(f"CREATE OR REPLACE TABLE {ident(name)} AS SELECT * FROM {ident(view)}")
            cursor.unregister(view)
        finally:
            cursor.close()
        return f"SELECT line, text, reason FROM {ident(name)}"
    kept = list(islice(rows, _MOST_VALUES + 1))
    if len(kept) > _MOST_VALUES:
        raise SourceError(
            f"more than {_MOST_VALUES} rows can't be read", hint="correct the files, or set on_bad_row: fail"
        )
    if not kept:
        return "SELECT CAST(NULL AS BIGINT) AS line, '' AS text, '' AS reason WHERE 1 = 0"
    selects = (
        f"SELECT CAST({row.line} AS BIGINT) AS line, {literal(row.text)} AS text, "
        f"{literal(_reason(row, display))} AS reason"
        for row in kept
    )
    return " UNION ALL ".join(selects)


def _reason(row: BadRow, display: Callable[[Path], str]) -> str:
    column = f"column '{row.column}': " if row.column else ""
    return f"{display(row.file)}:{row.line}: {column}{row.reason}"


def _reader(rows: Iterator[BadRow], display: Callable[[Path], str]) -> pa.RecordBatchReader:
    import pyarrow as pa

    schema = pa.schema([("line", pa.int64()), ("text", pa.string()), ("reason", pa.string())])

    def batches() -> Iterator[Any]:
        while chunk := list(islice(rows, _CHUNK)):
            yield pa.record_batch(
                {
                    "line": pa.array([row.line for row in chunk], pa.int64()),
                    "text": pa.array([row.text for row in chunk], pa.string()),
                    "reason": pa.array([_reason(row, display) for row in chunk], pa.string()),
                }
            )

    return pa.RecordBatchReader.from_batches(schema, batches())
