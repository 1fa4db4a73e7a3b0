"""What the sources have in common that DuckDB attaches: DuckLake, DuckDB files, SQLite files."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field
from sqlglot import exp

from sluiceway.connectors.attached import first_line
from sluiceway.connectors.base import ConnectorContext, Read, SourceConfig
from sluiceway.duck import ident, literal, open_duckdb, relation
from sluiceway.errors import PlanError, SourceError, Where, did_you_mean
from sluiceway.schema import Column, Schema
from sluiceway.sql.names import cte_of
from sluiceway.sql.safe import parse_select

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

    from sluiceway.engines.base import Engine
    from sluiceway.exchange import Location

__all__ = ["AttachedSource", "AttachedSourceConfig", "attached_as", "busy", "qualified"]

_BATCH = 65_536
_POLL = 0.05


class AttachedSourceConfig(SourceConfig):
    """Keys of the embedded databases."""

    table: str | None = Field(None, description="the table or view to read, as NAMESPACE.NAME or NAME")


def attached_as(con: duckdb.DuckDBPyConnection, path: Path) -> str | None:
    """The name under which the file is attached to ``con`` already; DuckDB takes it only once."""
    rows = con.execute("SELECT database_name, path FROM duckdb_databases() WHERE path IS NOT NULL").fetchall()
    wanted = path.resolve()
    return next((name for name, there in rows if Path(there).resolve() == wanted), None)


class AttachedSource:
    """The base of a Source. A subclass attaches and names its relations."""

    system: ClassVar[str]

    def __init__(self, config: Any, context: ConnectorContext) -> None:
        if (config.table is None) == (config.query is None):
            raise PlanError(
                f"a {self.system} source takes either table or query", where=context.where,
                hint="write table: NAME, or query: SELECT …",
            )  # fmt: skip
        self.config = config
        self.context = context
        self._own: duckdb.DuckDBPyConnection | None = None
        self._names: dict[int, str] = {}
        self._native: duckdb.DuckDBPyConnection | None = None
        self._schema: Schema | None = None

    # what a subclass gives

    def _attach(self, con: duckdb.DuckDBPyConnection, alias: str) -> str:
        """Attach read-only; the name to use, which is another's where the file is attached already."""
        raise NotImplementedError

    def _table(self, alias: str) -> str:
        """What stands in FROM for ``config.table``."""
        raise NotImplementedError

    def _query(self, alias: str) -> str:
        """What stands in FROM for ``config.query``."""
        raise NotImplementedError

    def _tables(self, con: duckdb.DuckDBPyConnection, alias: str) -> list[str]:
        """The tables there are, for a helpful error."""
        rows = con.execute(
            "SELECT schema_name, table_name FROM duckdb_tables() WHERE database_name = ? "
            "UNION ALL SELECT schema_name, view_name FROM duckdb_views() "
            "WHERE database_name = ? AND NOT internal",
            [alias, alias],
        ).fetchall()
        return [name if schema == "main" else f"{schema}.{name}" for schema, name in rows]

    def dataset(self) -> tuple[str, str]:
        raise NotImplementedError

    def folders(self) -> tuple[Path, ...]:
        raise NotImplementedError

    # Source

    def schema(self) -> Schema:
        if self._schema is None:
            con = self._connection()
            with self._errors():
                rows = con.execute(f"DESCRIBE {self._select(con, Read())}").fetchall()
            self._schema = Schema(tuple(Column(row[0], row[1]) for row in rows))
        return self._schema

    def locate(self, read: Read) -> Location | None:
        return None

    def native_scan(self, engine: Engine, read: Read) -> str | None:
        if engine.name != "duckdb":
            return None
        with self._errors():
            self._native = engine.connection
            return self._select(engine.connection, read)

    def read(self, read: Read) -> pa.RecordBatchReader:
        con = self._connection()
        with self._errors():
            return con.execute(self._select(con, read)).to_arrow_reader(self.config.batch_size or _BATCH)

    def rejected(self, engine: Engine, read: Read) -> str | None:
        return None

    def failure(self, error: BaseException) -> SourceError | None:
        return None

    def fingerprint(self) -> str | None:
        """None: a scan is one transaction, so what it reads can't change under it."""
        return None

    def close(self) -> None:
        if self._own is not None:
            self._own.close()
            self._own = None

    def _connection(self) -> duckdb.DuckDBPyConnection:
        if self._own is None:
            with self._errors():
                self._own = open_duckdb()
        return self._own

    def _alias(self, con: duckdb.DuckDBPyConnection) -> str:
        key = id(con)
        if key not in self._names:
            self._names[key] = self._attach(con, f"_source_{self.context.name or self.system}")
        return self._names[key]

    def _select(self, con: duckdb.DuckDBPyConnection, read: Read) -> str:
        """The SELECT, inside out: the relation, its declared types and zone, then what ``read`` wants."""
        alias = self._alias(con)
        base = self._table(alias) if self.config.query is None else self._query(alias)
        there = {row[0]: row[1] for row in con.execute(f"DESCRIBE SELECT * FROM {base}").fetchall()}
        typed = ", ".join(self._typed(Schema.of(there)))
        columns = ", ".join(map(ident, read.columns)) if read.columns else "*"
        where = [f"({text})" for text in read.filters]
        if read.since is not None:
            where.append(_after(read))
        conditions = f" WHERE {' AND '.join(where)}" if where else ""
        return f"SELECT {columns} FROM (SELECT {typed} FROM {base}) AS _source{conditions}"

    def _typed(self, there: Schema) -> Iterator[str]:
        declared = self.config.columns
        names = tuple(declared) if declared else there.names
        there.require(names, self.context.where, of=self.config.table or "the query")
        types: Mapping[str, str] = declared if isinstance(declared, dict) else {}
        for name in names:
            column = there[name]
            text, type_ = ident(column.name), types.get(name, column.type)
            if type_ != column.type:
                text = f"CAST({text} AS {type_})"
            if self.config.timezone != "UTC" and type_ in ("TIMESTAMP", "TIMESTAMP_S", "TIMESTAMP_MS"):
                zone = literal(self.config.timezone)
                text = f"CAST({text} AS TIMESTAMP) AT TIME ZONE {zone}"  # a TIMESTAMPTZ
            yield f"{text} AS {ident(name)}"

    @contextmanager
    def _errors(self) -> Iterator[None]:
        import duckdb

        what = self.config.table or "the query"
        try:
            yield
        except duckdb.CatalogException as error:
            raise SourceError(
                f"{self.system} {self.config.path}: {what}: {first_line(error)}",
                where=self.context.where, hint=self._hint(),
            ) from error  # fmt: skip
        except (duckdb.BinderException, duckdb.ParserException) as error:
            raise PlanError(
                f"{self.system} {self.config.path}: {what}: {first_line(error)}", where=self.context.where
            ) from error
        except duckdb.Error as error:
            raise SourceError(
                f"{self.system} {self.config.path}: {what} can't be read: {first_line(error)}",
                where=self.context.where,
                hint=f"try it by itself: {'query' if self.config.query else 'table'}: is read by "
                f"{self.system}, as {self.system} spells SQL",
            ) from error

    def _hint(self) -> str | None:
        """The tables there are, or the one that was meant."""
        for con in (self._own, self._native):
            if con is not None and id(con) in self._names:
                return did_you_mean(self.config.table or "", self._tables(con, self._names[id(con)]))
        return None

    def _wait(self, attach: Any) -> None:
        """Try again while another process writes the file, for ``lock_timeout`` seconds."""
        import duckdb

        deadline = time.monotonic() + self.context.lock_timeout
        while True:
            try:
                attach()
                return
            except (duckdb.IOException, duckdb.BinderException) as error:
                if not busy(error) or time.monotonic() >= deadline:
                    raise
                time.sleep(_POLL)


