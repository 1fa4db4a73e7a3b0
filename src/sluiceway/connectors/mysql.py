"""MySQL and MariaDB: tables and queries as sources, databases as a warehouse.

Tested on MariaDB; MySQL 8 not tested. Reading goes through DuckDB's scanner; projections and conditions
on numbers and dates reach the server, conditions on text do not, since its collations decide otherwise
than DuckDB (see ``mytypes``).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, model_validator

from sluiceway.connectors.base import Connector, ConnectorContext, Read, SinkConfig, SourceConfig
from sluiceway.connectors.dbsource import BATCH, DatabaseSource
from sluiceway.connectors.dialects import MYSQL
from sluiceway.connectors.myclient import MyServer, MysqlKeys, my_errors, scan_failure
from sluiceway.connectors.myjdbc import located
from sluiceway.connectors.mysink import MysqlSink
from sluiceway.connectors.mytypes import MyColumn, describe_sql, my_column, quoted
from sluiceway.duck import ident, literal, relation
from sluiceway.errors import SourceError, SpecError

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

    from sluiceway.engines.base import Engine
    from sluiceway.exchange import Location

__all__ = ["CONNECTOR", "MysqlConfig", "MysqlSinkConfig", "MysqlSource"]

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


class MysqlSource(DatabaseSource[MyColumn]):
    system = "MySQL"
    config: MysqlConfig
    server: MyServer

    def __init__(self, config: MysqlConfig, context: ConnectorContext) -> None:
        super().__init__(config, context)
        self.server = MyServer.of(config, context.where)
        self.table = None if config.table is None else self._parse(config.table)
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

    def _errors(self) -> AbstractContextManager[None]:
        return my_errors(self.server, SourceError, what=self._what)

    @contextmanager
    def _cursor(self) -> Iterator[Any]:
        with self._errors():
            con = self.server.connect()
            with con, con.cursor() as cursor:
                cursor.execute("SET SESSION TRANSACTION READ ONLY")
                yield cursor

    # the shape --------------------------------------------------------------------------------------

    def _settled(self, column: MyColumn) -> MyColumn:
        if column.refused:
            name = column.name
            raise self._refuse(
                f"column '{name}' {column.refused}",
                f"read it by a query: SELECT CAST({name} AS DECIMAL(38,10)) AS {name}, … FROM …",
            )
        return column

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
        with self._errors():
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
        with self._errors():
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

    def _since(self, read: Read) -> str | None:
        """The cursor's condition on the column as the scanner reads it, so that it reaches the server."""
        mark = self._mark(read)
        if mark is None:
            return None
        column, compared, since = mark
        name = ident(column.name)
        # the scanner's sessions are in UTC, so a TIMESTAMP column holds naive UTC there
        value = f"CAST({literal(since)} AS {column.type})"
        if column.type == "TIMESTAMP WITH TIME ZONE":
            value = f"CAST({value} AS TIMESTAMP)"
        left = quoted(column).removesuffix(f" AS {name}") if column.type == "VARCHAR" else name
        condition = f"{left} {compared} {value}"
        return f"({condition} OR {name} IS NULL)" if read.include_null_cursor else condition

    def _remote_since(self, read: Read) -> str | None:
        mark = self._mark(read)
        if mark is None:
            return None
        column, compared, since = mark
        name = MYSQL.ident(column.name)
        left = f"BINARY {name}" if column.type == "VARCHAR" else name
        condition = f"{left} {compared} {MYSQL.literal(since)}"
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
                raise self._refuse(
                    f"one of {', '.join(c.name for c in looked)} holds {found}",
                    f"set {option} on the source, or repair the rows",
                )

    def read(self, read: Read) -> pa.RecordBatchReader:
        con = self._duckdb()
        with self._errors():
            reader = con.execute(self._scan(con, read)).to_arrow_reader(self.config.batch_size or BATCH)
        return self._told(reader)

    def failure(self, error: BaseException) -> SourceError | None:
        return scan_failure(self.server, self._what, error, self.table[1] if self.table else None)

    def dataset(self) -> tuple[str, str]:
        if self.table is not None:
            return f"mysql://{self.server.host}", ".".join(self.table)
        return f"mysql://{self.server.host}", f"{self.server.database}.{self.context.name or 'query'}"


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
