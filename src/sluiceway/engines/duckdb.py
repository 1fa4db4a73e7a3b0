"""The embedded engine: one in-memory DuckDB that stages to zstd Parquet and spills to disk.

Staging is a ``COPY … TO`` folder of Parquet outside the warehouse: measured, it leaves the files that a
lake can take as they are, keeps memory flat, and its statistics (rows, nulls, bounds) cost nothing.
"""

from __future__ import annotations

import json
import re
import shutil
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sluiceway.duck import ident, literal, open_duckdb
from sluiceway.engines.base import (
    BatchFunction,
    Capabilities,
    Engine,
    EnginePlan,
    EngineSettings,
    Spools,
    Stage,
)
from sluiceway.errors import CancelledError, EngineError
from sluiceway.schema import Column, Schema
from sluiceway.secrets import redact
from sluiceway.sql.primitives import render

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import duckdb
    import pyarrow as pa
    from sqlglot import exp

    from sluiceway.exchange import Location

__all__ = ["DuckDBEngine", "scan_files", "stage_of"]

_PARAMETER = re.compile(r"\$(\w+)")
_BAD = "_sluiceway_bad"
_KEPT = "COMPRESSION zstd, COMPRESSION_LEVEL 1, PARQUET_VERSION v2, DICTIONARY_SIZE_LIMIT 2000"
"""Files that the warehouse may take: level 1 costs 40 % less CPU than the default and 17 % more room; the
encodings of version 2 (deltas, split bytes) take a quarter of the room away again and a third of the CPU
of whoever reads them. What has more than 2,000 values in a row group of 122,880 is better off with them
than with a dictionary. pyarrow and Spark 4.3 read them."""
_SPOOLED = "COMPRESSION lz4_raw, PARQUET_VERSION v2, DICTIONARY_SIZE_LIMIT 2000"
"""Files that are read again and thrown away: the same, in the codec that is quickest both ways."""
_EXACT = frozenset({
    "BOOLEAN", "TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT",
    "FLOAT", "DOUBLE", "DECIMAL", "VARCHAR", "BLOB", "UUID", "JSON", "DATE", "TIME", "TIMESTAMP",
    "TIMESTAMP_NS", "TIMESTAMP WITH TIME ZONE", "LIST", "STRUCT", "MAP",
})  # fmt: skip
"""Types that Parquet gives back exactly, name and value."""
_SPOOLS = Spools(_EXACT, reserved=frozenset({"file_index", "file_row_number"}))
_ROW = "CAST(file_index AS BIGINT) * 1099511627776 + file_row_number"
"""Of read_parquet: which file, and which row of it."""
_READS_NOTHING = frozenset(
    {"CTE_SCAN", "COLUMN_DATA_SCAN", "DELIM_SCAN", "DUMMY_SCAN", "EMPTY_RESULT", "REC_CTE_SCAN"}
)
"""Leaves of a plan that give rows which it made itself."""


