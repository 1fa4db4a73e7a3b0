"""What a connector is. A system's file ends in ``CONNECTOR = Connector(...)``.

A **source** offers the engine a native scan where that is fastest, else streams Arrow batches. A
**sink** is a whole warehouse: it knows its tables, keeps state, receipts and quarantine beside the
data, and owns the publish; the engine hands over what it staged.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

from pydantic import BaseModel, ConfigDict, Field

from sluiceway.errors import SourceError, Where
from sluiceway.exchange import Cursor, Location, PublishOrder, Receipt, Staged, Verdict
from sluiceway.schema import Schema, TableName

if TYPE_CHECKING:
    import pyarrow as pa

    from sluiceway.engines.base import Engine

__all__ = [
    "Connector",
    "ConnectorContext",
    "Incremental",
    "Read",
    "Sink",
    "SinkCapabilities",
    "SinkConfig",
    "Source",
    "SourceConfig",
]


class Incremental(BaseModel):
    """``incremental: {cursor: updated_at, lag: 1h}``."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    cursor: str = Field(description="the column whose maximum is the mark")
    lag: str | None = Field(None, description="read this far behind the mark again; needs merge")
    on_cursor_value_missing: Literal["raise", "include", "exclude"] = Field(
        "raise", description="rows without a cursor value: raise, include or exclude"
    )


class SourceConfig(BaseModel):
    """Keys that every source has; a connector adds its own.

    ``connection`` names an entry of the project's ``connections``; its keys are merged in before the
    model is built, so a connector sees one flat set of fields.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    type: str = Field(description="the connector")
    query: str | None = Field(None, description="one SELECT instead of a table, in the system's dialect")
    columns: tuple[str, ...] | dict[str, str] | None = Field(
        None, description="columns to read; a mapping declares their types too"
    )
    filters: tuple[str, ...] | str | None = Field(None, description="conditions that reach the source")
    batch_size: int | None = Field(None, ge=1, description="rows a batch, when streamed")
    timezone: str = Field("UTC", description="the zone of timestamps that have none")
    on_bad_row: Literal["fail", "quarantine", "skip"] = Field(
        "fail", description="rows that can't be read: fail, quarantine or skip"
    )


class SinkConfig(BaseModel):
    """Keys that every warehouse has; a connector adds its own."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    type: str = Field(description="the connector")


@dataclass(frozen=True)
class Read:
    """What the plan wants of a source.

    ``columns`` is the projection (None: all). ``filters`` are conditions in DuckDB's dialect over the
    source's columns, already checked to be safe; a source applies those it can push down *and* the
    engine applies them all again, so pushing is only for speed. ``since`` is the cursor's old mark with
    ``lag`` already subtracted, as text; ``strict`` says greater-than (no lag) or greater-or-equal.
    """

    columns: tuple[str, ...] | None = None
    filters: tuple[str, ...] = ()
    since: Cursor | None = None
    strict: bool = True
    include_null_cursor: bool = False
    confirmed: bool = False
    """The caller asks ``Source.fingerprint`` once the rows were read and before they count."""
    rejects: str | None = None
    """on_bad_row: a name under which unreadable rows are kept for ``Source.rejected``."""


class Source(Protocol):
    """A readable dataset. Opened lazily; ``close`` is always called."""

    config: Any

    def schema(self) -> Schema:
        """Resolved once per run: declared, else asked or sniffed. SourceError when unreachable."""
        ...

    def native_scan(self, engine: Engine, read: Read) -> str | None:
        """A SELECT in the engine's dialect, or None: then ``read`` streams. May attach to the engine."""
        ...

    def locate(self, read: Read) -> Location | None:
        """Where the rows lie, for an engine that reads them itself; None where what ``read`` wants can't
        be said that way."""
        ...

    def read(self, read: Read) -> pa.RecordBatchReader:
        """Arrow batches with the schema's columns, at most ``batch_size`` rows each."""
        ...

    def rejected(self, engine: Engine, read: Read) -> str | None:
        """After the scan ran: a SELECT (line BIGINT, text VARCHAR, reason VARCHAR) of unreadable rows."""
        ...

    def failure(self, error: BaseException) -> SourceError | None:
        """What went wrong while the engine read this source, in its own words: file, line, server, what
        to do. None where ``error`` is not about it."""
        ...

    def fingerprint(self) -> str | None:
        """Changes when what is read changes (size and mtime of files); None where that is not known.

        The runner takes it before and after reading; a difference fails the run. After a ``confirmed``
        read it raises SourceError where the rows can't be trusted.
        """
        ...

    def folders(self) -> tuple[Path, ...]:
        """Local folders or files that a sandboxed engine must be allowed to read."""
        ...

    def dataset(self) -> tuple[str, str]:
        """OpenLineage's (namespace, name), such as ('postgres://db:5432', 'shop.public.orders')."""
        ...

    def close(self) -> None: ...


