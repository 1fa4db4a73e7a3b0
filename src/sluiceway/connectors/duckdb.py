"""DuckDB files: one process writes at a time, a commit takes some milliseconds, no snapshots."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from sluiceway.connectors.attached import duckdb_errors, first_line
from sluiceway.connectors.attached_sink import AttachedSink
from sluiceway.connectors.attached_source import (
    AttachedSource,
    AttachedSourceConfig,
    attached_as,
    busy,
    qualified,
)
from sluiceway.connectors.base import Connector, ConnectorContext, SinkCapabilities, SinkConfig
from sluiceway.duck import ident, literal, relation
from sluiceway.errors import LockTimeoutError, SourceError
from sluiceway.locks import file_lock
from sluiceway.schema import TableName

if TYPE_CHECKING:
    import duckdb

    from sluiceway.engines.base import Engine

__all__ = ["CONNECTOR", "DuckDBConfig", "DuckDBSink", "DuckDBSource", "DuckDBSourceConfig"]

_POLL = 0.05
_FILES = ("", ".wal", ".wal.checkpoint", ".wal.recovery")
"""What DuckDB lays beside a database while it writes and checkpoints."""


class DuckDBConfig(SinkConfig):
    """``{type: duckdb, path: out.duckdb}``."""

    path: str = Field(description="the file; it is made by the first publish")


class DuckDBSourceConfig(AttachedSourceConfig):
    """A table, a view or a SELECT of a DuckDB file."""

    path: str = Field(description="the file")


class DuckDBSource(AttachedSource):
    system: ClassVar[str] = "duckdb"

    def __init__(self, config: DuckDBSourceConfig, context: ConnectorContext) -> None:
        super().__init__(config, context)
        self._path = context.path(config.path).absolute()

    def _attach(self, con: duckdb.DuckDBPyConnection, alias: str) -> str:
        if not self._path.exists():
            raise SourceError(
                f"there is no file {self.config.path}", where=self.context.where, hint="correct path"
            )
        there = attached_as(con, self._path)
        if there is not None:
            return there
        self._wait(lambda: con.execute(f"ATTACH {literal(str(self._path))} AS {ident(alias)} (READ_ONLY)"))
        return alias

    def _table(self, alias: str) -> str:
        table = TableName.parse(self.config.table, where=self.context.where)
        return relation(alias, table.namespace, table.name)

    def _query(self, alias: str) -> str:
        return qualified(self.config.query, alias, self.context.where)

    def folders(self) -> tuple[Path, ...]:
        return (self._path,)

    def dataset(self) -> tuple[str, str]:
        name = str(TableName.parse(self.config.table)) if self.config.table else "query"
        return f"duckdb://{self._path}", name


class DuckDBSink(AttachedSink):
    """The file is attached while something is read or written, and from ``scan`` or ``lock("table …")``
    on until the lock is left or the sink closed: DuckDB lets one process open a file for writing, and
    then nobody else open it at all."""

    system: ClassVar[str] = "duckdb"
    capabilities = SinkCapabilities(modes=("append", "replace", "merge", "scd2"), atomic=True)

    def __init__(self, config: DuckDBConfig, context: ConnectorContext) -> None:
        super().__init__(config, context)
        self._path = context.path(config.path).absolute()
        self._held = 0
        self._until_close = ExitStack()
        self._scanned = False

    def open(self, engine: Engine | None) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        super().open(engine)

    def _attach(self, con: duckdb.DuckDBPyConnection) -> None:
        """Nothing yet: see the class."""

    @contextmanager
    def _attached(self, *, write: bool = False) -> Iterator[duckdb.DuckDBPyConnection]:
        with self._hold("a look into the file", self.context.lock_timeout):
            yield self._con

    @contextmanager
    def _hold(self, holder: str, timeout: float) -> Iterator[None]:
        """The file, attached for writing. Holds may nest."""
        with ExitStack() as stack:
            if not self._held:
                stack.enter_context(file_lock(self._locks(), f"file {self._path}", timeout, holder))
                self._open_file(timeout)
                stack.callback(self._close_file)
            self._held += 1
            stack.callback(self._release)
            yield

    def _close_file(self) -> None:
        with duckdb_errors(f"{self.config.path} can't be closed"):
            self._con.execute(f"DETACH {ident(self.alias)}")

    def _release(self) -> None:
        self._held -= 1

    def _open_file(self, timeout: float) -> None:
        import duckdb

        con = self._con
        other = attached_as(con, self._path)
        if other is not None:  # a source of this run read the file; by now its rows are staged
            con.execute(f"DETACH {ident(other)}")
        deadline = time.monotonic() + timeout
        while True:
            try:
                con.execute(f"ATTACH {literal(str(self._path))} AS {ident(self.alias)}")
                return
            except (duckdb.IOException, duckdb.BinderException) as error:
                if not busy(error):
                    raise
                if time.monotonic() >= deadline:
                    raise LockTimeoutError(
                        f"{self.config.path} is open elsewhere; waited {timeout:g} s: {first_line(error)}",
                        hint="close it there, or raise lock_timeout; a ducklake warehouse has no such limit",
                    ) from error
            time.sleep(_POLL)

    def _locks(self) -> Path:
        return self.context.project / ".sluiceway" / "locks"

    @contextmanager
    def lock(self, name: str, timeout: float, holder: str) -> Iterator[None]:
        with ExitStack() as stack:
            stack.enter_context(file_lock(self._locks(), f"{self._path} {name}", timeout, holder))
            if name.startswith("table "):
                stack.enter_context(self._hold(holder, timeout))
            yield

    @contextmanager
    def _writer(self, holder: str) -> Iterator[None]:
        yield

    def scan(self, table: TableName) -> str:
        if not self._held:
            self._until_close.enter_context(
                self._hold("a run that reads the file", self.context.lock_timeout)
            )
        return super().scan(table)

    def quarantine(self) -> str | None:
        found = super().quarantine()
        if found is not None and not self._held:
            self._until_close.enter_context(self._hold("a look into quarantine", self.context.lock_timeout))
        return found

    def folders(self) -> tuple[Path, ...]:
        return tuple(self._path.with_name(self._path.name + suffix) for suffix in _FILES)

    def dataset(self, table: TableName) -> tuple[str, str]:
        return f"duckdb://{self._path}", str(table)

    def close(self) -> None:
        self._until_close.close()
        super().close()


CONNECTOR = Connector(
    name="duckdb",
    doc="A DuckDB file: quickest for small and frequent runs; one process at a time, no rollback.",
    source_config=DuckDBSourceConfig,
    source=DuckDBSource,
    sink_config=DuckDBConfig,
    sink=DuckDBSink,
    examples=("type: duckdb\npath: out.duckdb\n", "type: duckdb\npath: shop.duckdb\ntable: main.orders\n"),
)