class DuckDBEngine:
    """See ``sluiceway.engines.base.Engine``.

    >>> import tempfile
    >>> engine = DuckDBEngine()
    >>> engine.connect(EngineSettings(), Path(tempfile.mkdtemp()))
    >>> stage = engine.stage("t", "SELECT range AS a FROM range(10)", bad="a > 7")
    >>> stage.rows, [len(x) for x in (stage.files, stage.bad_files)], stage.bounds["a"]
    (10, [1, 1], ('0', '9', 0))
    >>> engine.close()
    """

    name = "duckdb"
    capabilities = Capabilities(dialect="duckdb", sandbox=True, prunes=True, cte_hints=True, spools=_SPOOLS)
    connection: duckdb.DuckDBPyConnection

    @property
    def local(self) -> Engine:
        return self

    def connect(self, settings: EngineSettings, staging: Path) -> None:
        self.staging = staging
        staging.mkdir(parents=True, exist_ok=True)
        spill = settings.spill or staging / "spill"
        self._spill = spill
        with _errors():
            self.connection = open_duckdb(
                threads=settings.threads, memory_limit=settings.memory_limit, spill=spill, ahead=True
            )

    def seal(self, folders: Sequence[Path]) -> None:
        paths = [self.staging, self._spill, *folders]
        directories = [str(p.absolute()) for p in paths if not p.is_file()]
        # a file that is yet to be made (a database's write-ahead log) is named here too
        files = [str(p.absolute()) for p in paths if not p.is_dir()]
        with _errors():
            # lists can't be bound in SET
            self.connection.execute(f"SET allowed_directories = [{', '.join(map(literal, directories))}]")
            self.connection.execute(f"SET allowed_paths = [{', '.join(map(literal, files))}]")
            self.connection.execute("SET enable_external_access = false")
            self.connection.execute("SET lock_configuration = true")

    def execute(self, sql: str, parameters: Mapping[str, Any] | None = None) -> None:
        with _errors():
            self.connection.execute(sql, _used(sql, parameters))

    def query(self, sql: str, parameters: Mapping[str, Any] | None = None) -> list[tuple[Any, ...]]:
        with _errors():
            return self.connection.execute(sql, _used(sql, parameters)).fetchall()

    def columns(self, sql: str) -> Schema:
        with _errors():
            rows = self.connection.execute(f"DESCRIBE {sql}").fetchall()
        return Schema(tuple(Column(row[0], row[1]) for row in rows))

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
        folder = self.staging / name
        if folder.exists():
            shutil.rmtree(folder)
        if _is_reader(rows):
            return self._stage_reader(name, folder, rows)
        sql = rows if isinstance(rows, str) else render(rows, "duckdb")
        found = self.columns(self._typed(sql, parameters))
        body, options = sql, f"FORMAT parquet, {_KEPT if keep else _SPOOLED}, RETURN_STATS"
        if bad is not None:
            bad = bad if isinstance(bad, str) else render(bad, "duckdb")
            body = f"SELECT *, COALESCE({bad}, FALSE) AS {ident(_BAD)} FROM ({sql}) AS _rows"
            options += f", PARTITION_BY ({ident(_BAD)})"
        else:
            folder.mkdir(parents=True)
            options += ", PER_THREAD_OUTPUT, OVERWRITE_OR_IGNORE"
        statement = f"COPY ({body}) TO {literal(str(folder))} ({options})"
        return self._stage(name, folder, found, self.query(statement, parameters))

    def _typed(self, sql: str, parameters: Mapping[str, Any] | None) -> str:
        """Parameters can't stand in DESCRIBE: NULLs of their types have the same shape."""
        used = _used(sql, parameters)
        if not used:
            return sql
        asked = ", ".join(f"typeof(${name})" for name in used)
        types = dict(zip(used, self.query(f"SELECT {asked}", used)[0], strict=True))

        def null(match: re.Match[str]) -> str:
            name = match[1]
            return f"CAST(NULL AS {types[name]})" if used.get(name) is not None else "NULL"

        return _PARAMETER.sub(null, sql)

    def _stage_reader(self, name: str, folder: Path, reader: pa.RecordBatchReader) -> Stage:
        view = f"_reader_{threading.get_ident()}"
        cursor = self.connection.cursor()  # sources are read in parallel: each on its own cursor
        try:
            with _errors():
                cursor.register(view, reader)
                folder.mkdir(parents=True)
                sql = f"SELECT * FROM {ident(view)}"
                described = cursor.execute(f"DESCRIBE {sql}").fetchall()
                schema = Schema(tuple(Column(row[0], row[1]) for row in described))
                stats = cursor.execute(
                    f"COPY ({sql}) TO {literal(str(folder))} "
                    f"(FORMAT parquet, {_SPOOLED}, RETURN_STATS, PER_THREAD_OUTPUT, OVERWRITE_OR_IGNORE)"
                ).fetchall()
            return self._stage(name, folder, schema, stats)
        finally:
            cursor.close()

    def _stage(self, name: str, folder: Path, schema: Schema, stats: list[tuple[Any, ...]]) -> Stage:
        """``stats`` are COPY's: filename, count, bytes, footer bytes, column statistics, partition."""
        good = [row for row in stats if not (row[5] and str(row[5][_BAD]).lower() == "true") and row[1]]
        bad = [row for row in stats if row[5] and str(row[5][_BAD]).lower() == "true" and row[1]]
        files = tuple(Path(row[0]) for row in good)
        bad_files = tuple(Path(row[0]) for row in bad)
        return Stage(
            name=name,
            relation=scan_files((*files, *bad_files), schema),
            good=scan_files(files, schema),
            bad=scan_files(bad_files, schema),
            schema=schema,
            rows=sum(row[1] for row in stats),
            bad_rows=sum(row[1] for row in bad),
            files=files,
            bad_files=bad_files,
            bounds=_bounds([row[4] for row in (*good, *bad)], schema),
            row=_ROW if files or bad_files else "CAST(NULL AS BIGINT)",
        )

    def adopt(self, rows: Stage | Location) -> str | None:
        return f"SELECT * FROM {rows.relation} AS _raw" if isinstance(rows, Stage) else None

    def handoff(self, stage: Stage) -> Stage:
        return stage

    def map(self, name: str, sql: str, function: BatchFunction, schema: Schema, batch_size: int) -> Stage:
        return self.stage(name, function(self.batches(sql, batch_size)))

    def batches(
        self, sql: str, batch_size: int, parameters: Mapping[str, Any] | None = None
    ) -> pa.RecordBatchReader:
        with _errors():
            return self.connection.cursor().execute(sql, _used(sql, parameters)).to_arrow_reader(batch_size)

    def explain(self, sql: str) -> EnginePlan:
        text = "\n".join(row[1] for row in self.query(f"EXPLAIN {sql}"))
        trees = json.loads(self.query(f"EXPLAIN (FORMAT json) {sql}")[0][1])
        return EnginePlan(text, sum(_scans(tree) for tree in trees))

    def drop(self, stage: Stage) -> None:
        shutil.rmtree(self.staging / stage.name, ignore_errors=True)

    def close(self) -> None:
        self.connection.close()
        shutil.rmtree(self._spill, ignore_errors=True)


