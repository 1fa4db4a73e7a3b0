"""DuckDB connections the way we open them: UTC, bounded, extensions from wheels, no network.

Both the embedded engine and the connectors that publish by DuckDB use this, so it lies on the floor.
"""

from __future__ import annotations

import importlib.util
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from sluiceway.errors import EngineError, MissingExtraError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import duckdb
    import pyarrow as pa

__all__ = [
    "cast_select",
    "ident",
    "literal",
    "load_extension",
    "open_ahead",
    "open_duckdb",
    "relation",
    "take_rows",
]

_EXTRA = {"postgres_scanner": "postgres", "mysql_scanner": "mysql"}


def ident(name: str) -> str:
    """A quoted identifier.

    >>> print(ident('my "col" x'))
    "my ""col"" x"
    """
    return '"' + name.replace('"', '""') + '"'


def relation(*parts: str) -> str:
    """A dotted, quoted name.

    >>> relation("lake", "mart", "orders")
    '"lake"."mart"."orders"'
    """
    return ".".join(ident(part) for part in parts)


def literal(text: str) -> str:
    """A quoted string, for the few statements that take no parameters (ATTACH, SET, COPY).

    >>> literal("it's")
    "'it''s'"
    """
    return "'" + text.replace("'", "''") + "'"


def cast_select(sql: str, columns: Iterable[str], types: Mapping[str, str]) -> str:
    """``sql``, its ``columns`` in the types of ``types``.

    >>> print(cast_select("SELECT 1 AS a, 2 AS b", ["a", "b"], {"b": "VARCHAR"}))
    SELECT "a", CAST("b" AS VARCHAR) AS "b" FROM (SELECT 1 AS a, 2 AS b) AS _cast
    """
    if not types:
        return sql
    listed = ", ".join(
        f"CAST({ident(name)} AS {types[name]}) AS {ident(name)}" if name in types else ident(name)
        for name in columns
    )
    return f"SELECT {listed} FROM ({sql}) AS _cast"


def extension_path(name: str) -> Path:
    """Where the wheel of extension ``name`` put its file."""
    import duckdb

    spec = importlib.util.find_spec(f"duckdb_extension_{name}")
    if spec is None or not spec.submodule_search_locations:
        raise MissingExtraError.of(_EXTRA.get(name, "all"), f"DuckDB's extension {name}")
    root = Path(next(iter(spec.submodule_search_locations)))
    path = root / "extensions" / f"v{duckdb.__version__}" / f"{name}.duckdb_extension"
    if not path.exists():
        raise EngineError(
            f"the wheel of DuckDB's extension {name} is not for duckdb {duckdb.__version__}",
            hint=f"pip install 'duckdb-extension-{name.replace('_', '-')}=={duckdb.__version__}'",
        )
    return path


def load_extension(con: duckdb.DuckDBPyConnection, name: str) -> None:
    """LOAD from the wheel; DuckDB checks the signature. Loading twice costs nothing."""
    # a literal: to bind a parameter duckdb imports pandas where that is installed, half a second
    row = con.execute(
        f"SELECT loaded FROM duckdb_extensions() WHERE extension_name = {literal(name)}"
    ).fetchall()
    if row and row[0][0]:
        return
    con.execute(f"LOAD {literal(str(extension_path(name)))}")


def open_duckdb(
    *,
    threads: int | None = None,
    memory_limit: str | None = None,
    spill: Path | None = None,
    ahead: bool = False,
) -> duckdb.DuckDBPyConnection:
    """An in-memory instance whose session runs in UTC and never installs or loads by itself.

    Args:
        memory_limit: DuckDB's buffer, such as ``"4GB"``.
        spill: the folder for what does not fit.
        ahead: take the instance of ``open_ahead`` if there is one.
    """
    con = _opened_ahead() if ahead else None
    if con is None:
        con = _open()
    if threads is not None:
        con.execute(f"SET threads = {int(threads)}")
    if memory_limit is not None:
        con.execute(f"SET memory_limit = {literal(memory_limit)}")
    if spill is not None:
        con.execute(f"SET temp_directory = {literal(str(spill))}")
    return con


def _open(extensions: Sequence[str] = ()) -> duckdb.DuckDBPyConnection:
    import duckdb

    con = duckdb.connect(
        ":memory:",
        config={
            "autoinstall_known_extensions": "false",
            "autoload_known_extensions": "false",
            "preserve_insertion_order": "false",
            # else a table that is not there is looked for among Python's variables
            "python_enable_replacements": "false",
        },
    )
    for name in ("icu", *extensions):
        load_extension(con, name)
    con.execute("SET TimeZone = 'UTC'")
    return con


class _Ahead:
    """The one thread that opens, and the instance it opens."""

    def __init__(self, extensions: Sequence[str]) -> None:
        self.pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="open-duckdb")
        self.opened = self.pool.submit(_open, extensions)

    def load(self, extensions: Sequence[str]) -> None:
        self.opened = self.pool.submit(_load, self.opened, extensions)


_ahead: list[_Ahead] = []


def open_ahead(extensions: Sequence[str]) -> None:
    """Open the instance that the next ``open_duckdb(ahead=True)`` takes, in a thread, now.

    DuckDB checks an extension's signature over all of its 36 MB, a tenth of a second without Python's
    lock: a command line that has its imports still to do does both at once. Called again, it loads more
    into the same instance.
    """
    if _ahead:
        _ahead[0].load(extensions)
    else:
        _ahead.append(_Ahead(extensions))


def _load(opened: Future[duckdb.DuckDBPyConnection], extensions: Sequence[str]) -> duckdb.DuckDBPyConnection:
    con = opened.result()
    for name in extensions:
        load_extension(con, name)
    return con


def _opened_ahead() -> duckdb.DuckDBPyConnection | None:
    if not _ahead:
        return None
    ahead = _ahead.pop()
    ahead.pool.shutdown(wait=False)
    # what can't be loaded fails once more where it is needed, and is told there
    return ahead.opened.result() if ahead.opened.exception() is None else None


def take_rows(
    con: duckdb.DuckDBPyConnection, rows: pa.RecordBatchReader, table: str, *, temporary: bool
) -> None:
    """Make ``table``, or make it anew, of rows of another engine, by Arrow; it spills to disk.

    >>> import pyarrow as pa
    >>> con = open_duckdb(threads=1)
    >>> take_rows(con, pa.table({"a": [1, 2]}).to_reader(), "t", temporary=True)
    >>> con.execute("SELECT sum(a) FROM t").fetchall()
    [(3,)]
    """
    con.register("_sluiceway_reader", rows)
    try:
        kind = "TEMP TABLE" if temporary else "TABLE"
        con.execute(f"CREATE OR REPLACE {kind} {ident(table)} AS FROM _sluiceway_reader")
    finally:
        con.unregister("_sluiceway_reader")
