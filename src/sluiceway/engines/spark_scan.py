"""Text files read by the executors, by the reader that the embedded engine has.

Spark's own readers of CSV and JSON take what DuckDB refuses (a quote in the middle of a value, a row that is
too short, ``1e5`` for an integer) and the other way round, and nothing in a value that was read tells how it
was written. So an executor runs the very SELECT that the embedded engine would run, over one file: rows
and refusals are the same because the reader is.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sluiceway.exchange import Location

__all__ = ["mapped", "quiet_pandas", "readable_there", "scanned"]

_ROWS = 10_000
_MEMORY = "512MB"


def scanned(session: Any, location: Location, schema: Any) -> Any:
    """A frame of the location's rows, a task a file.

    Args:
        schema: the StructType of the rows.
    """
    pairs = list(zip(location.scans, location.paths, strict=True))
    frame = session.createDataFrame(pairs, "scan string, path string").repartition(len(pairs))
    return mapped(frame, _read, schema)


@contextmanager
def quiet_pandas() -> Iterator[None]:
    """Without pyspark's warning that its pandas does not know pandas 3: we use none of it."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="PySpark does not yet", category=FutureWarning)
        yield


def mapped(frame: Any, function: Callable[[Iterator[Any]], Iterator[Any]], schema: Any) -> Any:
    """``mapInArrow``, for which pyspark looks at pandas."""
    with quiet_pandas():
        return frame.mapInArrow(function, schema)


def _read(batches: Iterator[Any]) -> Iterator[Any]:
    """On an executor: the rows of each scan, which may open its own file and nothing else."""
    from sluiceway.duck import literal, open_duckdb

    for batch in batches:
        for row in batch.to_pylist():
            with open_duckdb(threads=1, memory_limit=_MEMORY) as con:
                con.execute("SET preserve_insertion_order = false")
                con.execute(f"SET allowed_paths = [{literal(row['path'])}]")
                con.execute("SET enable_external_access = false")
                con.execute("SET lock_configuration = true")
                yield from con.execute(row["scan"]).to_arrow_reader(_ROWS)


def readable_there(session: Any, paths: Sequence[str], slots: int, *, text: bool = True) -> bool:
    """Whether the executors see the files as this machine does and, for text, have our reader.

    Args:
        slots: how many tasks ask, so that every executor is likely to be asked.
    """
    import duckdb
    from pyspark.errors import PySparkException

    wanted, facts = duckdb.__version__, [(path, Path(path).stat().st_size) for path in paths]

    def asked(batches: Iterator[Any]) -> Iterator[Any]:
        import pyarrow as pa

        for _ in batches:
            try:
                fits = True
                if text:
                    from importlib.metadata import version

                    import sluiceway.duck  # noqa: F401

                    fits = version("duckdb") == wanted
                fits = fits and all(Path(path).stat().st_size == size for path, size in facts)
            except (ImportError, OSError):
                fits = False
            yield pa.RecordBatch.from_pydict({"fits": [fits]})

    try:
        rows = mapped(session.range(0, slots, 1, slots), asked, "fits boolean").collect()
    except PySparkException:  # no Python of this version there, no pyarrow
        return False
    return bool(rows) and all(row[0] for row in rows)
