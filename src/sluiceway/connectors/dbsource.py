"""What the databases have in common as sources: a table or a query, and its columns as they are described."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Protocol, TypeVar

from sluiceway.connectors.attached import first_line
from sluiceway.duck import open_duckdb
from sluiceway.errors import SourceError
from sluiceway.schema import Column, Schema

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

    from sluiceway.connectors.base import ConnectorContext, Read
    from sluiceway.engines.base import Engine

__all__ = ["BATCH", "DatabaseSource", "Described"]

BATCH = 100_000
"""Rows of a batch, if the source does not say."""


class Described(Protocol):
    """A column of a table or query; ``type`` is DuckDB's, that it is read as."""

    @property
    def name(self) -> str: ...

    @property
    def type(self) -> str: ...

    @property
    def nullable(self) -> bool: ...


C = TypeVar("C", bound=Described)


class DatabaseSource(Generic[C]):
    """All of a Source but how its rows are read. ``system`` is what errors call it."""

    system: ClassVar[str]
    config: Any
    server: Any

    def __init__(self, config: Any, context: ConnectorContext) -> None:
        self.config = config
        self.context = context
        self._columns: tuple[C, ...] | None = None
        self._own: duckdb.DuckDBPyConnection | None = None

    # what a subclass gives --------------------------------------------------------------------------

    def _errors(self) -> AbstractContextManager[None]:
        """The client's errors as ours."""
        raise NotImplementedError

    def _describe(self) -> Iterable[C]:
        raise NotImplementedError

    def _settled(self, column: C) -> C:
        """A column that is read, as it is read; SourceError where it can't be."""
        return column

    # the shape --------------------------------------------------------------------------------------

    @property
    def _what(self) -> str:
        return self.config.table or f"the query of {self.context.name or 'the source'}"

    def _query(self) -> str:
        return (self.config.query or "").strip().rstrip(";")

    def schema(self) -> Schema:
        return Schema(
            tuple(Column(c.name, self._declared(c) or c.type, c.nullable) for c in self._read_columns())
        )

    def _declared(self, column: C) -> str | None:
        declared = self.config.columns
        if not isinstance(declared, dict):
            return None
        return next((t for name, t in declared.items() if name.casefold() == column.name.casefold()), None)

    def _read_columns(self) -> tuple[C, ...]:
        """The columns that are read, in the order asked for; those that can't be read are refused."""
        if self._columns is None:
            found = tuple(self._describe())
            wanted = [c.name for c in found] if self.config.columns is None else self.config.columns
            self._columns = tuple(self._settled(self._named(name, found)) for name in wanted)
        return self._columns

    def _named(self, name: str, columns: Iterable[C]) -> C:
        """One of them; PlanError, with the names that there are, where it is none."""
        there = {c.name.casefold(): c for c in columns}
        if name.casefold() not in there:
            known = Schema(tuple(Column(c.name, c.type) for c in there.values()))
            known.require([name], self.context.where, self._what)
        return there[name.casefold()]

    def _refuse(self, said: str, hint: str) -> SourceError:
        """What trying again won't mend."""
        return SourceError(
            f"{self._what}: {said}", where=self.context.where, hint=hint, details={"final": True}
        )

    # the rows ---------------------------------------------------------------------------------------

    def _mark(self, read: Read) -> tuple[C, str, str] | None:
        """Where rows are to be read since: the cursor's column, the comparison and the value's text."""
        mark = read.since
        if mark is None or mark.value is None:
            return None
        return self._named(mark.column, self._read_columns()), ">" if read.strict else ">=", mark.value

    def _duckdb(self) -> duckdb.DuckDBPyConnection:
        if self._own is None:
            self._own = open_duckdb(threads=2)
        return self._own

    def _told(self, reader: pa.RecordBatchReader) -> pa.RecordBatchReader:
        """The reader, with errors of ours."""
        import pyarrow as pa

        def batches() -> Iterator[pa.RecordBatch]:
            with self._errors():
                try:
                    yield from reader
                except OSError as error:  # what Arrow makes of DuckDB's: often a bare "Interrupted!"
                    raise SourceError(
                        f"{self._what}: reading {self.system} at {self.server} broke off: "
                        f"{first_line(error)}",
                        where=self.context.where,
                        hint="run it again; nothing was published",
                    ) from error

        return pa.RecordBatchReader.from_batches(reader.schema, batches())

    def rejected(self, engine: Engine, read: Read) -> str | None:
        return None  # a database has no rows that can't be parsed

    def fingerprint(self) -> str | None:
        return None  # a read is one statement, over one snapshot

    def folders(self) -> tuple[Path, ...]:
        return ()

    def close(self) -> None:
        if self._own is not None:
            self._own.close()
            self._own = None
