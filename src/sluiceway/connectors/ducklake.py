"""DuckLake: the default warehouse. Snapshots, many processes, and publishes that move files."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import uuid
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field, model_validator

from sluiceway.connectors.attached_sink import AttachedSink
from sluiceway.connectors.attached_source import AttachedSource, AttachedSourceConfig, qualified
from sluiceway.connectors.base import Connector, ConnectorContext, SinkCapabilities, SinkConfig
from sluiceway.connectors.lake_files import located
from sluiceway.connectors.lake_undo import undo
from sluiceway.duck import ident, literal, load_extension, relation
from sluiceway.errors import SourceError
from sluiceway.exchange import SYSTEM_SCHEMA, Location, PublishOrder, Receipt, Staged
from sluiceway.schema import TableName
from sluiceway.secrets import register_secret

if TYPE_CHECKING:
    import duckdb

__all__ = ["CONNECTOR", "DuckLakeConfig", "DuckLakeSink", "DuckLakeSource", "DuckLakeSourceConfig"]

AUTHOR = "sluiceway"
_INLINE = 10


class DuckLakeConfig(SinkConfig):
    """``{type: ducklake, path: .sluiceway/lake}``, or a shared catalog with its data elsewhere."""

    path: str = Field(
        ".sluiceway/lake", description="folder of the lake: catalog.sqlite, data/ and locks/ lie in it"
    )
    catalog: str | None = Field(
        None, description="URL of a PostgreSQL database that holds the catalog, for a team"
    )
    data_path: str | None = Field(
        None, description="where data files lie if not in path/data: a folder, or s3://BUCKET/PREFIX"
    )
    s3: dict[str, str] = Field(
        default_factory=dict,
        description="key_id, secret, region, endpoint, url_style, use_ssl of the bucket",
    )


class DuckLakeSourceConfig(AttachedSourceConfig):
    """A table of a lake."""

    path: str = Field(".sluiceway/lake", description="folder of the lake")
    catalog: str | None = Field(None, description="URL of a PostgreSQL database that holds the catalog")
    data_path: str | None = Field(None, description="where data files lie if not in path/data")
    s3: dict[str, str] = Field(
        default_factory=dict,
        description="key_id, secret, region, endpoint, url_style, use_ssl of the bucket",
    )
    version: int | None = Field(None, ge=0, description="read the table as of this snapshot")

    @model_validator(mode="after")
    def _version_of_a_table(self) -> DuckLakeSourceConfig:
        if self.version is not None and self.query is not None:
            raise ValueError("version goes with table; in a query write AT (VERSION => n) yourself")
        return self


class _Lake:
    """Where a lake lies, and how it is attached."""

    def __init__(self, config: Any, context: ConnectorContext) -> None:
        self.config = config
        self.folder = context.path(config.path).absolute()
        self.remote = (config.data_path or "").startswith(("s3://", "gs://", "r2://"))
        self.data = (
            config.data_path
            if self.remote
            else str(context.path(config.data_path or f"{config.path}/data").absolute())
        )

    @property
    def sqlite(self) -> Path:
        return self.folder / "catalog.sqlite"

    def folders(self) -> tuple[Path, ...]:
        return (self.folder,) if self.remote else (self.folder, Path(self.data))

    def attach(self, con: duckdb.DuckDBPyConnection, alias: str, *, read_only: bool) -> None:
        load_extension(con, "ducklake")
        options = [f"DATA_PATH {literal(self.data)}"]
        if self.config.catalog is None:
            load_extension(con, "sqlite_scanner")
            where = f"ducklake:sqlite:{self.sqlite}"
            # without WAL a reader makes a writer's COMMIT fail
            options += ["META_JOURNAL_MODE 'WAL'", "META_BUSY_TIMEOUT 5000"]
        else:
            load_extension(con, "postgres_scanner")
            register_secret(self.config.catalog)
            where = f"ducklake:postgres:{self.config.catalog}"
        if read_only:
            options.append("READ_ONLY")
        else:
            self.folder.mkdir(parents=True, exist_ok=True)
            if not self.remote:
                Path(self.data).mkdir(parents=True, exist_ok=True)
            # values inside structs did not read back when inlined; the system tables are plain
            options.append("DATA_INLINING_ROW_LIMIT 0")
        if self.config.s3:
            self._secret(con)
        con.execute(f"ATTACH {literal(where)} AS {ident(alias)} ({', '.join(options)})")

    def _secret(self, con: duckdb.DuckDBPyConnection) -> None:
        load_extension(con, "httpfs")
        register_secret(self.config.s3.get("secret"))
        settings = ", ".join(f"{ident(k)} {literal(v)}" for k, v in self.config.s3.items())
        con.execute(f"CREATE OR REPLACE SECRET _sluiceway_lake (TYPE s3, {settings})")

    def _identity(self) -> str | None:
        """Names this very catalog; None where it is not there yet."""
        if self.config.catalog is not None:
            return hashlib.sha256(self.config.catalog.encode()).hexdigest()
        try:
            found = self.sqlite.stat()
        except FileNotFoundError:
            return None
        return f"{found.st_dev}:{found.st_ino}"

    def is_made(self) -> bool:
        """Whether someone attached it for writing before, so that it has its tables.

        A file says so: to look into the catalog here would end the locks that DuckDB holds on it, since
        closing any handle of a file drops all locks of the process.
        """
        try:
            return self._made.read_text() == self._identity()
        except FileNotFoundError:
            return False

    def made(self) -> None:
        self._made.write_text(self._identity() or "")

    @property
    def _made(self) -> Path:
        return self.folder / "locks" / "made"

    def namespace(self) -> str:
        return f"ducklake://{self.folder}" if self.config.catalog is None else "ducklake"


class DuckLakeSource(AttachedSource):
    system: ClassVar[str] = "ducklake"

    def __init__(self, config: DuckLakeSourceConfig, context: ConnectorContext) -> None:
        super().__init__(config, context)
        self._lake = _Lake(config, context)
        self._version = config.version

    def _attach(self, con: duckdb.DuckDBPyConnection, alias: str) -> str:
        if self.config.catalog is None and not self._lake.sqlite.exists():
            raise SourceError(
                f"there is no lake in {self.config.path}", where=self.context.where,
                hint="run a pipeline that writes to it first, or correct path",
            )  # fmt: skip
        self._lake.attach(con, alias, read_only=True)
        if self._version is None and self.config.query is None:
            # the whole run reads one snapshot, however often it scans
            self._version = con.execute(f"SELECT id FROM {ident(alias)}.current_snapshot()").fetchall()[0][0]
        return alias

    def _table(self, alias: str) -> str:
        table = TableName.parse(self.config.table, where=self.context.where)
        return f"{relation(alias, table.namespace, table.name)} AT (VERSION => {int(self._version or 0)})"

    def _query(self, alias: str) -> str:
        return qualified(self.config.query, alias, self.context.where)

    def folders(self) -> tuple[Path, ...]:
        return self._lake.folders()

    def dataset(self) -> tuple[str, str]:
        name = self.config.table or "query"
        return self._lake.namespace(), str(TableName.parse(name)) if self.config.table else name


class DuckLakeSink(AttachedSink):
    system: ClassVar[str] = "ducklake"
    capabilities = SinkCapabilities(modes=("append", "replace", "merge", "scd2"), atomic=True, snapshots=True)

    def __init__(self, config: DuckLakeConfig, context: ConnectorContext) -> None:
        super().__init__(config, context)
        self._lake = _Lake(config, context)
        self._moved: list[Path] = []

    def _attach(self, con: duckdb.DuckDBPyConnection) -> None:
        if self._lake.is_made():  # then nobody who looks waits for who publishes
            self._lake.attach(con, self.alias, read_only=False)
            return
        with self._writer("open"):  # the first ATTACH writes the catalog
            self._lake.attach(con, self.alias, read_only=False)
            self._lake.made()

    def _locks(self) -> Path:
        return self._lake.folder / "locks"

    def folders(self) -> tuple[Path, ...]:
        return self._lake.folders()

    def dataset(self, table: TableName) -> tuple[str, str]:
        return self._lake.namespace(), str(table)

    def _retryable(self, error: duckdb.Error) -> bool:
        text = str(error).lower()
        return "database is locked" in text or "conflict" in text

    def _create_system(self, con: duckdb.DuckDBPyConnection) -> None:
        if self._has_system(con):
            return
        super()._create_system(con)
        # a receipt of some bytes is not worth a Parquet file; can't be set where the schema is new
        con.execute(
            f"CALL {ident(self.alias)}.set_option('data_inlining_row_limit', {_INLINE}, "
            f"schema => {literal(SYSTEM_SCHEMA)})"
        )

    def locate(self, table: TableName) -> Location | None:
        schema = self.columns(table)
        if schema is None or self._lake.remote:
            return None
        with self._attached() as con:
            return located(con, self.alias, table, schema)

    def _snapshot_next(self, con: duckdb.DuckDBPyConnection) -> str | None:
        """Under the writer lock the next snapshot is this one; ``_committed`` makes sure."""
        return str(self._snapshot(con) + 1)

    def _snapshot(self, con: duckdb.DuckDBPyConnection) -> int:
        return int(con.execute(f"SELECT id FROM {ident(self.alias)}.current_snapshot()").fetchall()[0][0])

    def _annotate(self, con: duckdb.DuckDBPyConnection, order: PublishOrder) -> None:
        self._message(con, order.run_id, order.pipeline, order.note)

    def _message(self, con: duckdb.DuckDBPyConnection, run_id: str, pipeline: str, note: str) -> None:
        import json

        text = f"run {run_id} of {pipeline}" + (f": {note}" if note else "")
        extra = json.dumps({"run_id": run_id, "pipeline": pipeline})
        con.execute(
            f"CALL {ident(self.alias)}.set_commit_message({literal(AUTHOR)}, {literal(text)}, "
            f"extra_info => {literal(extra)})"
        )

    def _insert(self, con: duckdb.DuckDBPyConnection, staged: Staged, order: PublishOrder) -> bool:
        """Hand the staged files over instead of writing the rows again."""
        there = self._describe(con, order.table)
        if staged.files is None or self._lake.remote or there is None:
            return False
        if any(there[c.name].type != c.type for c in staged.schema):
            return False  # the lake takes a file only where types are the same; INSERT casts
        if order.mode == "replace":
            con.execute(f"DELETE FROM {relation(*self._parts(order.table))}")
        for file in staged.files:
            moved = self._hand_over(Path(file), order)
            con.execute(
                f"CALL ducklake_add_data_files({literal(self.alias)}, {literal(order.table.name)}, "
                f"{literal(str(moved))}, schema => {literal(order.table.namespace)}, "
                "ignore_extra_columns => true, allow_missing => true)"
            )
        return True

    def _hand_over(self, file: Path, order: PublishOrder) -> Path:
        """A second name for the file, in the data folder: if the transaction fails, the staging is
        still whole, and what a crash leaves there is invisible and never named again."""
        safe = [re.sub(r"[^A-Za-z0-9_-]+", "_", part) for part in (order.table.namespace, order.table.name)]
        folder = Path(self._lake.data, *safe)
        folder.mkdir(parents=True, exist_ok=True)
        target = folder / f"sluiceway-{uuid.uuid4().hex}.parquet"
        self._moved.append(target)  # before it is there: a copy that breaks off is cleared away too
        try:
            os.link(file, target)
        except OSError:  # another file system, or one without hard links
            shutil.copyfile(file, target)
        return target

    def _discard(self) -> None:
        """The transaction surely failed, so nothing names the files that were handed over."""
        for path in self._moved:
            path.unlink(missing_ok=True)
        self._moved = []

    def _committed(self, con: duckdb.DuckDBPyConnection, receipt: Receipt) -> Receipt:
        """A foreign writer may have come between: then the snapshot is another than foreseen."""
        self._moved = []
        rows = con.execute(f"SELECT id FROM {ident(self.alias)}.last_committed_snapshot()").fetchall()
        actual = str(rows[0][0])
        if actual == receipt.snapshot:
            return receipt
        con.execute(
            f"UPDATE {relation(*self._place('receipts'))} SET snapshot = ? WHERE run_id = ?",
            [actual, receipt.run_id],
        )
        return replace(receipt, snapshot=actual)

    def rollback(self, run_id: str, *, new_run_id: str, force: bool, keep_cursor: bool) -> Receipt:
        return undo(self, run_id, new_run_id=new_run_id, force=force, keep_cursor=keep_cursor)


CONNECTOR = Connector(
    name="ducklake",
    doc=(
        "A DuckLake lakehouse: Parquet files with a SQL catalog. The default warehouse; every publish is "
        "a snapshot, so a run can be rolled back, and several processes may read and write."
    ),
    source_config=DuckLakeSourceConfig,
    source=DuckLakeSource,
    sink_config=DuckLakeConfig,
    sink=DuckLakeSink,
    examples=(
        "type: ducklake\npath: .sluiceway/lake\n",
        "type: ducklake\npath: .sluiceway/lake\ntable: mart.orders\n",
    ),
    extensions=("ducklake", "sqlite_scanner"),
)
