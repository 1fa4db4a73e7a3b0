"""Types of a query, asked of an empty DuckDB: no data, no file, no network, so a plan stays pure."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING

from sqlglot import exp

from sluiceway.duck import ident, open_duckdb
from sluiceway.errors import PlanError, Where
from sluiceway.schema import Column, Schema
from sluiceway.sql.primitives import lower

if TYPE_CHECKING:
    import duckdb

__all__ = ["describe"]

_local = threading.local()


def _connection() -> duckdb.DuckDBPyConnection:
    con: duckdb.DuckDBPyConnection | None = getattr(_local, "con", None)
    if con is None:
        con = open_duckdb(threads=1, memory_limit="256MB")
        con.execute("SET enable_external_access = false")
        con.execute("SET lock_configuration = true")
        _local.con = con
    return con


def _empty(name: str, schema: Schema) -> str:
    columns = ", ".join(f"NULL::{c.type} AS {ident(c.name)}" for c in schema)
    return f"{ident(name)} AS (SELECT {columns} WHERE FALSE)"


def describe(
    query: exp.Query | str, inputs: Mapping[str, Schema], where: Where | None = None
) -> Schema:
    """The schema of ``query`` when the tables it names have the schemas ``inputs``.

    >>> describe("SELECT a + 1 AS b FROM t", {"t": Schema.of({"a": "INTEGER"})}).columns[0].type
    'INTEGER'

    Raises:
        PlanError: what DuckDB's binder says (a missing column, a type that does not fit).
    """
    import duckdb

    sql = query if isinstance(query, str) else lower(query, "duckdb").sql("duckdb")
    ctes = ", ".join(_empty(name, schema) for name, schema in inputs.items())
    text = f"WITH {ctes} SELECT * FROM ({sql}) AS _described" if ctes else sql
    try:
        rows = _connection().execute(f"DESCRIBE {text}").fetchall()
    except duckdb.Error as error:
        raise PlanError(_binder_message(str(error)), where=where) from error
    return Schema(tuple(Column(row[0], row[1]) for row in rows))


def _binder_message(text: str) -> str:
    """DuckDB's message without the echo of a statement that the user never wrote."""
    head = text.split("\n\nLINE ")[0].split("\nLINE ")[0]
    return head.replace("\n", " ").strip()