@dataclass(frozen=True)
class SinkCapabilities:
    """``atomic``: rows, state and receipt in one transaction; ``snapshots``: rollback works.

    ``engine``: the one engine that this warehouse is read and published by; None: any.
    ``rewrites``: every row is written anew, whatever was staged, in a transaction that DDL does not end,
    and ``Staged.confirm`` is asked before the COMMIT. What can be read again where it lies is then judged
    and copied from there, and not staged.
    """

    modes: tuple[str, ...]
    atomic: bool
    snapshots: bool = False
    rewrites: bool = False
    engine: str | None = None


class Sink(Protocol):
    """A warehouse that publishes. Its ``_sluiceway`` tables are the truth about runs."""

    config: Any
    capabilities: SinkCapabilities

    def open(self, engine: Engine | None) -> None:
        """Attach to the engine before its sandbox closes; without one, open a connection of its own."""
        ...

    def folders(self) -> tuple[Path, ...]:
        """Local folders that a sandboxed engine must be allowed to touch."""
        ...

    def columns(self, table: TableName) -> Schema | None:
        """None where the table does not exist."""
        ...

    def unsupported(self, schema: Schema) -> dict[str, str]:
        """Columns whose type this warehouse can't keep exactly -> what to do about it."""
        ...

    def scan(self, table: TableName) -> str:
        """A SELECT, in the attached engine's dialect, of the table as it stands."""
        ...

    def locate(self, table: TableName) -> Location | None:
        """Where exactly the rows of ``scan`` lie, for an engine that reads them itself; None where that
        can't be said, such as where some of a file's rows are deleted."""
        ...

    def state(self, pipeline: str) -> tuple[Cursor, ...]: ...

    def receipts(self, pipeline: str | None = None, run_id: str | None = None) -> tuple[Receipt, ...]:
        """Newest first."""
        ...

    def quarantine(self) -> str | None:
        """A SELECT with the layout QUARANTINE_COLUMNS; None where there is none yet."""
        ...

    def settle(self, quarantine_ids: tuple[str, ...], status: Literal["replayed", "discarded"]) -> int:
        """Change waiting rows' status in a transaction of its own; how many changed."""
        ...

    def lock(self, name: str, timeout: float, holder: str) -> AbstractContextManager[None]:
        """A lock that dies with its process; LockTimeoutError after ``timeout`` seconds says who holds it."""
        ...

    def publish(self, verdict: Verdict, staged: Staged, order: PublishOrder) -> Receipt:
        """One transaction: evolution, rows by mode, quarantine, cursors, replays, receipt.

        Refuses a verdict that blocks or that belongs to another staging. A run that has a receipt is
        not published again: the old receipt is returned.
        """
        ...

    def rollback(self, run_id: str, *, new_run_id: str, force: bool, keep_cursor: bool) -> Receipt:
        """A new snapshot with the content before ``run_id``. DestinationError where it can't be."""
        ...

    def dataset(self, table: TableName) -> tuple[str, str]:
        """OpenLineage's (namespace, name)."""
        ...

    def close(self) -> None: ...


@dataclass(frozen=True)
class ConnectorContext:
    """What the project gives a connector. ``project`` is the folder that paths are relative to; ``sink``
    is the run's destination, for a source that reads from it; ``engine`` the run's engine, for a source that
    no other can read."""

    project: Path
    name: str = ""
    where: Where = field(default_factory=Where)
    started_at: datetime | None = None
    lock_timeout: float = 60.0
    sink: Sink | None = None
    engine: Engine | None = None

    def path(self, text: str) -> Path:
        path = Path(text)
        return path if path.is_absolute() else self.project / path


@dataclass(frozen=True)
class Connector:
    """A system. ``examples`` are YAML texts of a source or warehouse; the tests run them.

    ``rescan``: a native scan may be read twice in a run, cheaply and with the same rows.
    ``extensions``: of DuckDB, that its sink loads with its default settings; a run may load them ahead.
    """

    name: str
    doc: str
    source_config: type[SourceConfig] | None = None
    source: Callable[[Any, ConnectorContext], Source] | None = None
    sink_config: type[SinkConfig] | None = None
    sink: Callable[[Any, ConnectorContext], Sink] | None = None
    extra: str | None = None
    examples: tuple[str, ...] = ()
    rescan: bool = False
    extensions: tuple[str, ...] = ()
