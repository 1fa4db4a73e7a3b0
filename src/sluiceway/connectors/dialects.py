"""What differs between the SQL of the warehouses that publish by statements: quoting, literals,
NULL-safe comparison, types of the system tables, temporary tables. Everything else is written once,
in ``loading`` (load modes) and ``ledger`` (the ``_sluiceway`` tables)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from sluiceway.connectors.sftypes import sf_ident, sf_literal

__all__ = ["DUCKDB", "MYSQL", "POSTGRES", "SNOWFLAKE", "SPARK", "Dialect", "naive_utc"]

Kind = Literal["key", "text", "integer", "boolean", "timestamp"]

_TYPES: dict[str, dict[str, str]] = {
    "duckdb": {
        "key": "VARCHAR", "text": "VARCHAR", "integer": "BIGINT", "boolean": "BOOLEAN",
        "timestamp": "TIMESTAMP",
    },
    "postgres": {
        "key": "TEXT", "text": "TEXT", "integer": "BIGINT", "boolean": "BOOLEAN",
        "timestamp": "TIMESTAMP",
    },
    # a key must be indexable: InnoDB takes 768 characters of utf8mb4 at most
    "mysql": {
        "key": "VARCHAR(700) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin",
        "text": "LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin",
        "integer": "BIGINT", "boolean": "BOOLEAN", "timestamp": "DATETIME(6)",
    },
    "snowflake": {
        "key": "VARCHAR", "text": "VARCHAR", "integer": "NUMBER(38,0)", "boolean": "BOOLEAN",
        "timestamp": "TIMESTAMP_NTZ(6)",
    },
}  # fmt: skip


def naive_utc(moment: datetime) -> datetime:
    """``moment`` as a naive datetime in UTC, the form of every timestamp that we write.

    >>> from datetime import timedelta, timezone
    >>> naive_utc(datetime(2026, 1, 1, 2, tzinfo=timezone(timedelta(hours=2))))
    datetime.datetime(2026, 1, 1, 0, 0)
    """
    return moment if moment.tzinfo is None else moment.astimezone(UTC).replace(tzinfo=None)


@dataclass(frozen=True)
class Dialect:
    """``name`` is one of duckdb, postgres, mysql, snowflake, spark. DuckDB's also writes what DuckDB
    attaches. Spark's knows load modes alone: its tables keep no system tables.

    >>> POSTGRES.same("a", "b"), MYSQL.same("a", "b"), MYSQL.relation("mart", "x`y")
    ('a IS NOT DISTINCT FROM b', 'a <=> b', '`mart`.`x``y`')
    """

    name: Literal["duckdb", "postgres", "mysql", "snowflake", "spark", "bigquery"]

    def ident(self, name: str) -> str:
        if self.name == "snowflake":
            return sf_ident(name)
        quote = "`" if self.name in ("mysql", "spark") else '"'
        return quote + name.replace(quote, quote * 2) + quote

    def relation(self, *parts: str) -> str:
        return ".".join(self.ident(part) for part in parts)

    def same(self, left: str, right: str) -> str:
        """NULL-safe equality, never NULL itself."""
        if self.name in ("mysql", "spark"):
            return f"{left} <=> {right}"
        return f"{left} IS NOT DISTINCT FROM {right}"

    def empty(self, table: str) -> str:
        """The statement that deletes every row; ``table`` is quoted."""
        return f"DELETE FROM {table}"

    def only(self, expression: str) -> str:
        """``expression`` of a correlated subquery that finds one row."""
        return expression

    def timestamp(self, expression: str) -> str:
        """``expression`` as a naive timestamp; the session's zone must be UTC."""
        type_ = {
            "mysql": "DATETIME(6)", "snowflake": "TIMESTAMP_NTZ(6)", "spark": "TIMESTAMP_NTZ"
        }.get(self.name, "TIMESTAMP")  # fmt: skip
        return f"CAST({expression} AS {type_})"

    def literal(self, value: str | int | bool | datetime | None) -> str:
        """A value in SQL text. The statements travel through doors that take no parameters
        (``postgres_execute``, ``mysql_execute``), so quoting is done here and nowhere else.

        >>> DUCKDB.literal("it's"), MYSQL.literal(chr(92)), DUCKDB.literal(datetime(2026, 1, 1))
        ("'it''s'", "_utf8mb4 X'5C'", "TIMESTAMP '2026-01-01 00:00:00.000000'")
        """
        if value is None:
            return "NULL"
        if isinstance(value, bool):
            return "TRUE" if value else "FALSE"
        if isinstance(value, int):
            return str(value)
        if isinstance(value, datetime):
            text = naive_utc(value).isoformat(sep=" ", timespec="microseconds")
            if self.name == "snowflake":
                return self.timestamp(f"'{text}'")
            return f"{'TIMESTAMP_NTZ' if self.name == 'spark' else 'TIMESTAMP'} '{text}'"
        if self.name == "snowflake":
            return sf_literal(value)
        if self.name == "mysql" and ("\\" in value or not value.isprintable()):
            # right whatever NO_BACKSLASH_ESCAPES says
            return f"_utf8mb4 X'{value.encode().hex().upper()}'"
        if self.name == "spark":
            value = value.replace("\\", "\\\\")  # it reads escapes in a text
        return "'" + value.replace("'", "''" if self.name != "spark" else "\\'") + "'"

    def type(self, kind: Kind) -> str:
        return _TYPES[self.name][kind]

    def temporary(self, name: str, query: str, index: str = "") -> tuple[str, ...]:
        """Statements that leave the rows of ``query`` in temporary table ``name``.

        ``index``: columns that MySQL indexes, where it would join row by row.
        """
        table = self.ident(name)
        if self.name == "mysql":  # without the word TEMPORARY a DROP commits
            return (
                f"DROP TEMPORARY TABLE IF EXISTS {table}",
                f"CREATE TEMPORARY TABLE {table}{f' (INDEX ({index}))' if index else ''} AS {query}",
            )
        if self.name == "snowflake":  # DDL commits: see ``made_before``
            return (f"INSERT INTO {table} {query}",)
        if self.name == "spark":  # it has no temporary tables
            return (f"CREATE OR REPLACE TEMPORARY VIEW {table} AS {query}",)
        return (self.drop_temporary(name), f"CREATE TEMP TABLE {table} AS {query}")

    def made_before(self, name: str, query: str) -> tuple[str, ...]:
        """What must be done before the transaction so that ``temporary`` works in it."""
        if self.name != "snowflake":
            return ()
        return (
            f"CREATE OR REPLACE TEMPORARY TABLE {self.ident(name)} AS SELECT * FROM ({query}) AS q LIMIT 0",
        )

    def updated(self, table: str, column: str, value: str, source: str, condition: str) -> str:
        """Set a column from ``source``, a FROM clause with at most one row for each of the table's.

        Snowflake can't take such a row by a subquery that looks at the table.
        """
        if self.name == "snowflake":
            return f"UPDATE {table} SET {column} = {value} FROM {source} WHERE {condition}"
        cut = f"FROM {source} WHERE {condition}"
        return (
            f"UPDATE {table} SET {column} = (SELECT {self.only(value)} {cut}) WHERE EXISTS (SELECT 1 {cut})"
        )

    def drop_temporary(self, name: str) -> str:
        match self.name:
            case "mysql":
                return f"DROP TEMPORARY TABLE IF EXISTS {self.ident(name)}"
            case "snowflake":  # DDL commits; the table goes with the session
                return f"DELETE FROM {self.ident(name)}"
            case "postgres":
                return f"DROP TABLE IF EXISTS pg_temp.{self.ident(name)}"
            case "spark":
                return f"DROP VIEW IF EXISTS {self.ident(name)}"
            case _:
                return f"DROP TABLE IF EXISTS temp.{self.ident(name)}"


DUCKDB = Dialect("duckdb")
POSTGRES = Dialect("postgres")
MYSQL = Dialect("mysql")
SNOWFLAKE = Dialect("snowflake")
SPARK = Dialect("spark")
