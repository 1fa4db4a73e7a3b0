"""Snowflake: tables and queries as sources, a database as a warehouse.

Tested on the emulator fakesnow; not tested on Snowflake itself (docs/snowflake.md). Rows come as Arrow
batches and go as Parquet. Projections and the cursor's condition reach the server, and filters that
can be said in its SQL.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

from pydantic import Field, model_validator

from sluiceway.connectors.base import Connector, ConnectorContext, Read, SinkConfig, SourceConfig
from sluiceway.connectors.dbsource import BATCH, DatabaseSource
from sluiceway.connectors.sfclient import SfServer, SnowflakeKeys, sf_errors
from sluiceway.connectors.sfsession import SfSession
from sluiceway.connectors.sfsink import SnowflakeSink
from sluiceway.connectors.sftypes import SfColumn, arrow_type, carried, quote, sf_column, sf_literal, sf_type
from sluiceway.duck import ident
from sluiceway.errors import PlanError, SourceError, SpecError, Where
from sluiceway.schema import Column, Schema

if TYPE_CHECKING:
    import pyarrow as pa

    from sluiceway.engines.base import Engine
    from sluiceway.exchange import Location

__all__ = ["CONNECTOR", "SnowflakeConfig", "SnowflakeSinkConfig", "SnowflakeSource"]

_PART = re.compile(r'"((?:[^"]|"")+)"|([^".]+)')
_CODES = (
    "NUMBER", "FLOAT", "VARCHAR", "DATE", "TIMESTAMP_NTZ", "VARIANT", "TIMESTAMP_LTZ", "TIMESTAMP_TZ",
    "TIMESTAMP_NTZ", "OBJECT", "ARRAY", "BINARY", "TIME", "BOOLEAN",
)  # fmt: skip
"""What the connector's numbers of types stand for."""


class SnowflakeConfig(SnowflakeKeys, SourceConfig):
    """A Snowflake source: ``table`` or ``query``."""

    table: str | None = Field(
        None, description='SCHEMA.TABLE, or DATABASE.SCHEMA.TABLE; quoted, "a b", a name is taken as it is'
    )

    @model_validator(mode="after")
    def _one_of(self) -> SnowflakeConfig:
        if (self.table is None) == (self.query is None):
            raise ValueError("give either table or query")
        return self


class SnowflakeSinkConfig(SnowflakeKeys, SinkConfig):
    """A database of Snowflake as a warehouse: a namespace is a schema."""

    lock_lease: int = Field(
        60, ge=1, description="seconds after which the lock of a process that died is free again"
    )


def parse_table(text: str, where: Where | None = None) -> tuple[str, ...]:
    """The parts as Snowflake keeps them.

    >>> parse_table("mart.Orders"), parse_table('db."my schema"."a ""b"')
    (('MART', 'ORDERS'), ('DB', 'my schema', 'a "b'))
    """
    parts = tuple(m[1].replace('""', '"') if m[1] else m[2].strip().upper() for m in _PART.finditer(text))
    if not 1 <= len(parts) <= 3 or not all(parts):
        raise SpecError(f"'{text}' is not a table", where=where, hint="write it as SCHEMA.TABLE")
    return parts


