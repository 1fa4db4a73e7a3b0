"""MySQL and MariaDB: tables and queries as sources, databases as a warehouse.

Tested on MariaDB; MySQL 8 not tested. Reading goes through DuckDB's scanner; projections and conditions
on numbers and dates reach the server, conditions on text do not, since its collations decide otherwise
than DuckDB (see ``mytypes``).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, model_validator

from sluiceway.connectors.attached import first_line
from sluiceway.connectors.base import Connector, ConnectorContext, Read, SinkConfig, SourceConfig
from sluiceway.connectors.dialects import MYSQL
from sluiceway.connectors.myclient import MyServer, MysqlKeys, my_errors, scan_failure
from sluiceway.connectors.myjdbc import located
from sluiceway.connectors.mysink import MysqlSink
from sluiceway.connectors.mytypes import MyColumn, describe_sql, my_column, quoted
from sluiceway.duck import ident, literal, open_duckdb, relation
from sluiceway.errors import SourceError, SpecError
from sluiceway.schema import Column, Schema

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

    from sluiceway.engines.base import Engine
    from sluiceway.exchange import Location

__all__ = ["CONNECTOR", "MysqlConfig", "MysqlSinkConfig", "MysqlSource"]

_BATCH = 100_000
_DECIMAL = 246
"""The client's code of a decimal column."""


class MysqlConfig(MysqlKeys, SourceConfig):
    """A MySQL or MariaDB source: ``table`` or ``query``."""

    table: str | None = Field(None, description="TABLE, or DATABASE.TABLE")
    tinyint1: Literal["boolean", "integer"] = Field(
        "boolean",
        description="what tinyint(1) is: boolean (values other than 0 and 1 are an error) or integer",
    )
    zero_dates: Literal["fail", "as_null"] = Field(
        "fail", description="dates such as 0000-00-00: fail, or as_null"
    )

    @model_validator(mode="after")
    def _one_of(self) -> MysqlConfig:
        if (self.table is None) == (self.query is None):
            raise ValueError("give either table or query")
        return self


class MysqlSinkConfig(MysqlKeys, SinkConfig):
    """A server of MySQL or MariaDB as a warehouse: a namespace is a database."""


