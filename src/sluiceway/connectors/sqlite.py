"""SQLite files, by DuckDB's scanner. SQLite has five storage classes and checks no type: what that
means for reading and writing is said in ``docs/connectors/sqlite.md``."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from sluiceway.connectors.attached_sink import AttachedSink
from sluiceway.connectors.attached_source import AttachedSource, AttachedSourceConfig
from sluiceway.connectors.base import Connector, ConnectorContext, SinkCapabilities, SinkConfig
from sluiceway.connectors.loading import DUCKDB
from sluiceway.duck import ident, literal, load_extension, relation
from sluiceway.errors import DestinationError, PlanError, SourceError, Where
from sluiceway.schema import Column, Schema, TableName

if TYPE_CHECKING:
    import duckdb

__all__ = ["CONNECTOR", "SqliteConfig", "SqliteSink", "SqliteSource", "SqliteSourceConfig"]

_COLUMNS = "columns"
_NATIVE = ("BIGINT", "DOUBLE", "VARCHAR", "BLOB")


class SqliteConfig(SinkConfig):
    """``{type: sqlite, path: out.db}``."""

    path: str = Field(description="the file; it is made by the first publish")


class SqliteSourceConfig(AttachedSourceConfig):
    """A table, or a SELECT in SQLite's dialect, of a SQLite file."""

    path: str = Field(description="the file")


class SqliteSource(AttachedSource):
    system: ClassVar[str] = "sqlite"

    def __init__(self, config: SqliteSourceConfig, context: ConnectorContext) -> None:
        super().__init__(config, context)
        self._path = context.path(config.path).absolute()

    def _attach(self, con: duckdb.DuckDBPyConnection, alias: str) -> str:
        if not self._path.exists():
            raise SourceError(
                f"there is no file {self.config.path}", where=self.context.where, hint="correct path"
            )
        load_extension(con, "sqlite_scanner")
        con.execute(f"ATTACH {literal(str(self._path))} AS {ident(alias)} (TYPE sqlite, READ_ONLY)")
        return alias

    def _table(self, alias: str) -> str:
        if isinstance(self.config.columns, dict):
            # as text, so that a value that its declared affinity does not fit is cast, not refused
            names = ", ".join(map(ident, self.config.columns))
            return self._by_sqlite(alias, f"SELECT {names} FROM {ident(self.config.table)}")
        return relation(alias, "main", self.config.table)

    def _query(self, alias: str) -> str:
        _one_select(self.config.query, self.context.where)
        return self._by_sqlite(alias, self.config.query)

    def _by_sqlite(self, alias: str, query: str) -> str:
        return f"sqlite_query({literal(alias)}, {literal(query)})"

    def _tables(self, con: duckdb.DuckDBPyConnection, alias: str) -> list[str]:
        found = con.execute(
            f"SELECT name FROM sqlite_query({literal(alias)}, "
            "'SELECT name FROM sqlite_master WHERE type IN (''table'', ''view'')')"
        ).fetchall()
        return [row[0] for row in found]

    def folders(self) -> tuple[Path, ...]:
        return (self._path,)

    def dataset(self) -> tuple[str, str]:
        return f"sqlite://{self._path}", self.config.table or "query"


