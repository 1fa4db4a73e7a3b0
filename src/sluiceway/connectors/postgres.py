"""PostgreSQL: tables and queries as sources, schemas as a warehouse.

Reading goes through DuckDB's scanner, attached to the engine: projections and simple filters reach the
server, and a table is read by several connections over one snapshot. What the scanner would read
wrongly is cast by the server, or refused (see ``pgtypes``). Publishing is one transaction of
PostgreSQL's own (see ``pgsink``).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Any

from pydantic import Field, model_validator

from sluiceway.connectors.base import Connector, ConnectorContext, Read, SinkConfig, SourceConfig
from sluiceway.connectors.dbsource import BATCH, DatabaseSource
from sluiceway.connectors.pgclient import PgServer, PostgresKeys, pg_errors, scan_failure
from sluiceway.connectors.pgjdbc import located, located_query
from sluiceway.connectors.pgsink import PostgresSink
from sluiceway.connectors.pgtypes import PgColumn, describe_sql, free_numeric, pg_column, pg_type
from sluiceway.connectors.pgzeros import ZeroWatch, over
from sluiceway.duck import ident, literal, relation
from sluiceway.errors import SourceError, SpecError, Where
from sluiceway.schema import family

if TYPE_CHECKING:
    import duckdb
    import psycopg
    import pyarrow as pa

    from sluiceway.engines.base import Engine
    from sluiceway.exchange import Location

__all__ = ["CONNECTOR", "PostgresConfig", "PostgresSinkConfig", "PostgresSource"]

_QUOTED = re.compile(r'"((?:[^"]|"")+)"|([^".]+)')


class PostgresConfig(PostgresKeys, SourceConfig):
    """A PostgreSQL source: ``table`` or ``query``."""

    table: str | None = Field(None, description='SCHEMA.TABLE; quote parts that hold a dot: "a.b"."c"')
    numeric: str | None = Field(
        None,
        description="what numeric without precision is read as: DECIMAL(p,s), VARCHAR or DOUBLE; if absent "
        "such a column is refused",
    )

    @model_validator(mode="after")
    def _one_of(self) -> PostgresConfig:
        if (self.table is None) == (self.query is None):
            raise ValueError("give either table or query")
        if self.numeric is not None and family(self.numeric) not in ("decimal", "text", "float"):
            raise ValueError(f"numeric can't be {self.numeric}; expected DECIMAL(p,s), VARCHAR or DOUBLE")
        return self


class PostgresSinkConfig(PostgresKeys, SinkConfig):
    """A database of PostgreSQL as a warehouse: a namespace is a schema."""


def parse_table(text: str, where: Where | None = None) -> tuple[str, str]:
    """Schema and table.

    >>> parse_table("orders"), parse_table('"my.schema"."a ""b"')
    (('public', 'orders'), ('my.schema', 'a "b'))
    """
    parts = [(m[1].replace('""', '"') if m[1] else m[2].strip()) for m in _QUOTED.finditer(text)]
    if not 1 <= len(parts) <= 2 or not all(parts):
        raise SpecError(f"'{text}' is not a table", where=where, hint="write it as SCHEMA.TABLE")
    return (parts[0], parts[1]) if len(parts) == 2 else ("public", parts[0])


class PostgresSource(DatabaseSource[PgColumn]):
    system = "PostgreSQL"
    config: PostgresConfig
    server: PgServer

    def __init__(self, config: PostgresConfig, context: ConnectorContext) -> None:
        super().__init__(config, context)
        self.server = PgServer.of(config, context.where)
        self.table = None if config.table is None else parse_table(config.table, context.where)
        self._held: list[psycopg.Connection[Any]] = []
        self._zeros: tuple[ZeroWatch, Read] | None = None

    def _errors(self) -> AbstractContextManager[None]:
        return pg_errors(self.server, SourceError, what=self._what)

    @contextmanager
    def _session(self) -> Iterator[psycopg.Connection[Any]]:
        with (
            self._errors(),
            self.server.connect(f"sluiceway: source {self.context.name}") as con,
        ):
            con.execute("SET default_transaction_read_only = on")
            yield con

    # the shape --------------------------------------------------------------------------------------

    def _settled(self, column: PgColumn) -> PgColumn:
        """With a declared type for what has no type of its own; SourceError where that is missing."""
        declared = self._declared(column)
        if column.refused and declared and not column.spelled.endswith("[]"):
            made = free_numeric(ident(column.name), column.spelled, declared)
            return PgColumn(column.name, column.spelled, nullable=column.nullable, **made)
        if column.refused:
            raise self._refuse(
                f"column '{column.name}' {column.refused}",
                "say what it is: numeric: DECIMAL(18,2) on the source, or a type in columns: {…}",
            )
        return column

    def _describe(self) -> list[PgColumn]:
        with self._session() as con:
            return self._described(con)

    def _described(self, con: psycopg.Connection[Any]) -> list[PgColumn]:
        numeric = self.config.numeric
        if self.table is not None:
            name = relation(*self.table)
            con.execute(f"SELECT 1 FROM {name} LIMIT 0")  # is it there, and may we
            rows = con.execute(describe_sql(literal(name))).fetchall()
            return [pg_column(row, numeric) for row in rows]
        cursor = con.execute(f"SELECT * FROM ({self._query()}) AS _query LIMIT 0")
        found = [(d.name, d.type_code, d._fmod) for d in cursor.description or ()]  # noqa: SLF001 no public name
        kinds = (
            "SELECT format_type(t.oid, %s), t.typtype, e.typtype FROM pg_type t "
            "LEFT JOIN pg_type e ON e.oid = t.typelem AND t.typcategory = 'A' WHERE t.oid = %s"
        )
        made = []
        for name, oid, width in found:
            spelled, kind, element = con.execute(kinds, (width, oid)).fetchall()[0]
            made.append(pg_column((name, spelled, kind, element, False, False), numeric))
        return made

    # the rows ---------------------------------------------------------------------------------------

    def locate(self, read: Read) -> Location | None:
        """The table in parts, or the query as one, as of one snapshot that is held until ``close``; None for
        small tables, declared types, and types for which a JDBC driver is not known to be right."""
        if isinstance(self.config.columns, dict) or read.columns is not None:
            return None
        columns, since = self._read_columns(), self._since(read, "postgres")
        with self._errors():
            held = self.server.connect(f"sluiceway: source {self.context.name}")
            self._held.append(held)
            if self.table is None:
                return located_query(held, self.server, self._query(), columns, since)
            return located(held, self.server, self.table, columns, since)

    def _release(self) -> None:
        for held in self._held:
            held.close()
        self._held = []

    def native_scan(self, engine: Engine, read: Read) -> str | None:
        if engine.name == "warehouse":
            return self._in_place(engine, read)
        if engine.name != "duckdb":
            return None
        return self._scan(engine.connection, read)

    def _in_place(self, engine: Engine, read: Read) -> str | None:
        """In the warehouse itself, where the table lies in it and is read by the same role."""
        if engine.connection is None or engine.connection.parameters != self.server.parameters:
            return None
        columns = self._read_columns()
        types = {c.name: self._declared(c) or c.type for c in columns}
        cast = ", ".join(
            f"CAST({ident(c.name)} AS {pg_type(types[c.name]) or 'text'}) AS {ident(c.name)}"
            if c.cast or types[c.name] != c.type
            else ident(c.name)
            for c in columns
        )
        return f"SELECT {cast} FROM ({self._remote(columns, read)}) AS _remote"

    def _scan(self, con: duckdb.DuckDBPyConnection, read: Read) -> str:
        self._release()  # nobody reads what was located
        columns = self._read_columns()
        alias = f"_source_{self.context.name or 'postgres'}"
        with self._errors():
            self.server.attach(con, alias, self.table[0] if self.table else None)
        if self.table is not None and not any(c.server for c in columns):
            watch = None
            if not read.confirmed:
                self._refuse_nan(read)
            elif any(c.nan for c in columns):
                watch = ZeroWatch(con, alias)
                self._zeros = watch, read
            since = self._since(read, "duckdb")
            where = [*([since] if since else [])]
            # a filter does not pass by what notes zeros, so it stands below it
            where += [f"({f})" for f in over(read.filters, [c for c in columns if not self._declared(c)])]
            selected = ", ".join(self._cast(c, watch) for c in columns)
            sql = f"SELECT {selected} FROM {relation(alias, *self.table)}"
            sql += f" WHERE {' AND '.join(where)}" if where else ""
        else:
            remote = literal(self._remote(columns, read))
            selected = ", ".join(self._cast(c) for c in columns)
            sql = f"SELECT {selected} FROM postgres_query({literal(alias)}, {remote}) AS _remote"
        # DuckDB moves both through to the scan, and the scanner hands simple conditions to the server
        if read.filters:
            sql = f"SELECT * FROM ({sql}) AS _unfiltered WHERE {' AND '.join(f'({f})' for f in read.filters)}"
        if read.columns is not None:
            sql = f"SELECT {', '.join(ident(name) for name in read.columns)} FROM ({sql}) AS _all"
        return sql

    def _cast(self, column: PgColumn, watch: ZeroWatch | None = None) -> str:
        """What DuckDB still has to do to a column that the scanner hands over."""
        quoted = value = ident(column.name)
        if column.cast:
            value = f"CAST({quoted} AS {column.type})"
        if column.nan and watch is not None:
            value = watch.value(value, listed=column.type.endswith("[]"))
        declared = self._declared(column)
        if declared is not None and declared.upper() != column.type.upper():
            value = f"CAST({value} AS {declared})"
        return value if value == quoted else f"{value} AS {quoted}"

    def _remote(self, columns: tuple[PgColumn, ...], read: Read) -> str:
        """The SELECT that PostgreSQL runs where it has to cast, or where the user gave a query."""
        listed = []
        for column in columns:
            quoted = ident(column.name)
            if column.nan and column.server is None:
                # the scanner would read NaN as 0
                value = (
                    f"CASE WHEN {column.holds_nan} "
                    f"THEN ({quoted}::text || ' can''t be read as {column.type}')::{column.spelled} "
                    f"ELSE {quoted} END"
                )
                listed.append(f"({value})::{column.spelled} AS {quoted}")
            else:
                listed.append(f"{column.server or quoted} AS {quoted}")
        of = relation(*self.table) if self.table is not None else f"({self._query()})"
        where = self._since(read, "postgres")
        return f"SELECT {', '.join(listed)} FROM {of} AS _rows" + (f" WHERE {where}" if where else "")

    def _since(self, read: Read, dialect: str) -> str | None:
        """The cursor's condition. In a text of ours with the value quoted: neither door binds values."""
        mark = self._mark(read)
        if mark is None:
            return None
        found, compared, since = mark
        type_ = found.type if dialect == "duckdb" else found.spelled
        name = ident(found.name)
        condition = f"{name} {compared} CAST({literal(since)} AS {type_})"
        return f"({condition} OR {name} IS NULL)" if read.include_null_cursor else condition

    def _refuse_nan(self, read: Read) -> None:
        """Ask the server for NaN in a numeric column; see ``pgzeros``."""
        watched = [c for c in self._read_columns() if c.nan]
        names = [ident(c.name) for c in watched]
        if not names or self.table is None:
            return
        since = self._since(read, "postgres")
        any_nan = " OR ".join(c.holds_nan for c in watched)
        sql = f"SELECT 1 FROM {relation(*self.table)} WHERE ({any_nan})"
        with self._session() as con:
            con.execute("SET jit = off")  # compiling takes longer than it saves
            found = con.execute(sql + (f" AND {since}" if since else "") + " LIMIT 1").fetchall()
        if found:
            raise self._refuse(
                f"one of {', '.join(names)} holds NaN, which a DECIMAL can't",
                "read it by a query: SELECT …, nullif(COLUMN, 'NaN') AS COLUMN FROM …",
            )

    def read(self, read: Read) -> pa.RecordBatchReader:
        con = self._duckdb()
        with self._errors():
            reader = con.execute(self._scan(con, read)).to_arrow_reader(self.config.batch_size or BATCH)
        return self._told(reader)

    def failure(self, error: BaseException) -> SourceError | None:
        return scan_failure(self.server, self._what, error, self.table[1] if self.table else None)

    def fingerprint(self) -> str | None:
        """None; the read is confirmed, or SourceError raised: a 0 that was read may have been NaN."""
        if self._zeros is not None and self._zeros[0].moved():
            self._refuse_nan(self._zeros[1])
        return None

    def dataset(self) -> tuple[str, str]:
        name = ".".join(self.table) if self.table else self.context.name or "query"
        return f"postgres://{self.server.host}", f"{self.server.database}.{name}"

    def close(self) -> None:
        self._release()
        super().close()


CONNECTOR = Connector(
    name="postgres",
    doc="PostgreSQL: tables and queries as sources, a database as a warehouse",
    source_config=PostgresConfig,
    source=PostgresSource,
    sink_config=PostgresSinkConfig,
    sink=PostgresSink,
    extra="postgres",
    extensions=("postgres_scanner",),
    examples=(
        """\
type: postgres
url: ${SHOP_DB_URL}
table: public.orders
""",
        """\
type: postgres
host: db
database: shop
user: reader
password: ${SHOP_DB_PASSWORD}
query: SELECT id, amount FROM orders WHERE amount > 0
numeric: DECIMAL(18,2)
""",
    ),
)
