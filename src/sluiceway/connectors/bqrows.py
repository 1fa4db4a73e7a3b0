"""Rows between DuckDB and BigQuery: Parquet load jobs one way, Arrow the other.

Columns travel as ``c0``, ``c1``, …: a load job takes fewer names than a table does.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sluiceway.connectors.bqtypes import BqColumn, encoded
from sluiceway.connectors.bqtypes import ident as bq_ident
from sluiceway.duck import ident, literal, open_duckdb, take_rows
from sluiceway.exchange import QUARANTINE_COLUMNS

if TYPE_CHECKING:
    import duckdb

    from sluiceway.connectors.bqclient import BqServer
    from sluiceway.exchange import Staged

__all__ = ["duckdb_columns", "fill", "parquet_of", "quarantine_of", "staged_rows"]


def fill(
    server: BqServer,
    con: duckdb.DuckDBPyConnection,
    sql: str,
    types: Sequence[tuple[str, str]],
    table: tuple[str, ...],
    folder: Path,
) -> tuple[str, int]:
    """Load the rows of DuckDB's ``sql`` into a new table.

    Returns:
        BigQuery's SELECT of them under their names, and how many it took.
    """
    into, restored, columns = [], [], {}
    for i, (name, type_) in enumerate(types):
        value, travels, back = encoded(type_, ident(name))
        into.append(f"{value} AS c{i}")
        columns[f"c{i}"] = travels
        restored.append(f"{back.format(f'c{i}')} AS {bq_ident(name)}")
    path = folder / f"{uuid.uuid4().hex}.parquet"
    try:
        con.execute(
            f"COPY (SELECT {', '.join(into)} FROM ({sql}) AS _rows) TO {literal(str(path))} "
            "(FORMAT parquet, COMPRESSION zstd)"
        )
        taken = server.load(path, table, columns)
    finally:
        path.unlink(missing_ok=True)
    relation = ".".join(map(bq_ident, table))
    return f"SELECT {', '.join(restored)} FROM {relation}", taken


def duckdb_columns(columns: Sequence[BqColumn], types: dict[str, str] | None = None) -> str:
    """What DuckDB makes of ``c0``, ``c1``, …: the columns with their names and types."""
    return ", ".join(
        f"CAST(c{i} AS {(types or {}).get(c.name, c.type)}) AS {ident(c.name)}" for i, c in enumerate(columns)
    )


def parquet_of(
    server: BqServer,
    relation: str,
    columns: Sequence[BqColumn],
    folder: Path,
    parameters: Sequence[Any] = (),
) -> str:
    """DuckDB's SELECT of the rows of ``relation``, which are fetched now."""
    from pyarrow import parquet

    listed = ", ".join(f"{c.selected} AS c{i}" for i, c in enumerate(columns))
    shape, batches = server.batches(f"SELECT {listed} FROM {relation} AS _rows", columns, parameters)
    path = folder / f"{uuid.uuid4().hex}.parquet"
    with parquet.ParquetWriter(path, shape, compression="zstd") as writer:
        for batch in batches:
            writer.write_batch(batch)
    return f"SELECT {duckdb_columns(columns)} FROM read_parquet({literal(str(path))})"


def quarantine_of(server: BqServer, table: tuple[str, ...], folder: Path) -> str:
    """DuckDB's SELECT of the quarantine, with the types it has everywhere."""
    there = {c.name: c for c in server.columns(*table) or ()}
    columns = [there[name] for name in QUARANTINE_COLUMNS]
    return parquet_of(server, ".".join(map(bq_ident, table)), columns, folder)


@contextmanager
def staged_rows(staged: Staged, folder: Path) -> Iterator[tuple[duckdb.DuckDBPyConnection, str, str | None]]:
    """DuckDB, and SELECTs of the good and of the quarantined rows in it, whatever engine staged them."""
    if staged.engine is not None and staged.engine.name == "duckdb":
        yield staged.engine.connection, staged.good, staged.quarantined
        return
    con = open_duckdb(spill=folder)
    try:
        good = None
        if staged.files:
            paths = ", ".join(literal(str(f)) for f in staged.files)
            good = f"SELECT * FROM read_parquet([{paths}], hive_partitioning = false)"
        bad = None if staged.quarantined is None else _copied(con, staged, "bad", staged.quarantined)
        yield con, good or _copied(con, staged, "good", staged.good), bad
    finally:
        con.close()


def _copied(con: duckdb.DuckDBPyConnection, staged: Staged, name: str, sql: str) -> str:
    take_rows(con, staged.engine.batches(sql, 100_000), f"_sluiceway_{name}", temporary=False)
    return f"SELECT * FROM _sluiceway_{name}"