def _scans(tree: dict[str, Any]) -> int:
    below = tree.get("children") or ()
    return sum(map(_scans, below)) if below else tree["name"].strip() not in _READS_NOTHING


def _is_reader(rows: Any) -> bool:
    return hasattr(rows, "read_next_batch")


def _used(sql: str, parameters: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """DuckDB refuses parameters that a statement does not name."""
    if not parameters:
        return None
    names = set(_PARAMETER.findall(sql))
    return {name: value for name, value in parameters.items() if name in names} or None


def scan_files(files: Sequence[Path], schema: Schema) -> str:
    """What can stand in FROM: the rows of Parquet files, or none with the columns of ``schema``."""
    if not files:
        columns = ", ".join(f"NULL::{c.type} AS {ident(c.name)}" for c in schema)
        return f"(SELECT {columns} WHERE FALSE)"
    paths = ", ".join(literal(str(file)) for file in files)
    # staging folders are named k=v by PARTITION_BY; that is no column of the rows
    return f"read_parquet([{paths}], hive_partitioning = false)"


def stage_of(name: str, files: tuple[Path, ...], schema: Schema, rows: int) -> Stage:
    """The staging of files that were staged before, none of whose rows are set apart."""
    relation = scan_files(files, schema)
    return Stage(
        name, relation, relation, scan_files((), schema), schema, rows, files=files,
        row=_ROW if files else "CAST(NULL AS BIGINT)",
    )  # fmt: skip


def _bounds(
    stats: Sequence[Mapping[str, Mapping[str, str]]], schema: Schema
) -> dict[str, tuple[Any, Any, int | None]]:
    """Per column (min, max, nulls) as text, merged over files; absent where a file does not say."""
    bounds: dict[str, tuple[Any, Any, int | None]] = {}
    for column in schema:
        seen = [file.get(ident(column.name)) for file in stats]
        if not seen or any(s is None or "null_count" not in s for s in seen):
            continue
        known = [s for s in seen if s is not None]
        nulls = sum(int(s["null_count"]) for s in known)
        filled = [s for s in known if int(s["num_values"]) > int(s["null_count"])]
        if any("min" not in s or "max" not in s for s in filled):
            bounds[column.name] = (None, None, nulls)
            continue
        low, high = _extremes(column, [s["min"] for s in filled], [s["max"] for s in filled])
        bounds[column.name] = (low, high, nulls)
    return bounds


def _extremes(column: Column, lows: list[str], highs: list[str]) -> tuple[str | None, str | None]:
    if not lows:
        return None, None
    if column.family in ("integer", "decimal", "float"):
        from decimal import Decimal

        return min(lows, key=Decimal), max(highs, key=Decimal)
    return min(lows), max(highs)


@contextmanager
def _errors() -> Iterator[None]:
    """DuckDB's exceptions as ours, with what to do."""
    import duckdb

    try:
        yield
    except duckdb.InterruptException as error:
        raise CancelledError("the engine was interrupted") from error
    except duckdb.OutOfMemoryException as error:
        raise EngineError(
            f"DuckDB ran out of memory: {_first_line(error)}",
            hint="raise engine.memory_limit or memory_limit, or give engine.spill a folder with room",
        ) from error
    except duckdb.IOException as error:
        full = "No space left" in str(error) or "disk" in str(error).lower()
        raise EngineError(
            _first_line(error), hint="free some disk, or give engine.spill another folder" if full else None
        ) from error
    except (duckdb.ConversionException, duckdb.OutOfRangeException) as error:
        raise EngineError(
            f"a value does not fit its type: {_first_line(error)}",
            hint="validate the column in the source's rules, or cast it with on_error: 'null'",
        ) from error
    except duckdb.Error as error:
        raise EngineError(_first_line(error)) from error


def _first_line(error: Exception) -> str:
    text = str(error).split("\n\nLINE ")[0].split("\nLINE ")[0]
    return redact(" ".join(text.split()))[:600]
