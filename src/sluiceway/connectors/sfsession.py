"""A session of Snowflake: statements, rows that come as Arrow, rows that go as Parquet (PUT, COPY)."""

from __future__ import annotations

import contextlib
import logging
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sluiceway.connectors.sfclient import SfServer, connector
from sluiceway.connectors.sftypes import SfColumn, arrow_type, sf_column, sf_ident, sf_literal
from sluiceway.duck import ident as duck_ident
from sluiceway.duck import literal
from sluiceway.errors import SourceError
from sluiceway.exchange import SYSTEM_SCHEMA

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

__all__ = ["SfSession", "spooled"]

log = logging.getLogger("sluiceway.connectors.snowflake")
_ABSENT = 2003
_COPY = (
    "FILE_FORMAT = (TYPE = PARQUET USE_LOGICAL_TYPE = TRUE BINARY_AS_TEXT = FALSE) "
    "MATCH_BY_COLUMN_NAME = CASE_INSENSITIVE ON_ERROR = ABORT_STATEMENT"
)


class SfSession:
    """See ``sluiceway.connectors.database.Session``."""

    def __init__(self, server: SfServer, tag: str) -> None:
        self.server = server
        self.con = server.connect(tag)
        self._lost = False
        self._stage: str | None = None

    def run(self, sql: str, values: Sequence[Any] = ()) -> Any:
        """Execute; the cursor. ``values`` take the place of question marks, bound by the server."""
        errors = connector().errors
        log.debug("%s", sql)
        cursor = self.con.cursor()
        try:
            cursor.execute(sql, tuple(values) or None)
        except errors.ProgrammingError:
            raise
        except errors.Error:  # what the server did not say
            self._lost = True
            raise
        return cursor

    def execute(self, sql: str) -> None:
        self.run(sql).close()

    def changed(self, sql: str, values: Sequence[Any] = ()) -> int:
        """How many rows a statement changed."""
        return int(self.run(sql, values).rowcount or 0)

    def rows(self, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        with self.run(sql, values) as cursor:
            return list(cursor.fetchall())

    def begin(self) -> None:
        self.execute("BEGIN")

    def commit(self) -> None:
        self.execute("COMMIT")

    def rollback(self) -> None:
        self.execute("ROLLBACK")

    @property
    def lost(self) -> bool:
        return self._lost or bool(self.con.is_closed())

    def close(self) -> None:
        if not self.con.is_closed():
            with contextlib.suppress(connector().errors.Error):  # it ends on the server all the same
                self.con.close(retry=False)

    # looking ----------------------------------------------------------------------------------------

    def described(self, relation: str, wanted: dict[str, str] | None = None) -> list[SfColumn] | None:
        """The columns of a table; None where there is none that this role may see."""
        try:
            rows = self.rows(f"DESCRIBE TABLE {relation}")
        except connector().errors.ProgrammingError as error:
            if error.errno == _ABSENT:
                return None
            raise
        return [sf_column(row[0], row[1], str(row[3]).upper().startswith("Y"), wanted) for row in rows]

    def names(self, sql: str, values: Sequence[Any] = ()) -> list[str]:
        with self.run(f"SELECT * FROM ({sql}) AS _shape LIMIT 0", values) as cursor:
            return [column.name for column in cursor.description or ()]

    def arrow(self, sql: str, columns: Sequence[SfColumn], values: Sequence[Any] = ()) -> Iterator[pa.Table]:
        """Batches of a SELECT that gives ``columns`` as ``carried`` has them, in their own types."""
        cursor = self.run(sql, values)
        with cursor:
            for batch in cursor.fetch_arrow_batches():
                yield _arrived(batch, columns)

    # bulk -------------------------------------------------------------------------------------------

    def stage(self) -> str:
        """A place for files that goes with the session. It is DDL: before a transaction, not in it."""
        if self._stage is None:
            name = f"upload_{uuid.uuid4().hex}"
            self.execute(f"CREATE TEMPORARY STAGE {sf_ident(SYSTEM_SCHEMA)}.{sf_ident(name)}")
            self._stage = f"@{SYSTEM_SCHEMA}.{name}"
        return self._stage

    def load(self, target: str, con: duckdb.DuckDBPyConnection, sql: str, folder: Path) -> int:
        """The rows of DuckDB's ``sql`` into ``target`` by PUT and COPY; how many Snowflake took."""
        # a folder for each load: what lies in another is not loaded again
        stage, file = f"{self.stage()}/{uuid.uuid4().hex}", folder / f"{uuid.uuid4().hex}.parquet"
        try:
            sent = con.execute(f"COPY ({sql}) TO {literal(str(file))} (FORMAT parquet)").fetchall()[0][0]
            if not sent:
                return 0
            self.execute(f"PUT {sf_literal(f'file://{file}')} {stage} AUTO_COMPRESS = FALSE")
        finally:
            file.unlink(missing_ok=True)
        found = self.rows(f"COPY INTO {target} FROM {stage}/ {_COPY}")
        return sum(int(row[3]) for row in found)


def _arrived(batch: pa.Table, columns: Sequence[SfColumn]) -> pa.Table:
    """A batch with the types that all batches have: Snowflake sends numbers in the width that they need."""
    import pyarrow as pa

    arrays, names = [], []
    for place, column in enumerate(columns):
        way, end = arrow_type(column.type)
        try:
            arrays.append(batch.column(place).cast(way).cast(end))
        except pa.ArrowInvalid as error:
            raise SourceError(
                f"column '{column.name}' ({column.spelled}) holds what is no {column.type}: {error}",
                hint=f"say what it is: columns: {{{column.name}: DECIMAL(38,0)}}",
                details={"final": True},
            ) from None
        names.append(column.name)
    return pa.Table.from_arrays(arrays, names)


def spooled(session: SfSession, sql: str, columns: Sequence[SfColumn], folder: Path) -> str:
    """Rows of Snowflake's in a file beside us: a SELECT of it in DuckDB's SQL."""
    import pyarrow as pa
    from pyarrow import parquet

    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"pulled-{uuid.uuid4().hex}.parquet"
    schema = pa.schema([(c.name, arrow_type(c.type)[1]) for c in columns])
    with parquet.ParquetWriter(file, schema) as writer:
        for batch in session.arrow(sql, columns):
            writer.write_table(batch)
    listed = ", ".join(
        f"CAST({duck_ident(c.name)} AS {c.type}) AS {duck_ident(c.name)}"
        if c.type == "JSON"
        else duck_ident(c.name)
        for c in columns
    )
    return f"SELECT {listed} FROM read_parquet({literal(str(file))})"