class SqliteSink(AttachedSink):
    """Tables are named ``table`` for ``main.table`` and ``ns.table`` for ``ns.table``: SQLite has no
    schemas. ``_sluiceway.columns`` keeps the types that were meant."""

    system: ClassVar[str] = "sqlite"
    capabilities = SinkCapabilities(modes=("append", "replace", "merge", "scd2"), atomic=True)

    def __init__(self, config: SqliteConfig, context: ConnectorContext) -> None:
        super().__init__(config, context)
        self._path = context.path(config.path).absolute()

    def _attach(self, con: duckdb.DuckDBPyConnection) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        load_extension(con, "sqlite_scanner")
        con.execute(f"ATTACH {literal(str(self._path))} AS {ident(self.alias)} (TYPE sqlite)")

    def _locks(self) -> Path:
        return self.context.project / ".sluiceway" / "locks"

    def _parts(self, table: TableName) -> tuple[str, ...]:
        name = table.name if table.namespace == "main" else str(table)
        return (self.alias, "main", name)

    def _place(self, name: str) -> tuple[str, ...]:
        return (self.alias, "main", f"_sluiceway.{name}")

    def _create_schema(self, con: duckdb.DuckDBPyConnection, namespace: str) -> None:
        """SQLite has none."""

    def _retryable(self, error: duckdb.Error) -> bool:
        return "database is locked" in str(error)

    def folders(self) -> tuple[Path, ...]:
        suffixes = ("", "-wal", "-shm", "-journal")
        return tuple(self._path.with_name(self._path.name + suffix) for suffix in suffixes)

    def dataset(self, table: TableName) -> tuple[str, str]:
        return f"sqlite://{self._path}", self._parts(table)[-1]

    # types

    def _create_system(self, con: duckdb.DuckDBPyConnection) -> None:
        con.execute(
            f"CREATE TABLE IF NOT EXISTS {relation(*self._place(_COLUMNS))} "
            "(table_name VARCHAR, column_name VARCHAR, column_type VARCHAR)"
        )
        super()._create_system(con)

    def _meant(self, con: duckdb.DuckDBPyConnection, table: TableName) -> dict[str, str]:
        import duckdb

        try:
            rows = con.execute(
                f"SELECT column_name, column_type FROM {relation(*self._place(_COLUMNS))} "
                "WHERE table_name = ?",
                [str(table)],
            ).fetchall()
        except duckdb.CatalogException:
            return {}
        return dict(rows)

    def _mean(
        self, con: duckdb.DuckDBPyConnection, table: TableName, columns: Sequence[tuple[str, str]]
    ) -> None:
        for name, type_ in columns:
            values = ", ".join(DUCKDB.literal(v) for v in (str(table), name, type_))
            con.execute(f"INSERT INTO {relation(*self._place(_COLUMNS))} VALUES ({values})")

    def _create_table(
        self, con: duckdb.DuckDBPyConnection, table: TableName, columns: Sequence[tuple[str, str]]
    ) -> None:
        super()._create_table(con, table, columns)
        con.execute(
            f"DELETE FROM {relation(*self._place(_COLUMNS))} WHERE table_name = {literal(str(table))}"
        )
        self._mean(con, table, columns)

    def _add_column(self, con: duckdb.DuckDBPyConnection, table: TableName, name: str, type_: str) -> None:
        super()._add_column(con, table, name, type_)
        self._mean(con, table, [(name, type_)])

    def _widen_column(self, con: duckdb.DuckDBPyConnection, table: TableName, name: str, type_: str) -> None:
        """Nothing is rewritten: the storage class is each value's own, what is meant is kept beside."""
        before = self._meant(con, table).get(name)
        if before is None or _storage(before) != _storage(type_):
            raise DestinationError(
                f"{table}: SQLite can't change column '{name}' from {before or 'its type'} to {type_}",
                hint="publish with run --full-refresh into a new table, or cast in the transform",
            )
        con.execute(
            f"UPDATE {relation(*self._place(_COLUMNS))} SET column_type = {literal(type_)} "
            f"WHERE table_name = {literal(str(table))} AND column_name = {literal(name)}"
        )

    def _describe(self, con: duckdb.DuckDBPyConnection, table: TableName) -> Schema | None:
        there = super()._describe(con, table)
        if there is None:
            return None
        meant = self._meant(con, table)
        return Schema(tuple(Column(c.name, meant.get(c.name, c.type), c.nullable) for c in there))

    def _reads(self, con: duckdb.DuckDBPyConnection, table: TableName) -> Mapping[str, str]:
        return {n: t for n, t in self._meant(con, table).items() if t not in _NATIVE}

    def scan(self, table: TableName) -> str:
        with self._attached() as con:
            there, reads = self._describe(con, table), self._reads(con, table)
        if there is None:
            return super().scan(table)
        columns = ", ".join(
            f"CAST({ident(c)} AS {reads[c]}) AS {ident(c)}" if c in reads else ident(c) for c in there.names
        )
        return f"SELECT {columns} FROM {relation(*self._parts(table))}"


def _one_select(query: str, where: Where) -> None:
    """SQLite itself runs it, on a file opened read-only, where a SELECT can reach nothing else."""
    import sqlglot
    from sqlglot import exp

    try:
        trees = sqlglot.parse(query, read="sqlite")
    except sqlglot.ParseError as error:
        said = re.sub(r"<class '[\w.]*\.(\w+)'>", r"\1", str(error).split(". Line", maxsplit=1)[0])
        raise PlanError(
            f"the query is no SQL: {said}", where=where, hint="write one SELECT, as SQLite spells it"
        ) from error
    if len(trees) != 1 or not isinstance(trees[0], exp.Query):
        raise PlanError(
            "only one SELECT is allowed here", where=where, hint="write one SELECT, WITH included"
        )


def _storage(type_: str) -> str:
    """How DuckDB's scanner keeps a type."""
    name = type_.upper().split("(")[0]
    if name in ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER", "BOOLEAN"):
        return "integer"
    return {"FLOAT": "real", "DOUBLE": "real", "BLOB": "blob"}.get(name, "text")


CONNECTOR = Connector(
    name="sqlite",
    doc="A SQLite file, to read from or to publish to. No rollback.",
    source_config=SqliteSourceConfig,
    source=SqliteSource,
    sink_config=SqliteConfig,
    sink=SqliteSink,
    examples=("type: sqlite\npath: out.db\n", "type: sqlite\npath: shop.db\ntable: orders\n"),
)