class MysqlSource:
    config: MysqlConfig

    def __init__(self, config: MysqlConfig, context: ConnectorContext) -> None:
        self.config = config
        self.context = context
        self.server = MyServer.of(config, context.where)
        self.table = None if config.table is None else self._parse(config.table)
        self._columns: tuple[MyColumn, ...] | None = None
        self._own: duckdb.DuckDBPyConnection | None = None
        self._looked = False
        if not self.server.database:
            if self.table is None:
                raise SpecError("a query needs a database", where=context.where, hint="add database: NAME")
            self.server = MyServer(**{**self.server.__dict__, "database": self.table[0]})

    def _parse(self, text: str) -> tuple[str, str]:
        database, dot, table = text.partition(".")
        if not dot:
            database, table = self.server.database, text
        if not database or not table:
            raise SpecError(
                f"'{text}' is not a table of a database",
                where=self.context.where,
                hint="write DATABASE.TABLE",
            )
        return database, table

    @property
    def _what(self) -> str:
        return self.config.table or f"the query of {self.context.name or 'the source'}"

    @contextmanager
    def _cursor(self) -> Iterator[Any]:
        with my_errors(self.server, SourceError, what=self._what):
            con = self.server.connect()
            with con, con.cursor() as cursor:
                cursor.execute("SET SESSION TRANSACTION READ ONLY")
                yield cursor

    # the shape --------------------------------------------------------------------------------------

    def schema(self) -> Schema:
        return Schema(
            tuple(Column(c.name, self._declared(c) or c.type, c.nullable) for c in self._read_columns())
        )

    def _declared(self, column: MyColumn) -> str | None:
        declared = self.config.columns
        if not isinstance(declared, dict):
            return None
        return next((t for n, t in declared.items() if n.casefold() == column.name.casefold()), None)

    def _read_columns(self) -> tuple[MyColumn, ...]:
        if self._columns is None:
            there = {c.name.casefold(): c for c in self._describe()}
            wanted = self.config.columns
            names = [c.name for c in there.values()] if wanted is None else list(wanted)
            Schema(tuple(Column(c.name, c.type) for c in there.values())).require(
                names, self.context.where, self._what
            )
            picked = tuple(there[name.casefold()] for name in names)
            for column in picked:
                if column.refused:
                    raise SourceError(
                        f"{self._what}: column '{column.name}' {column.refused}",
                        where=self.context.where,
                        hint=f"read it by a query: SELECT CAST({column.name} AS DECIMAL(38,10)) AS "
                        f"{column.name}, … FROM …",
                        details={"final": True},
                    )
            self._columns = picked
        return self._columns

    def _describe(self) -> list[MyColumn]:
        booleans = self.config.tinyint1 == "boolean"
        with self._cursor() as cursor:
            if self.table is not None:
                cursor.execute(f"SELECT 1 FROM {MYSQL.relation(*self.table)} LIMIT 0")
                cursor.execute("SELECT version()")
                mariadb = "mariadb" in str(cursor.fetchone()[0]).lower()
                database, table = map(MYSQL.literal, self.table)
                cursor.execute(describe_sql(database, table, mariadb=mariadb))
                return [my_column(row, booleans=booleans) for row in cursor.fetchall()]
            cursor.execute(f"SELECT * FROM ({self._query()}) AS _query LIMIT 0")
            wide = {d[0] for d in cursor.description if d[1] == _DECIMAL and d[4] > 40}
        con = self._duckdb()
        with my_errors(self.server, SourceError, what=self._what):
            self.server.attach(con, "_shape")
            of = f"mysql_query('_shape', {literal(self._query())})"
            rows = con.execute(f"DESCRIBE SELECT * FROM {of}").fetchall()
        return [
            MyColumn(
                name, type_, type_,
                zero=type_ in ("DATE", "TIMESTAMP"),
                refused="has more than 38 digits" if name in wide else None,
            )
            for name, type_, *_ in rows
        ]  # fmt: skip

    def _query(self) -> str:
        return (self.config.query or "").strip().rstrip(";")

    # the rows ---------------------------------------------------------------------------------------

    def locate(self, read: Read) -> Location | None:
        """The rows as one statement, that one task runs; None for declared types, for dates that may be no
        dates, and for types for which a JDBC driver is not known to be right."""
        columns = self._read_columns()
        if isinstance(self.config.columns, dict) or read.columns is not None:
            return None
        if self.config.zero_dates == "as_null" and any(c.zero for c in columns):
            return None
        place = located(self.server, self._from(), columns, self._remote_since(read))
        if place is not None:
            self._refuse_values(columns)
            self._looked = True
        return place

    def _from(self) -> str:
        """What stands in FROM, on the server."""
        return MYSQL.relation(*self.table) if self.table is not None else f"({self._query()}) AS _query"

    def native_scan(self, engine: Engine, read: Read) -> str | None:
        if engine.name != "duckdb":
            return None
        return self._scan(engine.connection, read)

    def _scan(self, con: duckdb.DuckDBPyConnection, read: Read) -> str:
        columns = self._read_columns()
        if not self._looked:
            self._refuse_values(columns)
        self._looked = False
        alias = f"_source_{self.context.name or 'mysql'}"
        with my_errors(self.server, SourceError, what=self._what):
            self.server.attach(con, alias)
        selected = ", ".join(self._value(c) for c in columns)
        if self.table is not None:
            sql = f"SELECT {selected} FROM {relation(alias, *self.table)}"
            mark = self._since(read)
            sql += f" WHERE {mark}" if mark else ""
        else:
            mark = self._remote_since(read)
            query = self._query()
            remote = f"SELECT * FROM ({query}) AS _query WHERE {mark}" if mark else query
            sql = f"SELECT {selected} FROM mysql_query({literal(alias)}, {literal(remote)}) AS _remote"
        if read.filters:
            sql = f"SELECT * FROM ({sql}) AS _unfiltered WHERE {' AND '.join(f'({f})' for f in read.filters)}"
        if read.columns is not None:
            sql = f"SELECT {', '.join(ident(name) for name in read.columns)} FROM ({sql}) AS _all"
        return sql

    def _value(self, column: MyColumn) -> str:
        declared = self._declared(column)
        if declared is None or declared.upper() == column.type.upper():
            return quoted(column)
        inner = (column.expression or "{}").format(ident(column.name))
        return f"CAST({inner} AS {declared}) AS {ident(column.name)}"

    def _marked(self, read: Read) -> MyColumn | None:
        mark = read.since
        if mark is None or mark.value is None:
            return None
        Schema(tuple(Column(c.name, c.type) for c in self._read_columns())).require(
            [mark.column], self.context.where, self._what
        )
        return next(c for c in self._read_columns() if c.name.casefold() == mark.column.casefold())

    def _since(self, read: Read) -> str | None:
        """The cursor's condition on the column as the scanner reads it, so that it reaches the server."""
        column = self._marked(read)
        if column is None or read.since is None or read.since.value is None:
            return None
        name = ident(column.name)
        # the scanner's sessions are in UTC, so a TIMESTAMP column holds naive UTC there
        value = f"CAST({literal(read.since.value)} AS {column.type})"
        if column.type == "TIMESTAMP WITH TIME ZONE":
            value = f"CAST({value} AS TIMESTAMP)"
        left = quoted(column).removesuffix(f" AS {name}") if column.type == "VARCHAR" else name
        condition = f"{left} {'>' if read.strict else '>='} {value}"
        return f"({condition} OR {name} IS NULL)" if read.include_null_cursor else condition

    def _remote_since(self, read: Read) -> str | None:
        column = self._marked(read)
        if column is None or read.since is None or read.since.value is None:
            return None
        name = MYSQL.ident(column.name)
        left = f"BINARY {name}" if column.type == "VARCHAR" else name
        condition = f"{left} {'>' if read.strict else '>='} {MYSQL.literal(read.since.value)}"
        return f"({condition} OR {name} IS NULL)" if read.include_null_cursor else condition

    def _refuse_values(self, columns: tuple[MyColumn, ...]) -> None:
        """Values that the scanner would change in silence: looked for first, on the server."""
        of = self._from()
        zero = [c for c in columns if c.zero] if self.config.zero_dates == "fail" else []
        flags = [c for c in columns if c.flag]
        tests = [
            (zero, "MONTH({0}) = 0 OR DAYOFMONTH({0}) = 0", "a zero date", "zero_dates: as_null"),
            (flags, "{0} NOT IN (0, 1)", "other than 0 and 1", "tinyint1: integer"),
        ]
        for looked, condition, found, option in tests:
            if not looked:
                continue
            where = " OR ".join(condition.format(MYSQL.ident(c.name)) for c in looked)
            with self._cursor() as cursor:
                cursor.execute(f"SELECT 1 FROM {of} WHERE {where} LIMIT 1")
                there = cursor.fetchone()
            if there:
                raise SourceError(
                    f"{self._what}: one of {', '.join(c.name for c in looked)} holds {found}",
                    where=self.context.where,
                    hint=f"set {option} on the source, or repair the rows",
                    details={"final": True},
                )

    def _duckdb(self) -> duckdb.DuckDBPyConnection:
        if self._own is None:
            self._own = open_duckdb(threads=2)
        return self._own

    def read(self, read: Read) -> pa.RecordBatchReader:
        import pyarrow as pa

        con = self._duckdb()
        with my_errors(self.server, SourceError, what=self._what):
            reader = con.execute(self._scan(con, read)).to_arrow_reader(self.config.batch_size or _BATCH)

        def batches() -> Iterator[pa.RecordBatch]:
            with my_errors(self.server, SourceError, what=self._what):
                try:
                    yield from reader
                except OSError as error:  # what Arrow makes of DuckDB's: often a bare "Interrupted!"
                    raise SourceError(
                        f"{self._what}: reading MySQL at {self.server} broke off: {first_line(error)}",
                        where=self.context.where,
                        hint="run it again; nothing was published",
                    ) from error

        return pa.RecordBatchReader.from_batches(reader.schema, batches())

    def rejected(self, engine: Engine, read: Read) -> str | None:
        return None  # a database has no rows that can't be parsed

    def failure(self, error: BaseException) -> SourceError | None:
        return scan_failure(self.server, self._what, error, self.table[1] if self.table else None)

    def fingerprint(self) -> str | None:
        return None

    def folders(self) -> tuple[Path, ...]:
        return ()

    def dataset(self) -> tuple[str, str]:
        if self.table is not None:
            return f"mysql://{self.server.host}", ".".join(self.table)
        return f"mysql://{self.server.host}", f"{self.server.database}.{self.context.name or 'query'}"

    def close(self) -> None:
        if self._own is not None:
            self._own.close()
            self._own = None


CONNECTOR = Connector(
    name="mysql",
    doc="MySQL and MariaDB: tables and queries as sources, a server as a warehouse (MySQL 8 not tested)",
    source_config=MysqlConfig,
    source=MysqlSource,
    sink_config=MysqlSinkConfig,
    sink=MysqlSink,
    extra="mysql",
    extensions=("mysql_scanner",),
    examples=(
        """\
type: mysql
url: ${SHOP_DB_URL}
table: orders
""",
        """\
type: mysql
host: db
database: shop
user: reader
password: ${SHOP_DB_PASSWORD}
query: SELECT id, amount FROM orders WHERE amount > 0
""",
    ),
)
