"""Rows into a new file: whole or not at all, and never over one that is there."""

from __future__ import annotations

import json
import os
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sluiceway.duck import ident
from sluiceway.errors import PlanError

if TYPE_CHECKING:
    import pyarrow as pa

    from sluiceway.engines.base import Engine

__all__ = ["WRITABLE", "quarantine_file", "write_rows"]

WRITABLE = (".csv", ".parquet", ".jsonl", ".ndjson")
_BATCH = 65_536


def quarantine_file(output: Path) -> Path:
    """Where rows that fail still are written.

    >>> quarantine_file(Path("out/a.csv")).name
    'a.csv.quarantine.jsonl'
    """
    return output.with_name(output.name + ".quarantine.jsonl")


def write_rows(engine: Engine, sql: str, output: Path, turned_away: str | None) -> None:
    """Write the rows of ``sql``, and those of ``turned_away`` beside them; both appear when they are whole.

    Raises:
        PlanError: a file is there already, or the ending is none of ``WRITABLE``.
    """
    if output.suffix.lower() not in WRITABLE:
        raise PlanError(f"{output.name} is none of {', '.join(WRITABLE)}", hint="choose another ending")
    beside = quarantine_file(output)
    for path in (output, beside):
        if path.exists():
            raise PlanError(f"{path} is there already, and is not overwritten", hint="choose another name")
    parts = [(sql, output)] + ([(turned_away, beside)] if turned_away is not None else [])
    with ExitStack() as stack:
        done = []
        for query, path in parts:
            hidden = path.with_name(f".{path.name}.{os.getpid()}")
            stack.callback(hidden.unlink, missing_ok=True)
            _write(engine, query, hidden, path.suffix.lower())
            done.append((hidden, path))
        for hidden, path in reversed(done):  # the quarantine first: no row may be missing from both
            os.link(hidden, path)  # fails where the name was taken meanwhile


def _write(engine: Engine, sql: str, path: Path, suffix: str) -> None:
    if suffix == ".parquet":
        _parquet(engine.batches(sql, _BATCH), path)
    elif suffix == ".csv":
        _csv(engine.batches(_plain_columns(engine, sql), _BATCH), path)
    else:
        _lines(engine.batches(sql, _BATCH), path)


def _plain_columns(engine: Engine, sql: str) -> str:
    """Numbers and texts as they are, other values as DuckDB's text, which reads back as the same value."""
    from pyarrow import types

    plain = (types.is_integer, types.is_floating, types.is_boolean, types.is_string, types.is_large_string)
    schema = engine.batches(f"SELECT * FROM ({sql}) AS _rows LIMIT 0", 1).schema
    listed = [
        ident(f.name)
        if any(is_(f.type) for is_ in plain)
        else f"CAST({ident(f.name)} AS VARCHAR) AS {ident(f.name)}"
        for f in schema
    ]
    return f"SELECT {', '.join(listed)} FROM ({sql}) AS _rows"


def _parquet(reader: pa.RecordBatchReader, path: Path) -> None:
    import pyarrow.parquet as pq

    with pq.ParquetWriter(path, reader.schema) as writer:
        for batch in reader:
            writer.write_batch(batch)


def _csv(reader: pa.RecordBatchReader, path: Path) -> None:
    from pyarrow import csv

    options = csv.WriteOptions(quoting_style="needed")
    with csv.CSVWriter(path, reader.schema, write_options=options) as writer:
        for batch in reader:
            writer.write_batch(batch)


def _lines(reader: pa.RecordBatchReader, path: Path) -> None:
    with path.open("w", encoding="utf-8") as file:
        for batch in reader:
            for row in batch.to_pylist():
                file.write(json.dumps(row, ensure_ascii=False, default=_plain) + "\n")


def _plain(value: Any) -> str:
    return value.hex() if isinstance(value, bytes) else str(value)
