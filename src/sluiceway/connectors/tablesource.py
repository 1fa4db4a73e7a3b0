"""Tables of a table format as sources. Spark reads them, as of one snapshot for the whole run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field

from sluiceway.connectors.base import ConnectorContext, Read, SourceConfig
from sluiceway.connectors.dialects import SPARK
from sluiceway.connectors.tableformat import TableFormat, on_spark, table_sql
from sluiceway.errors import PlanError, SourceError
from sluiceway.schema import Column, Schema, TableName
from sluiceway.sql.types import to_engine

if TYPE_CHECKING:
    import pyarrow as pa

    from sluiceway.engines.base import Engine
    from sluiceway.exchange import Location

__all__ = ["TableSource", "TableSourceConfig"]


class TableSourceConfig(SourceConfig):
    """Keys of a table that Spark reads."""

    path: str | None = Field(None, description="a folder, relative to the project, or a URI that Spark knows")
    table: str | None = Field(None, description="NAMESPACE.NAME")
    version: int | None = Field(None, description="read the table as of this version; the newest if absent")


class TableSource:
    """See ``connectors.base.Source``."""

    config: TableSourceConfig

    def __init__(self, kind: TableFormat, config: TableSourceConfig, ctx: ConnectorContext) -> None:
        self.config, self.ctx, self.kind = config, ctx, kind
        self._schema: Schema | None = None
        self._pinned: str | None = None
        if config.query is not None:
            raise PlanError(
                f"a {kind.name} source has no query",
                where=ctx.where,
                hint="write it as a step: - sql: SELECT …",
            )
        if config.timezone != "UTC":
            raise PlanError(
                f"a {kind.name} source reads timestamps as they are",
                where=ctx.where,
                hint="leave timezone out, and convert them in a step",
            )

    def _relation(self, engine: Any) -> str:
        config = self.config
        if config.path is None:
            return table_sql((config.table or "").split("."))
        root = config.path if "://" in config.path else str(self.ctx.path(config.path).resolve())
        table = TableName.parse(config.table, where=self.ctx.where) if config.table else None
        return table_sql(self.kind.parts(engine, root, table))

    def _scan(self) -> str:
        """What stands in FROM: the table as of the snapshot that was newest when the run began."""
        engine = on_spark(self.ctx.engine, self.kind.name, self.ctx.where)
        if self._pinned is None:
            self.kind.prepare(engine, self.ctx.where)
            relation = self._relation(engine)
            version = self.config.version
            snapshot = str(version) if version is not None else self.kind.current(engine, relation)
            # a table without a snapshot has no rows
            self._pinned = f"{relation} VERSION AS OF {int(snapshot)}" if snapshot is not None else relation
        return self._pinned

    def schema(self) -> Schema:
        if self._schema is None:
            scan = self._scan()
            engine: Any = self.ctx.engine
            found: Schema = engine.columns(f"SELECT * FROM {scan}")
            columns = self.config.columns
            if columns is not None:
                found.require(columns, self.ctx.where, self.kind.name)
                types = columns if isinstance(columns, dict) else {}
                found = Schema(
                    tuple(
                        Column(found[c].name, types.get(c, found[c].type), found[c].nullable) for c in columns
                    )
                )
            self._schema = found
        return self._schema

    def native_scan(self, engine: Engine, read: Read) -> str | None:
        if engine.name != "spark":
            return None
        schema = self.schema()
        names = schema.names if read.columns is None else [schema[c].name for c in read.columns]
        listed = ", ".join(self._value(schema[name]) for name in names) or "1 AS _none"
        # filters are the engine's: it pushes them down by itself
        where = f" WHERE {self._since(read, schema)}" if read.since is not None and read.since.value else ""
        return f"SELECT {listed} FROM {self._scan()}{where}"

    def _value(self, column: Column) -> str:
        name = SPARK.ident(column.name)
        if not isinstance(self.config.columns, dict):
            return name
        return f"CAST({name} AS {to_engine(column.type, 'spark', self.ctx.where)}) AS {name}"

    def _since(self, read: Read, schema: Schema) -> str:
        assert read.since is not None
        column = schema[read.since.column]
        name = SPARK.ident(column.name)
        mark = f"CAST({SPARK.literal(read.since.value)} AS {to_engine(column.type, 'spark')})"
        condition = f"{name} {'>' if read.strict else '>='} {mark}"
        return f"({condition} OR {name} IS NULL)" if read.include_null_cursor else f"({condition})"

    def locate(self, read: Read) -> Location | None:
        return None

    def read(self, read: Read) -> pa.RecordBatchReader:
        raise PlanError(f"a {self.kind.name} table is read by Spark", hint="use engine: spark")

    def rejected(self, engine: Engine, read: Read) -> str | None:
        return None

    def failure(self, error: BaseException) -> SourceError | None:
        return None

    def fingerprint(self) -> str | None:
        return None  # a snapshot does not change

    def folders(self) -> tuple[Path, ...]:
        return ()

    def dataset(self) -> tuple[str, str]:
        config = self.config
        if config.path is None:
            return "spark", str(config.table)
        path = config.path if "://" in config.path else str(self.ctx.path(config.path).absolute())
        return "file", f"{path}/{config.table.replace('.', '/')}" if config.table else path

    def close(self) -> None: ...
