"""The engines whose answers are compared, each with the edge table in it."""

from __future__ import annotations

import decimal
import math
import struct
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any, Protocol

from tests.conformance.dialects import edge

from sluiceway.connectors.sftypes import sf_type
from sluiceway.duck import ident, open_duckdb

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

__all__ = ["BigQuery", "Duck", "Engine", "MariaDB", "Postgres", "Snowflake", "Spark", "plain"]


class Engine(Protocol):
    dialect: str

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """The answer; raises whatever the engine raises."""
        ...


class Duck:
    """The reference."""

    dialect = "duckdb"

    def __init__(self) -> None:
        self.con = open_duckdb(threads=1)
        columns = {**edge.COLUMNS, **edge.STRUCTS}
        names = ", ".join(f"{ident(name)} {type_}" for name, (type_, _) in columns.items())
        self.con.execute(f"CREATE TABLE edge ({names})")
        casts = ", ".join(f"CAST(? AS {type_})" for type_, _ in columns.values())
        for row in zip(*(values for _, values in columns.values()), strict=True):
            self.con.execute(f"INSERT INTO edge VALUES ({casts})", list(row))

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        return self.con.execute(sql).fetchall()

    def parquet(self, path: Path) -> None:
        """The edge table for Spark, which has neither UUID nor TIME. Not by DuckDB's own writer: its
        dictionaries make one value of 0.0 and -0.0."""
        from pyarrow import parquet

        rows = self.con.sql("SELECT * EXCLUDE (tm) REPLACE (CAST(u AS VARCHAR) AS u) FROM edge")
        parquet.write_table(rows.to_arrow_table(), path)


class Spark:
    dialect = "spark"

    def __init__(self, session: Any, parquet: Path) -> None:
        self.session = session
        # a table in memory: the same rows for every query, without reading files again
        session.read.parquet(str(parquet)).coalesce(1).cache().createOrReplaceTempView("edge")

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        frame = self.session.sql(sql)
        # Python can't take the first days of our era with a zone
        zoned = [name for name, type_ in frame.dtypes if type_ == "timestamp"]
        frame = frame.withColumns({name: frame[name].cast("timestamp_ntz") for name in zoned})
        return [tuple(row) for row in frame.collect()]


_POSTGRES = {
    "TINYINT": "smallint", "DOUBLE": "double precision", "FLOAT": "real", "VARCHAR": "text", "BLOB": "bytea",
    "VARCHAR[]": "text[]", "TIMESTAMP": "timestamp", "TIME": "time",
}  # fmt: skip


class Postgres:
    dialect = "postgres"

    def __init__(self, connection: Any, reference: Duck, session: Sequence[str]) -> None:
        self.connection = connection
        for statement in session:
            connection.execute(statement)
        types = {name: _POSTGRES.get(type_, type_) for name, (type_, _) in edge.COLUMNS.items()}
        columns = ", ".join(f"{ident(name)} {type_}" for name, type_ in types.items())
        connection.execute(f"CREATE TEMP TABLE edge ({columns})")
        names = ", ".join(ident(name) for name in types)
        casts = ", ".join(f"CAST(%s AS {type_})" for type_ in types.values())
        with connection.cursor() as cursor:
            for row in reference.rows(f"SELECT {names} FROM edge ORDER BY k"):
                cursor.execute(f"INSERT INTO edge VALUES ({casts})", [_given(v) for v in row])

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        with self.connection.cursor() as cursor:
            cursor.execute(sql.encode())  # bytes: a % in it is a %
            single = [column.type_code == _FLOAT4 for column in cursor.description]
            return [
                tuple(_single(v) if s else v for v, s in zip(row, single, strict=True))
                for row in cursor.fetchall()
            ]


_FLOAT4 = 700


def _single(value: float | None) -> float | None:
    """psycopg reads the shortest text of a float4, which is another number in double precision."""
    if value is None or not math.isfinite(value):
        return value
    number: float = struct.unpack("f", struct.pack("f", value))[0]
    return number


def _given(value: Any) -> Any:
    return repr(value) if isinstance(value, float) else value


_MARIADB = {
    "BOOLEAN": "boolean", "DOUBLE": "double", "FLOAT": "double", "VARCHAR": "longtext COLLATE utf8mb4_bin",
    "BLOB": "longblob", "TIMESTAMP": "datetime(6)", "TIMESTAMP WITH TIME ZONE": "datetime(6)",
    "TIME": "time(6)", "UUID": "char(36)", "DECIMAL(38,10)": "decimal(38,10)",
}  # fmt: skip