class SnowflakeSource(DatabaseSource[SfColumn]):
    system = "Snowflake"
    config: SnowflakeConfig
    server: SfServer

    def __init__(self, config: SnowflakeConfig, context: ConnectorContext) -> None:
        super().__init__(config, context)
        self.server = SfServer.of(config, context.where, context.project)
        self.table = None if config.table is None else parse_table(config.table, context.where)
        self._open: SfSession | None = None

    def _errors(self) -> AbstractContextManager[None]:
        return sf_errors(self.server, SourceError, what=self._what)

    def _session(self) -> SfSession:
        if self._open is None or self._open.lost:
            with self._errors():
                self._open = SfSession(self.server, f"sluiceway: source {self.context.name}")
        return self._open

    # the shape --------------------------------------------------------------------------------------

    def _describe(self) -> list[SfColumn]:
        with self._errors():
            return self._described()

    def _described(self) -> list[SfColumn]:
        session = self._session()
        if self.table is not None:
            found = session.described(".".join(map(quote, self.table)))
            if found is None:
                session.execute(f"SELECT 1 FROM {self._from()} LIMIT 0")  # says why not
            return found or []
        with session.run(f"SELECT * FROM {self._from()} LIMIT 0") as cursor:
            return [sf_column(d.name, _spelled(d), bool(d.is_nullable)) for d in cursor.description or ()]

    def _settled(self, column: SfColumn) -> SfColumn:
        """An integer of 38 digits is what a declared DECIMAL says, not a BIGINT first."""
        declared = (self._declared(column) or "").upper()
        if column.type == "BIGINT" and declared.startswith("DECIMAL("):
            return SfColumn(column.name, column.kept, column.spelled, "DECIMAL(38,0)", column.nullable)
        if column.refused:
            raise self._refuse(
                f"column '{column.name}' {column.refused}",
                f"read it by a query: SELECT TO_VARCHAR({column.name}) AS {column.name}, … FROM …",
            )
        return column

    def _from(self) -> str:
        if self.table is not None:
            return ".".join(map(quote, self.table))
        return f"({self._query()}) AS _query"

    # the rows ---------------------------------------------------------------------------------------

    def locate(self, read: Read) -> Location | None:
        return None

    def native_scan(self, engine: Engine, read: Read) -> str | None:
        """In the warehouse itself, where the account is the same and read by the same user and role."""
        if engine.name != "warehouse" or not _same(engine.connection, self.server):
            return None
        listed = []
        for column in self._picked(read):
            declared = self._declared(column)
            value = quote(column.kept)
            if declared is not None and declared.upper() != column.type.upper():
                value = f"CAST({value} AS {sf_type(declared) or 'VARCHAR'})"
            listed.append(f"{value} AS {quote(column.name)}")
        return f"SELECT {', '.join(listed)} FROM {self._place()}{self._where(read)}"

    def _place(self) -> str:
        """The table, wherever the reader's own database is."""
        if self.table is None or len(self.table) == 3:
            return self._from()
        given = self.server
        before = (given.database, given.schema)[: 3 - len(self.table)]
        return ".".join([*(quote(_kept(part)) for part in before), self._from()])

    def _picked(self, read: Read) -> list[SfColumn]:
        columns = self._read_columns()
        if read.columns is None:
            return list(columns)
        wanted = {name.casefold() for name in read.columns}
        return [c for c in columns if c.name.casefold() in wanted]

    def _where(self, read: Read) -> str:
        conditions = [*([since] if (since := self._since(read)) else []), *self._pushed(read)]
        return f" WHERE {' AND '.join(conditions)}" if conditions else ""

    def _since(self, read: Read) -> str | None:
        mark = self._mark(read)
        if mark is None:
            return None
        found, compared, since = mark
        name = quote(found.kept)
        value = f"CAST({sf_literal(since)} AS {found.spelled})"
        condition = f"{name} {compared} {value}"
        return f"({condition} OR {name} IS NULL)" if read.include_null_cursor else condition

    def _pushed(self, read: Read) -> list[str]:
        """Filters that Snowflake's SQL can say just so; the engine applies all of them again."""
        import sqlglot
        from sqlglot import exp

        from sluiceway.sql.translate import translate

        plain = [c for c in self._read_columns() if not self._declared(c) and c.type != "JSON"]
        schema = Schema(tuple(Column(c.name, c.type) for c in plain))
        kept = {c.name: c.kept for c in plain}
        made = []
        for text in read.filters:
            try:
                tree = translate(
                    sqlglot.parse_one(text, read="duckdb"), "snowflake",
                    schemas={"_rows": schema}, over="_rows",
                )  # fmt: skip
            except PlanError:
                continue
            for column in tree.find_all(exp.Column):
                column.set("this", exp.to_identifier(kept[column.name], quoted=True))
                column.set("table", None)
            made.append(f"({tree.sql('snowflake')})")
        return made

    def read(self, read: Read) -> pa.RecordBatchReader:
        import pyarrow as pa

        columns = self._picked(read)
        listed = ", ".join(f"{carried(c)} AS {quote(c.kept)}" for c in columns)
        sql = f"SELECT {listed} FROM {self._from()}{self._where(read)}"
        session, size = self._session(), self.config.batch_size or BATCH

        def batches() -> Iterator[pa.RecordBatch]:
            with self._errors():
                for table in session.arrow(sql, columns):
                    yield from table.to_batches(max_chunksize=size)

        shape = pa.schema([(c.name, arrow_type(c.type)[1]) for c in columns])
        reader = pa.RecordBatchReader.from_batches(shape, batches())
        cast = [self._declared(c) or ("JSON" if c.type == "JSON" else None) for c in columns]
        if not any(cast) and not read.filters:
            return reader
        values = ", ".join(
            f"CAST({ident(c.name)} AS {to}) AS {ident(c.name)}" if to else ident(c.name)
            for c, to in zip(columns, cast, strict=True)
        )
        con = self._duckdb()
        con.register("_sluiceway_rows", reader)
        kept = f" WHERE {' AND '.join(f'({f})' for f in read.filters)}" if read.filters else ""
        return con.execute(f"SELECT {values} FROM _sluiceway_rows{kept}").to_arrow_reader(size)

    def failure(self, error: BaseException) -> SourceError | None:
        cause = error if isinstance(error, SourceError) else error.__cause__
        return cause if isinstance(cause, SourceError) else None

    def dataset(self) -> tuple[str, str]:
        name = self.context.name or "query"
        if self.table is not None:
            before = (_kept(self.server.database), _kept(self.server.schema))[: 3 - len(self.table)]
            name = ".".join((*before, *self.table))
        return f"snowflake://{self.server.account}", name

    def close(self) -> None:
        if self._open is not None:
            self._open.close()
            self._open = None
        super().close()


def _kept(name: str) -> str:
    """A database or schema of the connection, which logs in by Snowflake's own rule."""
    return name[1:-1].replace('""', '"') if name.startswith('"') else name.upper()


def _same(one: Any, other: SfServer) -> bool:
    keys = ("account", "host", "port", "user", "role")
    return isinstance(one, SfServer) and all(one.options.get(k) == other.options.get(k) for k in keys)


def _spelled(column: Any) -> str:
    word = _CODES[column.type_code] if column.type_code < len(_CODES) else "UNKNOWN"
    return f"NUMBER({column.precision},{column.scale})" if word == "NUMBER" else word


CONNECTOR = Connector(
    name="snowflake",
    doc="Snowflake: tables and queries as sources, a database as a warehouse (tested on an emulator only)",
    source_config=SnowflakeConfig,
    source=SnowflakeSource,
    sink_config=SnowflakeSinkConfig,
    sink=SnowflakeSink,
    extra="snowflake",
    examples=(
        """\
type: snowflake
account: myorg-myaccount
user: loader
password: ${SNOWFLAKE_PASSWORD}
warehouse: compute_wh
database: shop
table: sales.orders
""",
        """\
type: snowflake
account: myorg-myaccount
user: loader
private_key_file: keys/loader.p8
database: shop
query: SELECT id, amount FROM sales.orders WHERE amount > 0
""",
    ),
)
