"""Types of a query, asked of an empty DuckDB: no data, no file, no network, so a plan stays pure."""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sqlglot import exp

from sluiceway.duck import ident, open_duckdb
from sluiceway.errors import PlanError, Where, did_you_mean
from sluiceway.schema import Column, Schema
from sluiceway.sql.primitives import lower

if TYPE_CHECKING:
    import duckdb

__all__ = ["arrow_schema", "canonical", "describe", "schema_of_arrow"]

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
    query: exp.Query | str,
    inputs: Mapping[str, Schema],
    where: Where | None = None,
    parameters: Mapping[str, Any] | None = None,
) -> Schema:
    """The schema of ``query`` when the tables it names have the schemas ``inputs``.

    Parameters that ``StepContext.bind`` made carry a sample of their value; others come in
    ``parameters``.

    >>> describe("SELECT a + 1 AS b FROM t", {"t": Schema.of({"a": "INTEGER"})}).columns[0].type
    'INTEGER'

    Raises:
        PlanError: what DuckDB's binder says (a missing column, a type that does not fit).
    """
    import duckdb

    sql = query if isinstance(query, str) else lower(query, "duckdb").sql("duckdb")
    values = dict(parameters or {})
    if not isinstance(query, str):
        named = {p.name: p.meta.get("sample") for p in query.find_all(exp.Placeholder)}
        values = {name: values.get(name, sample) for name, sample in named.items()}
    ctes = ", ".join(_empty(name, schema) for name, schema in inputs.items())
    text = f"WITH {ctes} SELECT * FROM ({sql}) AS _described" if ctes else sql
    try:
        rows = _connection().execute(f"DESCRIBE {text}", values or None).fetchall()
    except duckdb.Error as error:
        raise _explained(str(error), inputs, where) from error
    schema = Schema(tuple(Column(row[0], row[1]) for row in rows))
    _unique(schema, where)
    return schema


def canonical(type_: str, where: Where | None = None) -> str:
    """``type_`` as DuckDB spells it.

    >>> canonical("string"), canonical("decimal(10,2)")
    ('VARCHAR', 'DECIMAL(10,2)')

    Raises:
        PlanError: there is no such type.
    """
    from sqlglot.errors import SqlglotError

    try:
        built = exp.DataType.build(type_, dialect="duckdb")
    except (SqlglotError, ValueError):
        raise PlanError(f"'{type_}' is not a type", where=where, hint="such as BIGINT or VARCHAR") from None
    return describe(exp.select(exp.alias_(exp.Cast(this=exp.null(), to=built), "x")), {}, where)["x"].type


def arrow_schema(schema: Schema) -> Any:
    """``schema`` as DuckDB hands it to Arrow."""
    columns = ", ".join(f"NULL::{c.type} AS {ident(c.name)}" for c in schema)
    return _connection().sql(f"SELECT {columns} WHERE FALSE").to_arrow_table().schema


def schema_of_arrow(schema: Any) -> Schema:
    """An Arrow schema as DuckDB reads it."""
    con = _connection().cursor()
    con.register("_given", schema.empty_table())
    try:
        rows = con.execute("DESCRIBE SELECT * FROM _given").fetchall()
    finally:
        con.unregister("_given")
        con.close()
    return Schema(tuple(Column(row[0], row[1]) for row in rows))


def _unique(schema: Schema, where: Where | None) -> None:
    seen: set[str] = set()
    for name in schema.names:
        if name.casefold() in seen:
            raise PlanError(
                f"two columns are named '{name}'", where=where, hint=f"give one another name: … AS {name}_2"
            )
        seen.add(name.casefold())


_MISSING = re.compile(r'Referenced column "([^"]+)" not found')
_NO_TABLE = re.compile(r'Referenced table "([^"]+)" not found')


def _explained(text: str, inputs: Mapping[str, Schema], where: Where | None) -> PlanError:
    """The binder's error in our words, where we know better what the user can type."""
    missing = _MISSING.search(text)
    if missing:
        name = missing[1]
        there = "; ".join(f"{_shown(t)}: {', '.join(s.names)}" for t, s in inputs.items())
        names = [n for schema in inputs.values() for n in schema.names]
        return PlanError(
            f"column '{name}' does not exist; there are: {there or 'no columns'}",
            where=where,
            hint=did_you_mean(name, names) if names else None,
        )
    no_table = _NO_TABLE.search(text)
    if no_table:
        return PlanError(
            f"'{no_table[1]}' is not read here; the query reads: "
            f"{', '.join(_shown(t) for t in inputs) or 'nothing'}",
            where=where,
            hint="name it in FROM or JOIN",
        )
    return PlanError(_binder_message(text), where=where)


def _shown(table: str) -> str:
    return "_" if table.startswith("_step_") else table


def _binder_message(text: str) -> str:
    """DuckDB's message without the echo of a statement that the user never wrote."""
    head = text.split("\n\nLINE ")[0].split("\nLINE ")[0]
    return head.replace("\n", " ").strip()