class MariaDB:
    """Stands for MySQL. It has neither NaN nor infinity, nor lists: those are NULL, in ``reference`` too."""

    dialect = "mysql"

    def __init__(self, connection: Any, reference: Duck, session: Sequence[str]) -> None:
        self.connection = connection
        self.execute = connection.cursor().execute
        for statement in session:
            self.execute(statement)
        held = {n: t for n, (t, _) in edge.COLUMNS.items() if not t.endswith("[]")}
        self.execute(
            f"CREATE TABLE edge ({', '.join(f'`{n}` {_MARIADB.get(t, t)}' for n, t in held.items())})"
        )
        marks = ", ".join(["%s"] * len(held))
        with connection.cursor() as cursor:
            for row in reference.rows(f"SELECT {', '.join(ident(n) for n in held)} FROM edge"):
                cursor.execute(f"INSERT INTO edge VALUES ({marks})", [_bare(v) for v in row])

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        with self.connection.cursor() as cursor:
            cursor.execute(sql)
            return list(cursor.fetchall())


_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 naive and in UTC, as everywhere


class Snowflake:
    """Its emulator, which keeps neither lists nor UUIDs nor FLOATs of four bytes."""

    dialect = "snowflake"

    def __init__(self, session: Any, reference: Duck, folder: Path) -> None:
        self.session = session
        held = {
            n: t for n, (t, _) in edge.COLUMNS.items() if not t.endswith("[]") and t not in ("UUID", "FLOAT")
        }
        session.execute("CREATE SCHEMA IF NOT EXISTS _SLUICEWAY")
        session.execute("USE SCHEMA PUBLIC")
        session.execute(
            f"CREATE TABLE edge ({', '.join(f'{ident(n)} {sf_type(t)}' for n, t in held.items())})"
        )
        session.load(
            '"PUBLIC"."EDGE"', reference.con, f"SELECT {', '.join(map(ident, held))} FROM edge", folder
        )

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """Moments as microseconds: the emulator sends a NULL among them as 1970."""
        with self.session.run(f"SELECT * FROM ({sql}) AS q LIMIT 0") as cursor:
            shape = [(d.name, d.type_code in (4, 6, 7, 8)) for d in cursor.description]
        if not any(moment for _, moment in shape):
            found: list[tuple[Any, ...]] = self.session.rows(sql)
            return found
        listed = ", ".join(
            f"DATE_PART(EPOCH_MICROSECOND, {ident(n)})" if moment else ident(n) for n, moment in shape
        )
        return [
            tuple(
                _EPOCH + timedelta(microseconds=v) if moment and v is not None else v
                for v, (_, moment) in zip(row, shape, strict=True)
            )
            for row in self.session.rows(f"SELECT {listed} FROM ({sql}) AS q")
        ]


class BigQuery:
    """An emulator of it. The edge table goes by a load job, as rows of a run do."""

    dialect = "bigquery"

    def __init__(self, server: Any, reference: Duck, folder: Path) -> None:
        from sluiceway.connectors.bqrows import fill

        self.server = server
        server.make_dataset("edge")
        # its BIGNUMERIC has 20 digits before the point, BigQuery's 38
        types = [(name, type_) for name, (type_, _) in edge.COLUMNS.items() if name != "big"]
        place = (server.project, "edge", "loaded")
        rows, _ = fill(server, reference.con, "SELECT * FROM edge", types, place, folder)
        server.run(f"CREATE TABLE edge.edge AS {rows}")

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        found: list[tuple[Any, ...]] = self.server.rows(sql)
        return found


def _bare(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, datetime) and value.tzinfo:
        return value.astimezone(UTC).replace(tzinfo=None)
    return value


def plain(value: Any) -> Any:
    """A value in a form that compares exactly: -0.0 is not 0.0, 1.0 is not 1, NaN is NaN."""
    if isinstance(value, bool) or value is None or isinstance(value, str):
        return value
    if isinstance(value, float):
        return ("float", repr(value))
    if isinstance(value, int | decimal.Decimal):
        return ("number", format(decimal.Decimal(value).normalize(_WIDE), "f"))
    if isinstance(value, bytes | bytearray | memoryview):
        return ("bytes", bytes(value).hex())
    if isinstance(value, datetime):
        return (
            "timestamp",
            (value.astimezone(UTC).replace(tzinfo=None) if value.tzinfo else value).isoformat(),
        )
    if isinstance(value, date | time):
        return (type(value).__name__, value.isoformat())
    if isinstance(value, dict):
        return tuple((name, plain(v)) for name, v in value.items())
    if hasattr(value, "asDict"):
        return tuple((name, plain(v)) for name, v in value.asDict().items())
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    return str(value)  # a UUID; what is left would show itself as a difference


_WIDE = decimal.Context(prec=80)