def busy(error: Exception) -> bool:
    """True where another process, or another instance in this one, holds a DuckDB file."""
    text = str(error)
    return "Could not set lock" in text or "Unique file handle conflict" in text


def _after(read: Read) -> str:
    """The rows behind the mark. The mark is text that casts back to its type exactly."""
    since = read.since
    if since is None or since.value is None:
        return "TRUE"
    column = relation(since.column)
    mark = f"CAST({literal(since.value)} AS {since.type})"
    condition = f"{column} {'>' if read.strict else '>='} {mark}"
    return f"({condition} OR {column} IS NULL)" if read.include_null_cursor else f"({condition})"


def qualified(query: str, alias: str, where: Where) -> str:
    """A user's SELECT over the tables of one attached database, as a relation.

    >>> qualified("WITH a AS (SELECT 1 AS x) SELECT * FROM mart.t JOIN a ON a.x = t.x", "db", Where())
    '(WITH a AS (SELECT 1 AS x) SELECT * FROM db.mart.t AS t JOIN a ON a.x = t.x)'

    Raises:
        PlanError: it is no single safe SELECT.
    """
    tree = parse_select(query, where)
    for table in list(tree.find_all(exp.Table)):
        if cte_of(table) is None:
            if not table.db:
                table.set("db", exp.to_identifier("main"))
            table.set("catalog", exp.to_identifier(alias, quoted=not alias.isidentifier()))
            if not table.alias:  # t.x in the query still means this table
                table.set("alias", exp.TableAlias(this=table.this.copy()))
    return f"({tree.sql('duckdb')})"
