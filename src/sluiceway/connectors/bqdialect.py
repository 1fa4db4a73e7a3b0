"""BigQuery's SQL for the statements of ``loading`` and ``ledger``."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from sluiceway.connectors.bqtypes import ident
from sluiceway.connectors.dialects import Dialect, Kind, naive_utc

__all__ = ["BIGQUERY", "BigQueryDialect"]

_ESCAPES = {"\\": "\\\\", "'": "\\'", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\x00": "\\x00"}


@dataclass(frozen=True)
class BigQueryDialect(Dialect):
    """Strings are escaped with backslashes, a naive timestamp is a DATETIME, and a script's temporary tables
    go with the script.

    >>> BIGQUERY.relation("p", "mart", "orders"), BIGQUERY.literal(chr(39) + chr(92))
    ('`p`.`mart`.`orders`', "'\\\\'\\\\\\\\'")
    """

    types: ClassVar[dict[str, str]] = {
        "key": "STRING", "text": "STRING", "integer": "INT64", "boolean": "BOOL", "timestamp": "DATETIME",
    }  # fmt: skip

    def ident(self, name: str) -> str:
        return ident(name)

    def timestamp(self, expression: str) -> str:
        return f"CAST({expression} AS DATETIME)"

    def literal(self, value: str | int | bool | datetime | None) -> str:
        if isinstance(value, datetime):
            return f"DATETIME '{naive_utc(value).isoformat(sep=' ', timespec='microseconds')}'"
        if isinstance(value, str):
            return "'" + "".join(_ESCAPES.get(letter, letter) for letter in value) + "'"
        return super().literal(value)

    def type(self, kind: Kind) -> str:
        return self.types[kind]

    def empty(self, table: str) -> str:
        return f"DELETE FROM {table} WHERE TRUE"

    def only(self, expression: str) -> str:
        return f"ANY_VALUE({expression})"

    def temporary(self, name: str, query: str, index: str = "") -> tuple[str, ...]:
        return (f"CREATE TEMP TABLE {self.ident(name)} AS {query}",)

    def drop_temporary(self, name: str) -> str:
        return f"DROP TABLE IF EXISTS {self.ident(name)}"


BIGQUERY = BigQueryDialect("bigquery")
