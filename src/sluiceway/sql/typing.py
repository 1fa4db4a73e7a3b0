"""Types of a query, asked of an empty DuckDB: no data, no file, no network, so a plan stays pure."""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import sqlglot
from sqlglot import exp

from sluiceway.duck import ident, open_duckdb
from sluiceway.errors import PlanError, Where, did_you_mean
from sluiceway.schema import Column, Schema
from sluiceway.sql.primitives import lower

if TYPE_CHECKING:
    import duckdb

__all__ = ["arrow_schema", "canonical", "describe", "parse_type", "schema_of_arrow", "types_of", "value_of"]

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

    values = dict(parameters or {})
    empty = [_empty(name, schema) for name, schema in inputs.items()]
    if isinstance(query, str):
        text = f"WITH {', '.join(empty)} SELECT * FROM ({query}) AS _described" if empty else query
    else:
        named = {p.name: p.meta.get("sample") for p in query.find_all(exp.Placeholder)}
        values = {name: values.get(name, sample) for name, sample in named.items()}
        text = _beside(lower(query, "duckdb"), empty)
    try:
        rows = _connection().execute(f"DESCRIBE {text}", values or None).fetchall()
    except duckdb.Error as error:
        raise _explained(str(error), inputs, where) from error
    schema = Schema(tuple(Column(row[0], row[1]) for row in rows))
    _unique(schema, where)
    return schema


def types_of(query: exp.Query, inputs: Mapping[str, Schema]) -> list[tuple[str, str]]:
    """As ``describe``, for a query of any shape: two columns may have one name.

    Raises:
        PlanError: what DuckDB's binder says.
    """
    import duckdb

    empty = [_empty(name, schema) for name, schema in inputs.items()]
    values = {p.name: p.meta.get("sample") for p in query.find_all(exp.Placeholder)}
    text = _beside(lower(query, "duckdb"), empty)
    try:
        rows = _connection().execute(f"DESCRIBE {text}", values or None).fetchall()
    except duckdb.Error as error:
        raise _explained(str(error), inputs, None) from error
    return [(str(row[0]), str(row[1])) for row in rows]


def value_of(expression: exp.Expr, type_: str) -> str | None:
    """What an expression without columns gives, as text, when it is cast to ``type_``.

    >>> value_of(exp.Literal.string("2024-1-5"), "DATE")
    '2024-01-05'

    Raises:
        PlanError: what DuckDB says of it.
    """
    import duckdb

    text = lower(expression, "duckdb").sql("duckdb")
    try:
        row = _connection().execute(f"SELECT CAST(CAST({text} AS {type_}) AS VARCHAR)").fetchone()
    except duckdb.Error as error:
        raise PlanError(_binder_message(str(error))) from error
    return None if row is None or row[0] is None else str(row[0])


def _beside(query: exp.Expr, empty: list[str]) -> str:
    """The query with the empty relations before its own CTEs. Not around it: DuckDB would give two
    columns of one name other names, and nobody would know."""
    with_ = query.args.get("with_")
    if with_ is not None:
        with_.pop()
        empty = [*empty, *(cte.sql("duckdb") for cte in with_.expressions)]
    head = "WITH RECURSIVE " if with_ is not None and with_.recursive else "WITH "
    return (head + ", ".join(empty) + " " if empty else "") + query.sql("duckdb")


def parse_type(type_: str, where: Where | None = None) -> exp.DataType:
    """A type in DuckDB's spelling, as a tree that holds nothing else.

    >>> parse_type("decimal(10,2)").sql("duckdb")
    'DECIMAL(10, 2)'

    Raises:
        PlanError: it is not a type.
    """
    from sqlglot.errors import SqlglotError

    # within a CAST nothing may be left over: DataType.build drops what it does not understand; the
    # new line ends a comment that would hide the parenthesis
    try:
        cast: Any = sqlglot.parse_one(f"CAST(NULL AS {type_}\n)", read="duckdb", into=exp.Condition)
    except SqlglotError:
        cast = None
    built = cast.to if isinstance(cast, exp.Cast) and isinstance(cast.this, exp.Null) else None
    if not isinstance(built, exp.DataType) or not all(_is_type(n) for n in built.walk()):
        raise PlanError(
            f"'{type_}' is not a type",
            where=where,
            hint="such as INTEGER, DECIMAL(18,2), VARCHAR, DATE, TIMESTAMP, VARCHAR[]",
        )
    return built


def _is_type(node: Any) -> bool:
    node.pop_comments()
    if isinstance(node, exp.DataType):
        return bool(node.this != exp.DataType.Type.USERDEFINED)
    return isinstance(node, exp.DataTypeParam | exp.ColumnDef | exp.Identifier | exp.Literal)


def canonical(type_: str, where: Where | None = None) -> str:
    """``type_`` as DuckDB spells it.

    >>> canonical("string"), canonical("decimal(10,2)")
    ('VARCHAR', 'DECIMAL(10,2)')

    Raises:
        PlanError: there is no such type.
    """
    built = parse_type(type_, where)
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
    head = re.split(r"\n+LINE ", text, maxsplit=1)[0]
    return head.replace("\n", " ").strip()
