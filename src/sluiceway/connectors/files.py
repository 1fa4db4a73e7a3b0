"""How file sources read: the SELECT, and rows that can't be read.

``csv``, ``json`` and ``parquet`` differ in how a scan is written and how a broken row is found; all the
rest is here and, for which files there are, in ``fileset``. A source fixes its list of files once, so a
file that arrives during the run belongs to the next one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from sluiceway.connectors.fileset import FileSet, FileSourceConfig
from sluiceway.duck import ident, literal, open_duckdb
from sluiceway.errors import PlanError, SourceError, did_you_mean
from sluiceway.exchange import Location
from sluiceway.schema import Column, Schema

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

    from sluiceway.connectors.base import ConnectorContext, Read
    from sluiceway.engines.base import Engine

__all__ = [
    "BadRow",
    "FileSource",
    "fits_integer",
]

_BATCH = 65_536
_MARK = "unreadable value in source"


@dataclass(frozen=True)
class BadRow:
    """A row that can't be read. ``line`` counts from 1; in arrays and Parquet it is the record's number."""

    file: Path
    line: int
    text: str
    reason: str
    column: str | None = None


def fits_integer(text: str, type_: str) -> str:
    """A condition: the text expression is an integer of ``type_`` without loss.

    DuckDB's own cast makes 2 of '1.5'; a fraction of zeros ('5.0') is accepted.
    """
    return (
        f"(CASE WHEN contains({text}, '.') OR contains({text}, 'e') OR contains({text}, 'E') "
        rf"THEN regexp_full_match({text}, '\s*[+-]?(\d+\.?0*|\d+[eE]\+?\d+)\s*') ELSE TRUE END "
        f"AND TRY_CAST({text} AS {type_}) IS NOT NULL)"
    )


class FileSource(FileSet):
    """The base of file sources; see ``connectors.base.Source``.

    A subclass gives ``_resolve`` (the schema) and ``_scans`` (SELECTs with the schema's columns), and
    ``_bad_rows`` for rows that its scans turn away.
    """

    kind = "file"
    config: Any

    def __init__(self, config: FileSourceConfig, ctx: ConnectorContext) -> None:
        super().__init__(config, ctx)
        self._schema: Schema | None = None
        self._private: duckdb.DuckDBPyConnection | None = None
        self._error: SourceError | None = None
        self._prepared = False
        self.rejects: str | None = None
        if config.query is not None:
            raise PlanError(
                f"a {self.kind} source has no query",
                where=ctx.where,
                hint="write it as a step: - sql: SELECT …",
            )
        try:
            ZoneInfo(config.timezone)
        except (KeyError, ValueError, OSError):  # ZoneInfo raises all three for names that are none
            raise PlanError(
                f"'{config.timezone}' is not a time zone",
                where=ctx.where,
                hint="write it as Europe/Amsterdam",
            ) from None

    @property
    def lenient(self) -> bool:
        return bool(self.config.on_bad_row != "fail")

    # columns ----------------------------------------------------------------------------------------

    def schema(self) -> Schema:
        if self._schema is None:
            self.files()
            self._schema = self._narrowed(self._resolve())
        return self._schema

    def _resolve(self) -> Schema:
        """All columns with their types, without hive's; declared or sniffed."""
        raise NotImplementedError

    def _narrowed(self, found: Schema) -> Schema:
        """Hive's columns added, ``columns`` applied, naive timestamps of a zone made absolute."""
        columns = [*(c for c in found if c.name not in self._hive)]
        columns += [Column(name, type_) for name, type_ in self._hive.items()]
        self._raw = {c.name: c.type for c in columns}
        if self.config.columns:
            by_name = Schema(tuple(columns))
            for name in self.config.columns:
                if name not in by_name:
                    raise SourceError(
                        f"column '{name}' is not in {self.display(self.files()[0])}; "
                        f"there are: {', '.join(by_name.names)}",
                        where=self.ctx.where,
                        hint=did_you_mean(name, by_name.names),
                    )
            columns = [by_name[name] for name in self.config.columns]
        return Schema(tuple(Column(c.name, self._final_type(c.type)) for c in columns))

    def _final_type(self, type_: str) -> str:
        zoned = self.config.timezone != "UTC" and Column("", type_).family == "timestamp"
        return "TIMESTAMP WITH TIME ZONE" if zoned else type_

    def final(self, expression: str, type_: str) -> str:
        """A timestamp without a zone is in ``timezone``; UTC stays as it is."""
        if self._final_type(type_) == type_:
            return expression
        return f"timezone({literal(self.config.timezone)}, CAST({expression} AS TIMESTAMP))"

    def fail_sql(self, text: str, name: str, type_: str) -> str:
        """Stops the query with the column and the value; ``failure`` then finds the line."""
        message = f"{_MARK} '{self.ctx.name}': column \"{name}\": "
        return f"error(concat({literal(message)}, CAST({text} AS VARCHAR), {literal(f' is not {type_}')}))"

    def guarded(
        self, value: str, good: str, text: str, name: str, type_: str, *, plainly: str | None = None
    ) -> str:
        """``value`` where ``good`` or NULL; else the query stops. In lenient scans bad rows are gone.

        Args:
            plainly: a cheaper condition that most good values fulfil.
        """
        if self.lenient:
            return value
        stop = f"CAST({self.fail_sql(text, name, type_)} AS {type_})"
        first = f"WHEN {plainly} THEN {value} " if plainly else ""
        return f"CASE {first}WHEN {text} IS NULL OR {good} THEN {value} ELSE {stop} END"

    # reading ----------------------------------------------------------------------------------------

    def _prepare(self) -> None:
        """Before the scan: what must be decoded or proved whole. Called once."""

    def _scans(self) -> list[str]:
        raise NotImplementedError

    def _bad_rows(self) -> Iterator[BadRow]:
        """Rows that the lenient scans leave out, found by a reading of its own."""
        raise NotImplementedError

    def select(self, read: Read) -> str:
        """The SELECT that ``native_scan`` offers, and that ``read`` runs itself."""
        self.schema()
        if not self._prepared:
            self._prepare()
            self._prepared = True
        self.rejects = read.rejects
        return self._selected("\nUNION ALL ".join(self._scans()), read)

    def _selected(self, rows: str, read: Read) -> str:
        """What ``read`` wants of the rows of scans."""
        schema = self.schema()
        names = [schema[name].name for name in read.columns] if read.columns is not None else schema.names
        projection = ", ".join(ident(name) for name in names) or "1 AS _none"
        where = [f"({text})" for text in read.filters]
        if read.since is not None and read.since.value is not None:
            where.append(_since(read, schema))
        clause = f"\nWHERE {' AND '.join(where)}" if where else ""
        return f"SELECT {projection} FROM ({rows}) AS _source{clause}"

    def locate(self, read: Read) -> Location | None:
        """The files with a scan of each; None where rows may be bad, or a file is not read as it lies."""
        if self.lenient:
            return None
        self.select(read)  # what is to be prepared is
        pieces = self._pieces()
        if not pieces or any(literal(str(file)) not in scan for file, scan in pieces):
            return None  # it is read through a link or a copy that only this machine has
        paths = tuple(str(file) for file, _ in pieces)
        wanted = replace(read, filters=())  # which may name variables, and the engine has them too
        scans = tuple(self._selected(scan, wanted) for _, scan in pieces)
        schema = self.schema()
        if read.columns is not None:
            schema = Schema(tuple(schema[name] for name in read.columns))
        return Location(self.kind, schema, paths, scans)

    def _pieces(self) -> list[tuple[Path, str]]:
        """Each file with a scan of it alone; none where the format has no such scans."""
        return []

    def native_scan(self, engine: Engine, read: Read) -> str | None:
        return self.select(read) if engine.name == "duckdb" else None

    def read(self, read: Read) -> pa.RecordBatchReader:
        import duckdb
        import pyarrow as pa

        sql = self.select(read)
        try:
            self.private().execute("SET preserve_insertion_order = false")  # ordered, a LIMIT would buffer
            reader = self.private().execute(sql).to_arrow_reader(self.config.batch_size or _BATCH)
        except duckdb.Error as error:
            raise self._as_source_error(error) from error

        def batches() -> Iterator[pa.RecordBatch]:
            try:
                yield from reader
            except (duckdb.Error, OSError) as error:  # pyarrow turns DuckDB's late errors into OSError
                self._error = self._as_source_error(error)
                raise self._error from error

        return pa.RecordBatchReader.from_batches(reader.schema, batches())

    def rejected(self, engine: Engine, read: Read) -> str | None:
        """The rows that the scan left out, as a table of the engine. None with ``on_bad_row: fail``.

        They are found by a reading of its own, so it does not matter how often or how narrowly the
        engine read.
        """
        if not self.lenient:
            return None
        import duckdb

        from sluiceway.connectors.rejects import hand_over

        self.select(read)
        name = read.rejects or f"_rejects_{self.ctx.name or self.kind}"
        try:
            return hand_over(engine, name, self._bad_rows(), self.display)
        except duckdb.Error as error:  # such as an array of JSON that breaks off
            raise self._as_source_error(error) from error

    def failure(self, error: BaseException) -> SourceError | None:
        """The engine's error as a SourceError with file, line and what to do; None if not of this source."""
        if self._error is not None:
            return self._error
        text = f"{error} {error.__cause__ or ''}"
        own = f"{_MARK} '{self.ctx.name}'"
        known = own in text or (
            _MARK not in text and any(m in text for m in self.messages) and self._may_be_of(text)
        )
        return self._as_source_error(error, sure=own in text) if known else None

    def _may_be_of(self, text: str) -> bool:
        """Two sources of one format: an error that names a file is about the one that reads it."""
        if not re.search(r"\bfile\s*[=:]?\s*[\"']?/", text):
            return True
        return any(str(path) in text for path in (*self.files(), *self.folders()))

    messages: tuple[str, ...] = ()
    """Words by which DuckDB's errors about this format are known."""

    def _as_source_error(self, error: BaseException, *, sure: bool = True) -> SourceError:
        import duckdb

        try:
            bad = next(self._bad_rows(), None)
        except (SourceError, duckdb.Error):
            bad = None  # the first error says more than one met while looking for its line
        if bad is None:
            first = " ".join(str(error.__cause__ or error).split("\n\n")[0].split())[:400]
            return SourceError(
                f"{self.display(self.files()[0])}: {first}", where=self.ctx.where, hint=self._hint(None)
            )
        place = f"{self.display(bad.file)}:{bad.line}"
        column = f" column '{bad.column}':" if bad.column else ""
        return SourceError(
            f"{place}:{column} {bad.reason}; the row is: {bad.text[:200]!r}",
            where=self.ctx.where,
            hint=self._hint(bad),
            details={
                "file": str(bad.file),
                "line": bad.line,
                "column": bad.column,
                "sample": bad.text[:1000],
                "final": True,
            },
        )

    def _hint(self, bad: BadRow | None) -> str:
        keep = "on_bad_row: quarantine keeps such rows apart, on_bad_row: skip counts them"
        if bad is None:
            return f"check the file and the source's options; {keep}"
        if bad.column and "encod" not in bad.reason.lower():
            return f"correct the row, or declare columns: {{{bad.column}: VARCHAR}}; {keep}"
        if "encod" in bad.reason.lower() or "utf-8" in bad.reason.lower():
            return f"set encoding: latin-1 (or the file's own); {keep}"
        return f"correct the row; {keep}"

    # its own connection and folder ------------------------------------------------------------------

    def private(self) -> duckdb.DuckDBPyConnection:
        """For sniffing, streaming and finding bad rows; the engine's connection is not touched."""
        if self._private is None:
            self._private = open_duckdb()
        return self._private

    def close(self) -> None:
        if self._private is not None:
            self._private.close()
            self._private = None
        super().close()
        self._prepared = False


def _since(read: Read, schema: Schema) -> str:
    """The cursor's condition; the mark casts back to the column's type exactly."""
    assert read.since is not None
    column = schema[read.since.column]
    operator = ">" if read.strict else ">="
    mark = f"CAST({literal(read.since.value or '')} AS {column.type})"
    condition = f"{ident(column.name)} {operator} {mark}"
    return f"({condition} OR {ident(column.name)} IS NULL)" if read.include_null_cursor else f"({condition})"
